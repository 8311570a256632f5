# SPDX-License-Identifier: Apache-2.0
"""Guests that have something of their host's for themselves: memory pages,
processors, a TPM. Their Domain R has what Nova leaves to the host.
"""

from unittest import mock

from nova.tests.fixtures import libvirt as fakelibvirt

from tests.functional import base

_PAGE_KIB = 2048
_PAGES = 1024


class HostVarietyTest(base.TestCase):

    ADDITIONAL_FILTERS = ['NUMATopologyFilter']

    def _boot(self, **extra_spec):
        return self.boot(flavor_id=self._create_flavor(
            vcpu=2, memory_mb=256,
            extra_spec={name.replace('__', ':'): value
                        for name, value in extra_spec.items()}))

    def _start_with_numa(self):
        host = fakelibvirt.HostInfo(
            cpu_nodes=2, cpu_sockets=1, cpu_cores=2, cpu_threads=2)
        for cell in host.numa_topology.cells:
            cell.mempages = fakelibvirt.create_mempages([
                (4, (host.kB_mem - _PAGE_KIB * _PAGES) // 4),
                (_PAGE_KIB, _PAGES)])
        self.start(host_info=host)

    def test_huge_pages(self):
        """Domain R takes none of them."""
        self._start_with_numa()
        server = self._boot(hw__mem_page_size=str(_PAGE_KIB))
        self.assert_pair(server)
        self.assertEqual(str(_PAGE_KIB), self.instance_xml(server).find(
            'memoryBacking/hugepages/page').get('size'))
        self.assertIsNone(self.domain_r_xml(server).find(
            'memoryBacking/hugepages'))

    def test_dedicated_processors(self):
        """Domain R runs on others."""
        self.flags(cpu_dedicated_set='0-5', cpu_shared_set='6-7',
                   group='compute')
        self._start_with_numa()
        server = self._boot(hw__cpu_policy='dedicated')
        self.assert_pair(server)
        pinned = {int(each.get('cpuset')) for each in
                  self.instance_xml(server).findall('cputune/vcpupin')}
        self.assertEqual(2, len(pinned))
        self.assertLess(pinned, set(range(6)))
        domain_r = self.domain_r(server)
        allowed = (False,) * 6 + (True,) * 2
        self.assertEqual((allowed, allowed),
                         (domain_r.vcpu_cpus, domain_r.emulator_cpus))

    def test_numa_nodes(self):
        self._start_with_numa()
        server = self._boot(hw__numa_nodes='2')
        self.assert_pair(server)
        self.assertEqual(2, len(self.instance_xml(server).findall(
            'cpu/numa/cell')))

    def test_memory_in_files(self):
        self.flags(file_backed_memory=8192, group='libvirt')
        self.flags(ram_allocation_ratio=1.0, reserved_host_memory_mb=0)
        self.start()
        server = self._boot()
        self.assert_pair(server)
        self.assertEqual('file', self.instance_xml(server).find(
            'memoryBacking/source').get('type'))

    @mock.patch.object(
        fakelibvirt.virConnect, '_domain_capability_tpm',
        new=fakelibvirt.virConnect._domain_capability_tpm_supported)
    def test_tpm(self):
        self.flags(swtpm_enabled=True, group='libvirt')
        self.flags(backend='nova.tests.functional.libvirt.test_vtpm.'
                           'FakeKeyManager', group='key_manager')
        with mock.patch('nova.virt.libvirt.driver.LibvirtDriver.'
                        '_check_vtpm_support'):
            self.start()
        server = self._boot(hw__tpm_model='tpm-tis', hw__tpm_version='2.0')
        self.assert_pair(server)
        self.assertEqual('emulator', self.instance_xml(server).find(
            'devices/tpm/backend').get('type'))
        self.assertIsNone(self.domain_r_xml(server).find('devices/tpm'))
