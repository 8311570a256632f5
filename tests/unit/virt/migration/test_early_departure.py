# SPDX-License-Identifier: Apache-2.0
"""Domain R leaves before Nova migrates its instance."""

import threading
import time
from unittest import mock

import fixtures
import libvirt
from nova.compute import task_states
import oslo_messaging as messaging

from nova_dmore import exception
from nova_dmore.virt.migration import early_departure
from nova_dmore.virt.migration import guest as guest_module
from nova_dmore.virt.migration.phases import Phase
from nova_dmore.virt.migration import uris
from nova_dmore import wire
from tests.unit.virt import fake_host
from tests.unit.virt import fakes
from tests.unit.virt.migration import source_case

_ADDRESS = '10.0.0.2'


class EarlyDepartureTest(source_case.SourceTestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MockPatchObject(
            early_departure, '_POLL_S', 0.01))
        self.instance.task_state = task_states.MIGRATING
        self.get_instance = self.useFixture(fixtures.MockPatch(
            'nova.objects.Instance.get_by_uuid',
            return_value=self.instance)).mock
        self.addCleanup(self._join)
        self.changes = {}
        self.departures = early_departure.EarlyDepartures(
            lambda: self._services(**self.changes),
            lambda host, address: uris.MigrationURIs(
                f'qemu+tcp://{address or host}/system',
                f'tcp://{address}' if address else None),
            lambda: libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_PEER2PEER)

    def _leave(self, host=fakes.OTHER_HOST):
        self.departures.leave('context', fakes.UUID, host, _ADDRESS)

    def _left(self):
        """It is under way, and held."""
        self._leave()
        fake_host.wait(self.domain_r.held)

    def _nova_begins(self, host=fakes.OTHER_HOST):
        self.role = self._role(self.departures.take(
            'context', self.instance, host))
        self.role.live_migration_monitor_ended()

    def _until(self, condition):
        deadline = time.monotonic() + 10
        while not condition():
            self.assertLess(time.monotonic(), deadline, self.log)
            time.sleep(0.005)

    def _wait_until_back(self):
        self._until(lambda: 'rpc abort' in self.log)
        self._join()

    def _join(self):
        for thread in threading.enumerate():
            if thread.name == f'dmore-leave-{fakes.UUID}':
                thread.join(10)

    def _assert_back(self):
        self._wait_until_back()
        self.assertTrue(self.domain_r.aborted.is_set())
        self._assert_still_here()
        self._assert_no_thread_left()
        self.assertEqual(mock.call.watch_again(fakes.UUID),
                         self.watch.mock_calls[-1])

    def test_the_instance_follows(self):
        self._left()
        self.assertEqual(
            ['rpc prepare', 'arm', 'hold', 'migrate Domain R'],
            [line for line in self.log if line != 'frozen'])
        self._nova_begins()
        guest_module.CoMigratingGuest(self.guest, self.role).migrate(
            source_case.URI, flags=libvirt.VIR_MIGRATE_LIVE)
        self._assert_order(
            'rpc prepare', 'migrate Domain R', 'migrate instance', 'frozen',
            f'suspend {self.domr}', 'rpc carry_over', 'rpc finish')
        self.destination.prepare.assert_called_once()
        self.destination.abort.assert_not_called()
        self.assertEqual(Phase.DONE, self.role.co_migration.phase)
        self._assert_gone_from_here()
        self._assert_no_thread_left()

    def test_where_it_goes(self):
        self._left()
        destination, parameters, flags = self.domain_r.called_with
        self.assertEqual(f'qemu+tcp://{_ADDRESS}/system', destination)
        self.assertEqual(f'tcp://{_ADDRESS}', parameters['migrate_uri'])
        self.assertEqual(
            libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_PEER2PEER
            | libvirt.VIR_MIGRATE_PAUSED, flags)
        self.instance.task_state = None
        self._assert_back()

    def test_nova_gives_up(self):
        self._left()
        self.instance.task_state = None
        self._assert_back()
        self.client().arm.assert_called_with(
            self.destination.prepare.call_args.args[2], wire.Role.SOURCE,
            on=False)

    def test_it_is_not_known_whether_nova_goes_on(self):
        self._left()
        self.get_instance.side_effect = messaging.MessagingTimeout()
        self._assert_back()

    def test_nova_waits_for_long(self):
        self.useFixture(fixtures.MockPatchObject(
            early_departure, 'EXPIRES_S', 0.1))
        self._left()
        self._assert_back()
        # It leaves once more when Nova begins.
        self.log.clear()
        self.domain_r.aborted.clear()
        self._nova_begins()
        self.role.migrate(self.guest, source_case.URI)
        self._assert_order('rpc prepare', 'migrate Domain R',
                           'migrate instance', 'rpc finish')

    def test_nova_asks_another_host(self):
        self._left()
        self.domain_r.held.clear()
        self._leave('c3')
        self._until(lambda: self.log.count('rpc prepare') == 2)
        self._assert_order('rpc prepare', 'rpc abort', 'rpc prepare')
        self.assertEqual(
            [fakes.OTHER_HOST, 'c3'],
            [call.args[1] for call in self.destination.prepare.call_args_list])
        self.log.clear()
        self.instance.task_state = None
        self._wait_until_back()

    def test_nova_chooses_another_host(self):
        self._left()
        self._nova_begins('c3')
        self._assert_back()
        self.assertEqual(Phase.IDLE, self.role.co_migration.phase)
        self.assertEqual('c3', self.role.co_migration.host)

    def test_nova_begins_while_it_is_taken_back_from_another_host(self):
        self._left()
        asked, answers = threading.Event(), threading.Event()
        self.addCleanup(answers.set)

        def abort(*arguments):
            asked.set()
            fake_host.wait(answers)
        self.destination.abort.side_effect = abort
        leaves = threading.Thread(target=self._leave, args=('c3',))
        leaves.start()
        fake_host.wait(asked)
        begins = threading.Thread(target=self._nova_begins, args=('c3',))
        before, self.role = self.role, None
        begins.start()
        begins.join(0.2)
        # Who begins now would have its Domain R taken back by that, too.
        self.assertIsNone(self.role, before)
        answers.set()
        begins.join(60)
        leaves.join(60)
        self.assertEqual(mock.call.watch_again(fakes.UUID),
                         self.watch.mock_calls[-1])
        self.assertEqual(1, self.destination.prepare.call_count)
        self.assertEqual(Phase.IDLE, self.role.co_migration.phase)

    def test_it_has_arrived_when_nova_gives_up(self):
        self.domain_r.leave_early.set()
        self._leave()
        fake_host.wait(self.domain_r.gone)
        self.instance.task_state = None
        self._wait_until_back()
        self._assert_order('migrate Domain R', 'rpc send back', 'rpc abort')
        self._assert_still_here()

    def test_the_destination_cannot(self):
        log = self.useFixture(fixtures.FakeLogger())
        self.destination.prepare.side_effect = exception.PairError('no disk')
        self._leave()
        self._wait_until_back()
        self._assert_still_here()
        self.assertNotIn('does not follow', log.output)
        self.assertNotIn('Traceback', log.output)
        self.destination.prepare.side_effect = self._prepare
        self._nova_begins()
        self.role.migrate(self.guest, source_case.URI)
        self.assertEqual(Phase.DONE, self.role.co_migration.phase)

    def test_its_migration_fails_while_it_is_held(self):
        self._left()
        self.domain_r.fail = fake_host.libvirt_error(text='no route')
        self.domain_r.fail_now.set()
        self._wait_until_back()
        self._assert_still_here()

    def test_nova_never_migrates_the_instance(self):
        self._left()
        self._nova_begins()
        self.role.live_migration_ended()
        self._assert_back()

    def test_the_call_comes_late(self):
        self._nova_begins()
        self._leave()
        self.assertEqual([], self.log)
        self.departures.ended(fakes.UUID)
        self.instance.task_state = None
        self._leave()
        self.assertEqual([], self.log)

    def test_what_does_not_leave(self):
        self.changes = {'hold': False}
        self._leave()
        self.changes = {'synchronise': False}
        self._leave()
        self.changes = {}
        self.departures.leave('context', fakes.PORT, 'c3', None)
        self.assertEqual([], self.log)
        self.assertEqual({}, self.departures._departures)
