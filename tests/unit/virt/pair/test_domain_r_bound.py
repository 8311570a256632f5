# SPDX-License-Identifier: Apache-2.0
"""A Domain R has its part of the processors of the host that it is on."""

import libvirt

from nova_dmore.virt.care import changed_options
from nova_dmore.virt.pair import domain_r
from tests.unit.virt import fake_host
from tests.unit.virt import fakes


class BoundTest(fake_host.HostTestCase):

    def _domain(self):
        return self.libvirt.domains[self.domr]

    def test_when_it_starts(self):
        self.config.config(cpu_set='1,3', group='dmore')
        self.pairs.ensure(fakes.make_instance())
        domain = self._domain()
        self.assertIn('<vcpu cpuset="1,3">', domain.xml)
        self.assertEqual(2 * [(False, True, False, True)],
                         [domain.vcpu_on, domain.emulator_on])
        self.assertEqual({'global_period': 100000, 'global_quota': 200000},
                         domain.scheduler)

    def test_when_it_has_arrived(self):
        """Here, or back here."""
        self.config.config(cpu_set='1', group='dmore')
        self.pairs.ensure(fakes.make_instance())
        del self._domain().emulator_on
        self.pairs.adopt(fakes.UUID)
        self.assertEqual((False, True), self._domain().emulator_on)

    def test_when_nova_compute_starts_with_other_processors(self):
        """One that it had is an instance's own now."""
        self.config.config(cpu_shared_set='0-1', group='compute')
        self.pairs.ensure(fakes.make_instance())
        self.config.config(cpu_shared_set='0', cpu_dedicated_set='1',
                           group='compute')
        self.config.config(cpu_limit_percent=50, group='dmore')
        pairs = self.make_pairs()
        changed_options.ChangedOptions(pairs).apply(pairs.records.all())
        domain = self._domain()
        self.assertEqual(2 * [(True,)],
                         [domain.vcpu_on, domain.emulator_on])
        self.assertEqual(50000, domain.scheduler['global_quota'])

    def test_no_limit(self):
        self.config.config(cpu_limit_percent=0, group='dmore')
        self.pairs.ensure(fakes.make_instance())
        self.assertFalse(hasattr(self._domain(), 'scheduler'))
        self.assertFalse(hasattr(self._domain(), 'vcpu_on'))

    def test_a_host_without_that_control_group(self):
        self.useFixture(fake_host.fixtures.MockPatchObject(
            fake_host.Domain, 'setSchedulerParametersFlags',
            side_effect=fake_host.libvirt_error(
                libvirt.VIR_ERR_OPERATION_INVALID, 'not mounted')))
        self.pairs.ensure(fakes.make_instance())
        self.assertEqual((True, True), self.pairs.is_alive(fakes.UUID))

    def test_libvirt_refuses(self):
        """It is said; the console goes on."""
        self.config.config(cpu_set='1', group='dmore')
        log = self.useFixture(fake_host.fixtures.FakeLogger())
        self.useFixture(fake_host.fixtures.MockPatchObject(
            fake_host.Domain, 'pinVcpu', side_effect=fake_host.libvirt_error(
                libvirt.VIR_ERR_OPERATION_FAILED, 'no such processor')))
        self.pairs.ensure(fakes.make_instance())
        self.assertIn('no such processor', log.output)

    def test_one_that_is_gone(self):
        domain_r.DomainR(self.libvirt, fakes.UUID).bind(frozenset({1}), 100)
