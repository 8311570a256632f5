# SPDX-License-Identifier: Apache-2.0
"""Domain R has left, and the instance stays."""

import threading
import time
from unittest import mock

import fixtures
import libvirt

from nova_dmore import exception
from nova_dmore import places
from nova_dmore.virt.migration import rollback
from nova_dmore.virt.migration import departure
from nova_dmore import wire
from tests.unit.virt import fake_host
from tests.unit.virt import fakes
from tests.unit.virt.migration import source_case


class SendBackTest(source_case.SourceTestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MockPatchObject(
            rollback, '_PLUG_S', ()))
        self.guest.story = self._fail_after_both_stopped

    def _fail_after_both_stopped(self):
        self.domain.stopped.set()
        fake_host.wait(self.domain_r.gone)
        self.role._departure._wait_for_switch_over()
        self.guest.fail()

    def _assert_back(self):
        self.reporter.rebuilt.assert_not_called()
        self._assert_still_here()

    def _assert_rebuilt(self):
        self.reporter.rebuilt.assert_called_once()
        self.assertIn('rpc abort', self.log)
        self.assertEqual(fakes.HOST, self.neutron.active_host(fakes.PORT))
        # The watch builds it again: what else is of the pair was kept.
        self.assertTrue(self.pairs.rebuild(fakes.UUID))
        self._assert_still_here()

    def test_it_comes_back(self):
        self._run_failing()
        self._assert_order('rpc carry_over', 'hold', 'rpc send back', 'arm',
                           'adopt', 'rpc abort')
        self._assert_back()

    def test_it_comes_back_before_its_instance_had_stopped(self):
        def story():
            self.domain_r.leave_early.set()
            fake_host.wait(self.domain_r.gone)
            self.guest.fail()

        self.guest.story = story
        self._run_failing()
        self.assertNotIn('rpc carry_over', self.log)
        self._assert_order('rpc send back', 'rpc abort')
        self._assert_back()

    def test_it_has_its_address_before_it_comes(self):
        send_back = self.destination.send_back.side_effect

        def check(*args):
            self.assertEqual(fakes.HOST,
                             self.neutron.active_host(fakes.PORT))
            send_back(*args)

        self.destination.send_back.side_effect = check
        self._run_failing()
        self._assert_back()

    def test_its_tap_was_taken_away(self):
        def story():
            self.domain.stopped.set()
            fake_host.wait(self.domain_r.gone)
            self.role._departure._wait_for_switch_over()
            self.vif_driver.plugged.clear()
            self.guest.fail()

        self.guest.story = story
        self._run_failing()
        self.assertEqual({fakes.PORT}, self.vif_driver.plugged)
        self._assert_back()

    def _sent_back_with(self, **arguments):
        self.assertRaises(libvirt.libvirtError, self.role.migrate, self.guest,
                          source_case.URI, **arguments)
        (call,) = self.destination.send_back.call_args_list
        (context, host, migration_id, uuid, uri, migrate_uri, flags,
         _within_s) = call.args
        self.assertEqual(
            ('context', fakes.OTHER_HOST, self.role.co_migration.migration_id,
             fakes.UUID, source_case.URIS_OF_THIS_HOST.uri),
            (context, host, migration_id, uuid, uri))
        self.assertEqual(self.domain_r.called_with[2], flags)
        return migrate_uri, flags

    def test_the_uris(self):
        self.assertEqual(
            ('tcp://10.0.0.1',
             libvirt.VIR_MIGRATE_TLS | libvirt.VIR_MIGRATE_PAUSED),
            self._sent_back_with(flags=libvirt.VIR_MIGRATE_TLS |
                      libvirt.VIR_MIGRATE_NON_SHARED_INC))

    def test_the_uris_of_a_tunnel(self):
        self.assertEqual(
            (None,
             libvirt.VIR_MIGRATE_TUNNELLED | libvirt.VIR_MIGRATE_PAUSED),
            self._sent_back_with(flags=libvirt.VIR_MIGRATE_TUNNELLED))

    def test_it_cannot_come_back(self):
        self.destination.send_back.side_effect = exception.PairError('no')
        self._run_failing()
        self._assert_rebuilt()

    def test_a_bug_on_its_way(self):
        self.destination.send_back.side_effect = TypeError('a bug')
        self._run_failing()
        self._assert_rebuilt()

    def test_its_port_cannot_be_plugged(self):
        # Its tap may be there all the same; libvirt will say.
        self.vif_driver.refuse = fake_host.plug_error()
        self._run_failing()
        self._assert_back()

    def test_it_may_have_run_there(self):
        self.layout = places.Layout.SOCKETS
        self._run_failing()
        self.assertNotIn('rpc send back', self.log)
        self._assert_rebuilt()

    def test_there_is_nothing_to_come_back_to(self):
        def story():
            self.domain.stopped.set()
            fake_host.wait(self.domain_r.gone)
            self.role._departure._wait_for_switch_over()
            self.shadow.kill(fakes.UUID)
            self.guest.fail()

        self.guest.story = story
        self._run_failing()
        self.assertNotIn('rpc send back', self.log)
        self._assert_rebuilt()

    def test_a_late_binding_is_waited_for(self):
        activate = self.pairs.addresses.activate_binding
        carried_over = threading.Event()
        self.destination.carry_over.side_effect = (
            lambda *args: fake_host.wait(carried_over))

        def slowly(port_id, host):
            if host == fakes.OTHER_HOST:
                time.sleep(0.3)
            activate(port_id, host)

        with (mock.patch.object(self.pairs.addresses, 'activate_binding',
                                side_effect=slowly),
                mock.patch.object(departure, '_END_S', 0.2)):
            self.assertRaises(libvirt.libvirtError, self.role.migrate,
                              self.guest, source_case.URI)
        carried_over.set()
        self._assert_no_thread_left()
        self._assert_back()


class RollbackTest(source_case.SourceTestCase):

    def test_a_paused_instance_stays(self):
        """It never reports that it runs."""
        self.guest.story = self.guest.fail
        self._run_failing()
        self._assert_order('arm', 'adopt', 'rpc abort')
        self.client().arm.assert_called_with(
            self.role.co_migration.migration_id, wire.Role.SOURCE,
            on=False)
        self.assertNotIn('rpc send back', self.log)

    def test_a_process_that_cannot_adopt(self):
        self.shadow.refuse['adopt'] = exception.ShadowAnswerError('no')
        self.guest.story = self.guest.fail
        self._run_failing()
        self._assert_still_here()
