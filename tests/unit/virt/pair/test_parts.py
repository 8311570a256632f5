# SPDX-License-Identifier: Apache-2.0

from nova_dmore import exception
from tests.unit.virt import fake_host
from tests.unit.virt import fakes


class PairPartsTest(fake_host.HostTestCase):

    def setUp(self):
        super().setUp()
        self.record = self.pairs.ensure(fakes.make_instance())
        self.parts = self.pairs._parts

    def test_only_what_has_ended_is_started(self):
        self.shadow.log.clear()
        domain = self.libvirt.domains[self.domr]
        self.parts.start(self.record)
        self.assertEqual(['configure'], self.shadow.log)
        self.assertIs(domain, self.libvirt.domains[self.domr])
        self.libvirt.domains.clear()
        self.parts.start(self.record)
        self.assertIn(self.domr, self.libvirt.domains)
        self.assertNotIn('start', self.shadow.log)

    def test_no_domain_r_outlives_its_process(self):
        domain = self.libvirt.domains[self.domr]
        self.shadow.kill(fakes.UUID)
        self.parts.start(self.record)
        self.assertIsNot(domain, self.libvirt.domains[self.domr])
        self.assertEqual((True, True), self.parts.is_alive(fakes.UUID))

    def test_nothing_is_started_when_nobody_can_tell(self):
        self.libvirt.domains.clear()
        self.shadow.log.clear()
        self.shadow.service_away = True
        self.assertRaises(exception.HostServiceError, self.parts.start,
                          self.record)
        self.assertEqual({}, self.libvirt.domains)
        self.assertEqual([], self.shadow.log)

    def test_end(self):
        self.assertIn(fakes.UUID, self.parts.configured)
        self.parts.end(fakes.UUID, self.record)
        self.assertEqual((False, False), self.parts.is_alive(fakes.UUID))
        self.assertEqual(set(), self.vif_driver.plugged)
        self.assertEqual({}, self.parts.configured)

    def test_a_step_that_fails_stops_no_other(self):
        self.shadow.service_away = True
        self.assertRaises(exception.HostServiceError, self.parts.end,
                          fakes.UUID, self.record)
        self.assertEqual({}, self.libvirt.domains)
        self.assertEqual(set(), self.vif_driver.plugged)
