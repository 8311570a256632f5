# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

import json
import threading
from unittest import mock

import fixtures
import libvirt
from nova import exception as nova_exception

from nova_dmore import exception
from nova_dmore.shadow import client as shadow_client
from nova_dmore.virt.migration import companion
from nova_dmore.virt.migration import job
from nova_dmore.virt.migration import guest as guest_module
from nova_dmore.virt.migration import leader
from nova_dmore.virt.migration.phases import Phase
from nova_dmore.virt.migration import source
from nova_dmore.virt import rpc
from nova_dmore.virt import watch
from tests.unit.virt import fake_host
from tests.unit.virt import fakes

INSTANCE = 'instance-00000001'
URI = 'qemu+tcp://c2/system'
CARRY_OVER = {'epoch': 7}
HOLD_MIB = 8


class MovingDomain(fake_host.Domain):
    """A domain with a migration job, in the hands of the test."""

    def __init__(self, connection, name, log):
        super().__init__(connection, name)
        self._log = log
        self.progress = (1, 10 ** 9)
        self.job = threading.Event()        # there is one
        self.stopped = threading.Event()    # by QEMU
        self.suspended = threading.Event()  # by us
        self.resumed = threading.Event()
        self.freed = threading.Event()      # its bandwidth is not limited
        self.aborted = threading.Event()
        self.gone = threading.Event()
        self.limits = []

    def jobStats(self):
        if not self.job.is_set():
            raise fake_host.libvirt_error(libvirt.VIR_ERR_OPERATION_INVALID)
        iteration, remaining = self.progress
        return {'memory_total': 10 ** 9, 'memory_iteration': iteration,
                'memory_remaining': remaining, 'memory_bps': 10 ** 6}

    def migrateSetMaxSpeed(self, bandwidth_mib):
        self.limits.append(bandwidth_mib)
        if bandwidth_mib == job.UNLIMITED_MIB:
            self.freed.set()

    def migrateSetMaxDowntime(self, milliseconds):
        if not self.job.is_set():
            raise fake_host.libvirt_error(libvirt.VIR_ERR_OPERATION_INVALID)
        self.limits.append(f'{milliseconds} ms')

    def suspend(self):
        if not self.isActive():
            raise fake_host.libvirt_error(libvirt.VIR_ERR_OPERATION_INVALID)
        self._log.append(f'suspend {self._name}')
        self.suspended.set()

    def resume(self):
        self._log.append(f'resume {self._name}')
        self.resumed.set()

    def abortJob(self):
        self._log.append(f'abort job of {self._name}')
        self.aborted.set()

    def left(self):
        """Its QEMU is gone: it runs elsewhere."""
        self.job.clear()
        self._connection.domains.pop(self._name, None)
        self.gone.set()


class Companion(MovingDomain):
    """Domain R: goes when it is stopped and may, or when told to."""

    def __init__(self, *args):
        super().__init__(*args)
        self.progress = (2, 10 ** 6)
        self.leave_early = threading.Event()
        self.held = threading.Event()
        self.fail = None

    def migrateSetMaxSpeed(self, bandwidth_mib):
        super().migrateSetMaxSpeed(bandwidth_mib)
        if bandwidth_mib == HOLD_MIB:
            self.held.set()

    def migrateToURI3(self, destination, parameters, flags):
        self._log.append('migrate Domain R')
        self.called_with = (destination, parameters, flags)
        self.job.set()
        while not (self.suspended.is_set() and self.freed.is_set()
                   or self.leave_early.is_set()):
            if self.fail is not None and self.suspended.is_set():
                break
            if self.aborted.wait(0.002):
                self.job.clear()
                raise fake_host.libvirt_error(text='cancelled by client')
        if self.fail is not None:
            self.job.clear()
            raise self.fail
        self.left()


class Guest:
    """Nova's Guest: ``migrate`` blocks until the instance is there."""

    def __init__(self, domain, companion, log):
        self.domain = domain
        self.companion = companion
        self.uuid = fakes.UUID
        self._log = log
        self.story = self.converge

    def migrate(self, destination, **arguments):
        self._log.append('migrate instance')
        self.called_with = (destination, arguments)
        self.domain.job.set()
        self.story()

    def converge(self):
        """The second pass is small: QEMU switches over."""
        fake_host.wait(self.companion.held)
        self.domain.progress = (2, 10 ** 5)
        self.switch_over_at_once()

    def switch_over_at_once(self):
        """An idle instance: QEMU does not wait for Domain R."""
        self.domain.stopped.set()
        self.domain.left()

    def fail(self):
        """It stays here, and libvirt resumes it."""
        self.domain.job.clear()
        raise fake_host.libvirt_error(text='connection lost')

    def fail_after_the_stop(self):
        fake_host.wait(self.companion.held)
        self.domain.stopped.set()
        self.fail()


class SourceTestCase(fake_host.HostTestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MockPatchObject(source, '_LOOK_MS', 1))
        self.useFixture(fixtures.MockPatchObject(leader, '_LOOK_S', 0.001))
        self.useFixture(fixtures.MockPatchObject(source, '_END_S', 5.0))
        self.useFixture(fixtures.MockPatchObject(
            libvirt, 'open', autospec=True, return_value=self.libvirt))
        self.log = self.shadow.log
        self.instance = fakes.make_instance()
        self.record = self.pairs.ensure(self.instance)
        self.domain = MovingDomain(self.libvirt, INSTANCE, self.log)
        self.companion = Companion(self.libvirt, self.domr, self.log)
        self.libvirt.domains.update(
            {INSTANCE: self.domain, self.domr: self.companion})
        self.guest = Guest(self.domain, self.companion, self.log)
        self.log.clear()
        self.client().frozen.side_effect = self._frozen
        self.notices_the_stop = True
        self.watch = mock.create_autospec(watch.Watch, instance=True)
        self.reporter = mock.create_autospec(watch.Reporter, instance=True)
        self.destination = mock.create_autospec(
            rpc.DestinationAPI, instance=True)
        for name in ('prepare', 'carry_over', 'finish', 'abort'):
            self._note(self.destination, name, f'rpc {name}')
        self.console_log = None
        self.role = self._role()

    def _note(self, service, name, text):
        getattr(service, name).side_effect = (
            lambda *args, **kwargs: self.log.append(text))

    def _frozen(self, timeout_ms):
        stopped = self.domain.stopped.wait(min(timeout_ms, 20) / 1000)
        if self.notices_the_stop and stopped:
            self.log.append('frozen')
            return shadow_client.Frozen(True, CARRY_OVER, 1.0, 1.01)
        return shadow_client.Frozen(False, None, None, None)

    def _role(self, **changes):
        with mock.patch.object(type(self.instance), 'name', INSTANCE):
            return source.SourceRole(
                source.Services(**{
                    'pairs': self.pairs, 'watch': self.watch,
                    'reporter': self.reporter,
                    'destination': self.destination,
                    'libvirt_uri': 'qemu:///system', 'precopy_timeout_s': 5.0,
                    'hold_bandwidth_mib': HOLD_MIB, **changes}),
                'context', self.instance, fakes.OTHER_HOST,
                lambda: self.console_log)

    def _run(self, **arguments):
        arguments.setdefault('flags', libvirt.VIR_MIGRATE_LIVE)
        guest_module.CoMigratingGuest(self.guest, self.role).migrate(
            URI, **arguments)
        self.assertEqual(Phase.DONE, self.role.phase)
        self._assert_watched_again()
        self._assert_no_thread_left()

    def _run_failing(self, text='connection lost'):
        error = self.assertRaises(
            libvirt.libvirtError, self.role.run, self.guest, URI)
        self.assertEqual(text, str(error))
        self.assertEqual(Phase.ABORTED, self.role.phase)
        self._assert_watched_again()
        self._assert_no_thread_left()

    def _assert_no_thread_left(self):
        for name in (f'dmore-lead-{fakes.UUID}', f'dmore-follow-{fakes.UUID}',
                     f'dmore-migrate-{self.domr}'):
            for thread in threading.enumerate():
                if thread.name == name:
                    thread.join(1)
                    self.assertFalse(thread.is_alive(), name)

    def _assert_watched_again(self):
        self.assertEqual(
            [mock.call.leave_alone(fakes.UUID),
             mock.call.look_after(fakes.UUID)],
            [call for call in self.watch.mock_calls
             if call[0] in ('leave_alone', 'look_after')])

    def _assert_order(self, *texts):
        """These were logged, in this order."""
        rest = iter(self.log)
        for text in texts:
            if text not in rest:
                self.fail(f'{text!r} is missing or early in {self.log}')

    def _assert_gone_from_here(self):
        self.assertIsNone(self.pairs.get(fakes.UUID))
        self.assertNotIn(self.domr, self.libvirt.domains)
        self.assertEqual(set(), self.shadow.alive)
        self.assertEqual(set(), self.vif_driver.plugged)

    def _assert_still_here(self):
        self.assertEqual(self.record, self.pairs.get(fakes.UUID))
        self.assertEqual((True, True), self.pairs.is_alive(fakes.UUID))
        self.assertEqual([(fakes.PORT, fakes.HOST)],
                         list(self.neutron.bindings))
        self.assertEqual(fakes.HOST, self.neutron.active_host(fakes.PORT))
        self.assertIn('rpc abort', self.log)

    def _finished_with(self):
        """What the destination was told: the record, moved, the log."""
        (call,) = self.destination.finish.call_args_list
        _context, host, migration_id, record, moved, console_log = call.args
        self.assertEqual((fakes.OTHER_HOST, self.role.migration_id),
                         (host, migration_id))
        return json.loads(record), moved, console_log


class TogetherTest(SourceTestCase):

    def test_order(self):
        self._run()
        self._assert_order(
            'rpc prepare', 'arm', 'hold', 'migrate Domain R',
            'migrate instance', 'frozen',
            f'suspend {self.domr}', 'rpc carry_over', 'rpc finish',
            'shutdown')
        self._assert_gone_from_here()

    def test_what_the_destination_is_told(self):
        self.console_log = 'Ym9vdA=='
        self._run()
        (call,) = self.destination.prepare.call_args_list
        context, host, migration_id, record = call.args
        self.assertEqual(('context', fakes.OTHER_HOST),
                         (context, host))
        prepared = json.loads(record)
        self.assertIs(True, prepared['incoming'])
        self.assertEqual({'bridge_name': 'br-there'},
                         prepared['address']['vif_details'])
        self.destination.carry_over.assert_called_once_with(
            'context', fakes.OTHER_HOST, migration_id, fakes.UUID,
            CARRY_OVER)
        record, moved, console_log = self._finished_with()
        self.assertEqual((False, True, 'Ym9vdA=='),
                         (record['incoming'], moved, console_log))
        self.client().arm.assert_called_once_with(
            migration_id, shadow_client.Role.SOURCE)

    def test_the_address_moves(self):
        self._run()
        self.assertEqual([(fakes.PORT, fakes.OTHER_HOST)],
                         list(self.neutron.bindings))
        self.assertEqual(fakes.OTHER_HOST,
                         self.neutron.active_host(fakes.PORT))

    def test_domain_r_is_held_until_the_stop(self):
        self._run()
        # The last limits are set when it is stopped.
        self.assertEqual(
            ['1 ms', 8, job.UNLIMITED_MIB,
             f'{companion._FREE_DOWNTIME_MS} ms'], self.companion.limits)

    def test_arguments(self):
        self._run(
            migrate_uri='tcp://10.0.0.2', bandwidth=3,
            flags=(libvirt.VIR_MIGRATE_LIVE |
                   libvirt.VIR_MIGRATE_NON_SHARED_INC),
            destination_xml=(
                '<domain><devices><serial type="unix"><log append="off"/>'
                '</serial></devices></domain>'))
        destination, arguments = self.guest.called_with
        self.assertEqual(URI, destination)
        self.assertIn('append="on"', arguments['destination_xml'])
        self.assertEqual(
            libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_NON_SHARED_INC,
            arguments['flags'])
        self.assertEqual(
            (URI, {'bandwidth': 3, 'migrate_uri': 'tcp://10.0.0.2'},
             libvirt.VIR_MIGRATE_LIVE), self.companion.called_with)

    def test_gaps_are_collected_before_the_process_ends(self):
        self._note(self.watch, 'collect_gaps', 'collect gaps')
        self._run()
        self._assert_order('collect gaps', 'shutdown')

    def test_the_instance_is_not_stopped_by_us(self):
        self._run()
        self.assertNotIn(f'suspend {INSTANCE}', self.log)

    def test_the_instance_does_not_wait_for_domain_r(self):
        self.companion.progress = (1, 10 ** 6)

        def story():
            fake_host.wait(self.companion.job)
            self.guest.switch_over_at_once()

        self.guest.story = story
        self._run()
        self._assert_order('frozen', f'suspend {self.domr}',
                           'rpc carry_over', 'rpc finish')
        self.assertIs(True, self._finished_with()[1])

    def test_not_in_step(self):
        self.role = self._role(synchronise=False)

        def story():
            self.companion.leave_early.set()
            fake_host.wait(self.companion.gone)
            self.guest.switch_over_at_once()

        self.guest.story = story
        self._run()
        for word in ('arm', 'hold', 'frozen', 'rpc carry_over'):
            self.assertNotIn(word, self.log)
        self.assertEqual([], self.companion.limits)
        self.assertIs(True, self._finished_with()[1])
        self._assert_gone_from_here()

    def test_the_stop_is_not_noticed(self):
        self.notices_the_stop = False
        self.guest.story = self.guest.switch_over_at_once
        self._run()
        self._assert_order('migrate instance', f'suspend {self.domr}',
                           'rpc finish')
        self.assertNotIn('rpc carry_over', self.log)
        self.assertIs(True, self._finished_with()[1])
        self._assert_gone_from_here()

    def test_novas_limit_goes_through_the_leader(self):
        self.assertFalse(self.role.take_downtime(50))

        def story():
            self.assertTrue(self.role.take_downtime(50))
            self.guest.converge()

        self.guest.story = story
        self._run()
        self.assertIn('50 ms', self.domain.limits)

    def test_a_user_who_aborts_waits_for_the_instances_job(self):
        waited = []

        def abort():
            self.role.wait_for_the_instances_job(5)
            waited.append('migrate instance' in self.log)

        aborting = threading.Thread(target=abort)
        aborting.start()
        self.guest.story = lambda: (aborting.join(5), self.guest.converge())
        self._run()
        self.assertEqual([True], waited)
        # And nobody waits for one that is over.
        self.role.wait_for_the_instances_job(600)

    def test_domain_r_leaves_early(self):
        # The instance is not touched because of that.
        def story():
            self.companion.leave_early.set()
            fake_host.wait(self.companion.gone)
            self.guest.switch_over_at_once()

        self.guest.story = story
        self._run()
        self._assert_order('frozen', 'rpc carry_over', 'rpc finish')
        self.assertIs(True, self._finished_with()[1])
        self._assert_gone_from_here()

    def test_the_process_dies(self):
        self.client().frozen.side_effect = exception.ShadowProcessError('no')
        self.watch.collect_gaps.side_effect = (
            exception.ShadowProcessError('no'))
        self._run()
        self.assertIs(True, self._finished_with()[1])
        self._assert_gone_from_here()

    def test_carry_over_does_not_arrive(self):
        self.destination.carry_over.side_effect = exception.PairError('no')
        self._run()
        self.assertIs(True, self._finished_with()[1])
        self.assertEqual(fakes.OTHER_HOST,
                         self.neutron.active_host(fakes.PORT))

    def test_the_destination_does_not_finish(self):
        # A Domain R that is left here would be built again and again.
        self.destination.finish.side_effect = exception.PairError('no')
        self._run()
        self._assert_gone_from_here()

    def test_the_console_log_cannot_be_read(self):
        self.role._read_console_log = mock.Mock(
            side_effect=PermissionError(13, 'Permission denied'))
        self._run()
        self._assert_gone_from_here()


class AloneTest(SourceTestCase):
    """The instance moves; a new Domain R is built there."""

    def _assert_moved_alone(self):
        self._run()
        self.assertIn('migrate instance', self.log)
        record, moved, _console_log = self._finished_with()
        self.assertIs(False, moved)
        self.assertEqual(fakes.UUID, record['instance_uuid'])
        self._assert_gone_from_here()
        self.assertEqual([fakes.PORT], list(self.neutron.ports))

    def _converge_alone(self):
        self.guest.story = self.guest.switch_over_at_once

    def test_the_destination_is_not_ready(self):
        self._converge_alone()
        self.destination.prepare.side_effect = exception.PairError('no')
        self._assert_moved_alone()
        self.assertNotIn('migrate Domain R', self.log)
        self.assertNotIn('hold', self.log)

    def test_the_port_cannot_be_bound_there(self):
        self._converge_alone()
        self.neutron.vif_type = 'binding_failed'
        self._assert_moved_alone()
        self.assertNotIn('rpc prepare', self.log)

    def test_the_pair_is_dead_here(self):
        self._converge_alone()
        self.shadow.kill(fakes.UUID)
        self._assert_moved_alone()

    def test_no_second_connection_to_libvirt(self):
        self._converge_alone()
        libvirt.open.side_effect = fake_host.libvirt_error()
        self._assert_moved_alone()

    def test_arming_fails(self):
        self._converge_alone()
        self.shadow.refuse['arm'] = exception.ShadowProcessError('no')
        self._assert_moved_alone()
        self.assertNotIn('migrate Domain R', self.log)

    def test_holding_fails(self):
        self._converge_alone()
        self.shadow.refuse['hold'] = exception.ShadowProcessError('no')
        self._assert_moved_alone()
        self.assertNotIn('migrate Domain R', self.log)

    def test_domain_r_fails_in_its_first_pass(self):
        self._converge_alone()
        self.companion.progress = (1, 10 ** 6)
        self.companion.fail = fake_host.libvirt_error(text='refused')
        self.companion.leave_early.set()
        self._assert_moved_alone()

    def _break(self, name, kind=TypeError):
        self.useFixture(fixtures.MockPatch(name, side_effect=kind('a bug')))

    def test_a_bug_at_the_begin(self):
        self._converge_alone()
        self.destination.prepare.side_effect = TypeError('a bug')
        self._assert_moved_alone()
        self.assertNotIn('migrate Domain R', self.log)

    def test_a_bug_before_domain_r_is_sent(self):
        self._converge_alone()
        self._break('nova_dmore.virt.migration.job.companion_flags')
        self._assert_moved_alone()
        self.assertNotIn('migrate Domain R', self.log)

    def test_a_bug_while_domain_r_is_sent(self):
        self._converge_alone()
        self._break('nova_dmore.virt.migration.leader.Leader', ValueError)
        self._assert_moved_alone()
        self._assert_order('migrate Domain R', f'abort job of {self.domr}',
                           'migrate instance')

    def test_a_bug_in_the_destinations_xml(self):
        self._converge_alone()
        self._break('nova_dmore.virt.xml.for_destination', KeyError)
        self._run(destination_xml='<domain/>')
        self.assertEqual('<domain/>',
                         self.guest.called_with[1]['destination_xml'])

    def test_a_bug_at_the_end(self):
        self._converge_alone()
        self.watch.collect_gaps.side_effect = TypeError('a bug')
        self.destination.finish.side_effect = TypeError('a bug')
        self._run()
        self._assert_gone_from_here()

    def test_domain_r_is_gone_before_it_is_held(self):
        self._converge_alone()
        self.companion.progress = (1, 10 ** 6)
        self.companion.leave_early.set()
        self._assert_moved_alone()

    def test_domain_r_takes_too_long(self):
        def story():
            fake_host.wait(self.companion.aborted)
            self.guest.switch_over_at_once()

        self.guest.story = story
        self.role = self._role(precopy_timeout_s=0.05)
        self.companion.progress = (1, 10 ** 6)
        self._assert_moved_alone()
        self._assert_order('migrate Domain R', f'abort job of {self.domr}')

    def test_domain_r_had_not_begun(self):
        # Stopped now it would stay so.
        self.companion.migrateToURI3 = lambda *args: fake_host.wait(
            self.companion.aborted)
        self._converge_alone()
        self._assert_moved_alone()
        self.assertNotIn(f'suspend {self.domr}', self.log)

    def test_domain_r_had_not_begun_and_the_stop_is_not_noticed(self):
        self.notices_the_stop = False
        self.companion.migrateToURI3 = lambda *args: fake_host.wait(
            self.companion.aborted)
        self._converge_alone()
        self._assert_moved_alone()

    def test_domain_r_fails_after_the_stop(self):
        self.companion.fail = fake_host.libvirt_error(text='no memory')
        self._assert_moved_alone()
        self._assert_order('frozen', f'suspend {self.domr}')

    def test_domain_r_does_not_come_to_an_end(self):
        self.useFixture(fixtures.MockPatchObject(source, '_END_S', 0.1))
        self.companion.freed = mock.Mock(spec=threading.Event,
                                         **{'is_set.return_value': False})
        self._assert_moved_alone()
        self._assert_order(f'suspend {self.domr}',
                           f'abort job of {self.domr}')


class AbortTest(SourceTestCase):
    """The instance stays: so does its Domain R."""

    def test_before_the_stop(self):
        self.guest.story = self.guest.fail
        self._run_failing()
        self._assert_order('migrate instance', f'abort job of {self.domr}',
                           'hold', 'arm', 'rpc abort')
        self.assertEqual(
            [mock.call(True), mock.call(False)],
            self.client().hold.call_args_list)
        self.assertEqual(
            mock.call(self.role.migration_id, shadow_client.Role.SOURCE,
                      on=False), self.client().arm.call_args)
        self._assert_still_here()
        self.assertNotIn('rpc finish', self.log)
        self.assertFalse(self.domain.resumed.is_set())
        self.reporter.rebuilt.assert_not_called()

    def test_an_error_of_another_type(self):
        class Killed(BaseException):
            pass

        for kind in (RuntimeError, nova_exception.NovaException, Killed):
            error = kind('unchanged')

            def story():
                self.domain.job.clear()
                raise error

            self.log.clear()
            self.watch.reset_mock()
            self.role = self._role()
            self.guest.story = story
            self.assertIs(error, self.assertRaises(
                kind, self.role.run, self.guest, URI))
            self.assertEqual(Phase.ABORTED, self.role.phase)
            self._assert_watched_again()
            self._assert_no_thread_left()
            self._assert_still_here()
            self.companion = Companion(self.libvirt, self.domr, self.log)
            self.libvirt.domains[self.domr] = self.companion

    def test_a_bug_on_the_way_back_hides_nothing(self):
        self.guest.story = self.guest.fail
        self.destination.abort.side_effect = TypeError('a bug')
        self._run_failing()

    def test_domain_r_had_left(self):
        def story():
            self.domain.stopped.set()
            fake_host.wait(self.companion.gone)
            self.guest.fail()

        self.guest.story = story
        self._run_failing()
        self.assertIn('rpc abort', self.log)
        self.assertEqual(fakes.HOST, self.neutron.active_host(fakes.PORT))
        self.reporter.rebuilt.assert_called_once()
        # The watch builds it again: the process was kept.
        self.assertEqual((True, False), self.pairs.is_alive(fakes.UUID))
        self.assertTrue(self.pairs.rebuild(fakes.UUID))
        self._assert_still_here()

    def test_alone(self):
        self.destination.prepare.side_effect = exception.PairError('no')
        self.guest.story = self.guest.fail
        self._run_failing()
        self._assert_still_here()

    def test_holding_had_failed(self):
        self.shadow.refuse['hold'] = exception.ShadowProcessError('no')
        self.guest.story = self.guest.fail
        self._run_failing()
        self._assert_still_here()
        # It was never sent.
        self.reporter.rebuilt.assert_not_called()

    def test_a_step_back_that_fails_stops_no_other(self):
        self.guest.story = self.guest.fail
        self.destination.abort.side_effect = exception.PairError('no')
        self._run_failing()
        self.assertEqual([(fakes.PORT, fakes.HOST)],
                         list(self.neutron.bindings))
