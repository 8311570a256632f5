# SPDX-License-Identifier: Apache-2.0
"""What Placement sees of Domain Rs, with Nova's scheduler and resource tracker
and a real Placement."""

import fixtures
from nova.tests.fixtures import libvirt as fakelibvirt
import os_resource_classes as orc
from oslo_utils.fixture import uuidsentinel as uuids

from nova_dmore.virt import capacity
from tests.functional import base

#: Of the image that the tests upload.
COST = 96 + capacity.OVERHEAD_MIB
SPARE = 2
#: Of Nova's own flavors.
INSTANCE = 512
TOTAL = 4096
#: What Nova reserves.
OWN = 512


class CapacityTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        self.neutron_for_domain_r.free_addresses = [
            f'10.0.0.{number}' for number in range(5, 50)]
        self.flags(reserved_host_memory_mb=OWN)
        self.flags(initial_ram_allocation_ratio=1.0,
                   initial_cpu_allocation_ratio=16.0)

    def start(self, hostname='c1', mempages=None):
        return super().start(hostname, host_info=fakelibvirt.HostInfo(
            cpu_cores=8, kB_mem=TOTAL, mempages=mempages))

    def inventory(self, name=orc.MEMORY_MB, hostname='c1'):
        return self._get_provider_inventory(
            self.compute_rp_uuids[hostname])[name]

    def used(self, hostname='c1'):
        return self._get_provider_usages(
            self.compute_rp_uuids[hostname])[orc.MEMORY_MB]

    def reserved(self, hostname='c1'):
        """For Domain Rs, as of the last report."""
        return self.inventory(hostname=hostname)['reserved'] - OWN

    def domain_rs(self, hostname='c1'):
        return [name for name in self.connection(hostname)._vms
                if name.startswith('domr-')]

    def report(self, hostname='c1'):
        """As every minute."""
        self._run_periodics()

    def assert_not_oversubscribed(self, hostname='c1', cost=COST):
        found = self.inventory(hostname=hostname)
        self.assertLessEqual(
            self.used(hostname) / found['allocation_ratio'] + OWN
            + len(self.domain_rs(hostname)) * cost, TOTAL)
        # Nor does it seem so.
        self.assertLessEqual(
            self.used(hostname),
            (TOTAL - found['reserved']) * found['allocation_ratio'])


class ReservedTest(CapacityTestCase):

    def test_room_for_the_next_is_kept(self):
        self.start()
        self.assertEqual(SPARE * COST, self.reserved())
        self.assertEqual(1, self.inventory(orc.VCPU)['reserved'])

    def test_what_there_is_comes_and_goes_with_instances(self):
        self.start()
        server = self.boot()
        self.assertEqual((1 + SPARE) * COST, self.reserved())
        self._stop_server(server)
        self.report()
        self.assertEqual((1 + SPARE) * COST, self.reserved())
        self._delete_server(server)
        self.report()
        self.assertEqual(SPARE * COST, self.reserved())

    def test_a_host_that_lost_its_records(self):
        """One whose instances are off since a reboot."""
        self.start()
        server = self.boot()
        self._stop_server(server)
        pairs = self.driver()._pairs
        pairs.remove(server['id'], delete_address=False)
        self.report()
        self.assertEqual((1 + SPARE) * COST, self.reserved())

    def test_what_was_claimed_in_vain_is_given_back(self):
        """A live migration that Nova has checked goes to another host."""
        self.flags(spare_domain_rs=0, group='dmore')
        self.start()
        capacity_here = self.driver()._capacity
        capacity_here.claim(uuids.instance)
        capacity_here.end_claim(uuids.instance)
        self.assertEqual(COST, self.reserved())
        self.report()
        self.assertEqual(0, self.reserved())

    def test_an_instance_without_domain_r_takes_nothing(self):
        self.start()
        flavor = self._create_flavor(
            memory_mb=INSTANCE, extra_spec={'dmore:domain_r': 'disabled'})
        self.boot(flavor_id=flavor)
        self.assertEqual(SPARE * COST, self.reserved())

    def test_switched_off(self):
        self.flags(enabled=False, group='dmore')
        self.start()
        self.assertEqual(0, self.reserved())
        self.assertEqual(0, self.inventory(orc.VCPU)['reserved'])

    def test_both_hosts_keep_room_until_a_resize_is_confirmed(self):
        self.useFixture(fixtures.MonkeyPatch(
            'nova_dmore.virt.driver.DMoreDriver.migrate_disk_and_power_off',
            lambda *_, **__: '[]'))
        self.start('c1')
        self.start('c2')
        server = self.boot(host='c1')
        self._migrate_server(server)
        self._run_periodics()
        self.assertEqual(2 * [(1 + SPARE) * COST],
                         [self.reserved('c1'), self.reserved('c2')])
        self._confirm_resize(server)
        self._run_periodics()
        self.assertEqual([SPARE * COST, (1 + SPARE) * COST],
                         [self.reserved('c1'), self.reserved('c2')])

    def test_placement_is_away(self):
        """Nova reports what it did the last time."""
        self.start()
        self.boot()
        before = self.reserved()
        self.useFixture(fixtures.MockPatchObject(
            capacity.Capacity, '_get', side_effect=OSError('away')))
        self.report()
        self.assertEqual(before, self.reserved())

    def test_instances_have_files(self):
        """Domain Rs take nothing of these."""
        self.flags(file_backed_memory=16 * TOTAL, group='libvirt')
        self.flags(ram_allocation_ratio=1.0, reserved_host_memory_mb=0)
        self.start()
        self.boot()
        self.assertEqual(0, self.inventory()['reserved'])


class FullTest(CapacityTestCase):
    """A host is filled up."""

    def fill(self, count=20):
        """Boot until the scheduler finds no room; how many were made."""
        for made in range(count):
            server = self.api.post_server({'server': self._build_server(
                networks='none', flavor_id=base.FLAVOR)})
            server = self.api.get_server(server['id'])
            while server['status'] not in ('ACTIVE', 'ERROR'):
                server = self.api.get_server(server['id'])
            self.assert_not_oversubscribed()
            if server['status'] == 'ERROR':
                self.assertIn('No valid host', server['fault']['message'])
                return made
        return count

    def test_one_after_the_other(self):
        self.start()
        # Each with its Domain R; who came last took some of what is spare.
        expected = (TOTAL - OWN - (SPARE - 1) * COST) // (INSTANCE + COST)
        self.assertEqual(expected, self.fill())
        self.assertEqual(expected, len(self.domain_rs()))

    def test_overcommitted(self):
        self.flags(initial_ram_allocation_ratio=1.5)
        self.start()
        self.fill()
        # Domain Rs are not overcommitted.
        self.assertEqual(
            self.api.get_servers(search_opts={'status': 'ACTIVE'}).__len__(),
            len(self.domain_rs()))

    def test_more_at_once_than_are_foreseen(self):
        """Who finds no room has the stock consoles; nobody else pays."""
        self.flags(spare_domain_rs=0, group='dmore')
        self.start()
        count = 6
        self.api.post_server({'server': {**self._build_server(
            networks='none', flavor_id=base.FLAVOR),
            'min_count': count, 'max_count': count}})
        self._active(count)
        self.assertEqual((TOTAL - OWN - count * INSTANCE) // COST,
                         len(self.domain_rs()))
        self.assert_not_oversubscribed()
        self.report()
        self.assert_not_oversubscribed()

    def _active(self, count):
        """Wait for so many instances."""
        found = []
        while len(found) < count:
            found = self.api.get_servers(search_opts={'status': 'ACTIVE'})

    def test_no_room_and_required(self):
        self.flags(required=True, spare_domain_rs=0, group='dmore')
        self.start()
        while True:
            server = self.api.get_server(self.api.post_server({
                'server': self._build_server(
                    networks='none', flavor_id=base.FLAVOR)})['id'])
            while server['status'] not in ('ACTIVE', 'ERROR'):
                server = self.api.get_server(server['id'])
            self.assert_not_oversubscribed()
            if server['status'] == 'ERROR':
                break
        self.assertRegex(server['fault']['message'],
                         'MiB for its Domain Rs|No valid host')
