# SPDX-License-Identifier: Apache-2.0
"""The instance is here: its pair, too, or it is made anew."""

from unittest import mock

import libvirt

from nova_dmore import exception
from nova_dmore.virt.migration import job
from tests.unit.virt import fakes
from tests.unit.virt.migration import destination_case


class FinishTest(destination_case.DestinationTestCase):

    def test_finish(self):
        self.role.prepare(None, 'm1', self.text)
        self._domain_r_comes()
        self.shadow.log.clear()
        self._finish(True)
        self.assertFalse(self.pairs.get(fakes.UUID).incoming)
        self.assertEqual(['adopt'], self.shadow.log)
        self.reporter.rebuilt.assert_not_called()
        self.reporter.stop.assert_called_once_with(0.09)

    def test_libvirt_does_not_tell_how_long_it_stopped(self):
        instance = self.libvirt.add_instance()
        self.assertEqual(0.09, job.stop_s(self.libvirt, fakes.UUID))
        instance.arrival = {}
        self.assertIsNone(job.stop_s(self.libvirt, fakes.UUID))
        self.assertIsNone(job.stop_s(self.libvirt, fakes.PORT))

    def test_finish_of_a_paused_instance(self):
        self.role.prepare(None, 'm1', self.text)
        self._domain_r_comes()
        self.shadow.log.clear()
        self.libvirt.add_instance().run_state = (
            libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_USER)
        self.role.finish(None, 'm1', self.text, True, None)
        # It never tells the process that it runs.
        self.assertEqual(['adopt'], self.shadow.log)
        self.reporter.rebuilt.assert_not_called()

    def test_finish_without_domain_r(self):
        self.role.prepare(None, 'm1', self.text)
        self._finish(False)
        self._assert_rebuilt()

    def test_finish_of_what_was_never_prepared(self):
        self._finish(False)
        self._assert_rebuilt()

    def test_finish_of_what_has_moved_on(self):
        self.role.finish(None, 'm1', self.text, False, None)
        self.assertIsNone(self.pairs.get(fakes.UUID))
        self.assertEqual(fakes.OTHER_HOST,
                         self.neutron.active_host(fakes.PORT))

    def test_finish_when_there_is_no_address(self):
        with mock.patch.object(self.pairs.addresses, 'ensure',
                               side_effect=exception.AddressError('no')):
            self.assertRaises(exception.AddressError, self._finish, False)
        # So the watch makes one.
        self.assertTrue(self.pairs.get(fakes.UUID).incoming)

    def test_finish_after_a_restart_of_another_migration(self):
        # Better a new Domain R than one of another migration.
        self.role.prepare(None, 'm1', self.text)
        self._domain_r_comes()
        self._restart('m0')
        self._finish(True)
        self._assert_rebuilt()

    def test_finish_after_a_restart(self):
        self.role.prepare(None, 'm1', self.text)
        self._domain_r_comes()
        self._restart('m1')
        self._finish(True)
        self.assertFalse(self.pairs.get(fakes.UUID).incoming)
        self.assertEqual(['adopt'], self.shadow.log)
        self.reporter.rebuilt.assert_not_called()

    def test_finish_of_what_the_watch_adopted(self):
        self.role.prepare(None, 'm1', self.text)
        self.pairs.take_over(self.pairs.get(fakes.UUID))
        domain = self.libvirt.domains[self.domr]
        self.shadow.log.clear()
        self._finish(False)
        # The new sessions go on.
        self.assertEqual([], self.shadow.log)
        self.assertIs(domain, self.libvirt.domains[self.domr])
        self.assertEqual(fakes.HOST, self.neutron.active_host(fakes.PORT))
        self.reporter.rebuilt.assert_not_called()

    def test_finish_when_a_stale_pair_lives_here(self):
        self.role.prepare(None, 'm0', self.text)
        self._domain_r_comes()
        self.pairs.arrived(fakes.UUID)
        self.role = self._role()
        self._finish(False)
        self.assertEqual(fakes.HOST, self.neutron.active_host(fakes.PORT))
        self.assertEqual((True, True), self.pairs.is_alive(fakes.UUID))
