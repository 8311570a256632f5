# SPDX-License-Identifier: Apache-2.0

import functools
import re
import threading
import time
from unittest import mock

import fixtures
from neutronclient.common import exceptions as neutron_exceptions
import oslo_messaging as messaging

from nova_dmore import exception
from nova_dmore.virt.care import pair_care
from nova_dmore.virt.care import reconcile
from nova_dmore.virt.care import renewal
from nova_dmore.virt.care import reporter
from nova_dmore.virt.care import watch
from nova_dmore import wire
from tests.unit.virt import fake_host
from tests.unit.virt import fakes

OTHER_UUID = '9b0b0c52-59c1-4b0e-8f58-0a5a4c3d2b10'


def _gap(number):
    return wire.GapReport(
        number=number, stream='serial0_out', at=100, bytes=5,
        kind=wire.GapKind.EXACT, reason='too slow', migration_id=None,
        time=1.0)


class WatchTestCase(fake_host.HostTestCase):

    #: Seconds between two checks of a pair of which nothing is heard.
    interval = 0.002

    def setUp(self):
        super().setUp()
        self.record = self.pairs.ensure(fakes.make_instance())
        self.reporter = mock.create_autospec(reporter.Reporter, instance=True)
        self.reconciler = mock.create_autospec(
            reconcile.Reconciler, instance=True)
        self.reconciler.is_reconciled.return_value = False
        self.reconciler.has_stock_consoles.return_value = False
        self.reconciler.reconcile.return_value = True
        self.renewal = mock.create_autospec(renewal.Renewal, instance=True)
        self.renewal.renew_one.return_value = False
        self.watch = watch.Watch(
            self.pairs, self.reporter, self.interval, 'context',
            self.reconciler, self.renewal)
        self.log = self.useFixture(fixtures.FakeLogger())

    def _start(self):
        self.watch.start()
        self.addCleanup(self.watch.stop)

    def _until(self, condition):
        deadline = time.monotonic() + 20
        while not condition():
            self.assertLess(time.monotonic(), deadline, 'in vain')
            time.sleep(0.002)

    def _checked(self, times=3):
        """Wait until the pair was checked some times more."""
        status = self.client().status
        calls = status.call_count + times
        self._until(lambda: status.call_count >= calls)


class WatchTest(WatchTestCase):
    """Each pair is checked all the time."""

    def test_nothing_to_do(self):
        self._start()
        self._checked()
        self.assertEqual([], self.reporter.mock_calls)

    def test_certificates_are_renewed(self):
        self._start()
        self._until(lambda: self.renewal.renew_one.called)
        self.renewal.renew_one.assert_called_with([self.record])
        self.watch.leave_alone(fakes.UUID)
        self._until(lambda: self.renewal.renew_one.call_args == mock.call([]))

    def test_a_pair_that_is_well(self):
        self.reconciler.is_reconciled.return_value = True
        self._start()
        self._checked()
        self.reconciler.reconcile.assert_not_called()
        self.libvirt.domains.clear()
        self._until(lambda: self.domr in self.libvirt.domains)

    def test_domain_r_died(self):
        self.libvirt.domains.clear()
        self._start()
        self._until(lambda: self.reporter.rebuilt.called)
        self.assertIn(self.domr, self.libvirt.domains)
        self.reporter.rebuilt.assert_called_once_with(
            'context', fakes.UUID, 'Domain R had ended')

    def test_the_process_died(self):
        self.shadow.kill(fakes.UUID)
        self._start()
        self._until(lambda: self.reporter.rebuilt.called)
        self.assertEqual((True, True), self.pairs.is_alive(fakes.UUID))
        self.reporter.rebuilt.assert_called_once_with(
            'context', fakes.UUID, 'the shadow-device process had ended')

    def test_gaps_are_reported_once(self):
        gaps = [_gap(1), _gap(2)]
        client = self.client()
        client.status.side_effect = (
            lambda timeout=None: fake_host.status(gaps=tuple(gaps)))
        client.forget_gaps.side_effect = lambda numbers: gaps.clear()
        self._start()
        self._checked()
        self.assertEqual(2, self.reporter.gap.call_count)
        self.reporter.gap.assert_called_with(
            'context', fakes.UUID, stream='serial0_out',
            kind=wire.GapKind.EXACT, bytes=5, at=100, reason='too slow')
        client.forget_gaps.assert_called_once_with([1, 2])

    def test_gaps_stay_when_they_are_not_reported(self):
        client = self.client()
        client.status.side_effect = (
            lambda timeout=None: fake_host.status(gaps=(_gap(1),)))
        self.reporter.gap.side_effect = messaging.MessagingException('no')
        self._start()
        self._until(lambda: 'trying again' in self.log.output)
        client.forget_gaps.assert_not_called()

    def test_a_pair_that_moves_is_left_alone(self):
        self.watch.leave_alone(fakes.UUID)
        self.libvirt.domains.clear()
        self._start()
        time.sleep(0.05)
        self.assertEqual({}, self.libvirt.domains)
        self.watch.look_after(fakes.UUID)
        self._until(lambda: self.domr in self.libvirt.domains)

    def test_a_pair_that_is_not_reconciled_is_left_alone(self):
        self.reconciler.reconcile.return_value = False
        self.libvirt.domains.clear()
        self._start()
        self._until(lambda: self.reconciler.reconcile.call_count > 3)
        self.reconciler.reconcile.assert_called_with(self.record)
        self.assertEqual({}, self.libvirt.domains)
        self.reconciler.reconcile.return_value = True
        self._until(lambda: self.domr in self.libvirt.domains)

    def test_a_pair_that_is_reconciled_by_its_removal(self):
        def remove(record):
            self.pairs.remove(fakes.UUID, delete_address=True)
            return True

        self.reconciler.reconcile.side_effect = remove
        self._start()
        self._until(lambda: self.reconciler.reconcile.called)
        self.watch.stop()
        self.assert_nothing_left()
        self.assertNotIn('trying again', self.log.output)

    def test_a_pair_that_moves_is_reconciled_by_its_roles(self):
        self.watch.leave_alone(fakes.UUID)
        self.reconciler.forget.assert_called_once_with(fakes.UUID)
        self._start()
        time.sleep(0.05)
        self.reconciler.reconcile.assert_not_called()
        self.watch.look_after(fakes.UUID)
        self._until(lambda: self.reconciler.reconcile.called)

    def _check_until_told(self, reconciled):
        """The watch checks a pair; what ends that."""
        checking, go_on = threading.Event(), threading.Event()

        def check(record):
            checking.set()
            fake_host.wait(go_on)
            return reconciled

        self.reconciler.reconcile.side_effect = check
        self._start()
        fake_host.wait(checking)
        return go_on

    def test_leaving_alone_waits_for_a_check(self):
        go_on, left_alone = self._check_until_told(False), threading.Event()

        def leave_alone():
            self.watch.leave_alone(fakes.UUID)
            left_alone.set()

        thread = threading.Thread(target=leave_alone)
        thread.start()
        self.assertFalse(left_alone.wait(0.05))
        go_on.set()
        fake_host.wait(left_alone)
        thread.join()

    def test_leaving_alone_does_not_wait_for_ever(self):
        go_on = self._check_until_told(True)
        with mock.patch.object(pair_care, '_MIGRATION_WAITS_S', 0.05):
            self.watch.leave_alone(fakes.UUID)
        self.libvirt.domains.clear()
        go_on.set()

    def test_what_waits_for_neutron_keeps_nobody_waiting(self):
        other = 'domr-' + OTHER_UUID
        self.pairs.ensure(fakes.make_instance(uuid=OTHER_UUID, id=2))
        go_on = threading.Event()
        self.addCleanup(go_on.set)
        self.reconciler.reconcile.side_effect = lambda record: (
            record.instance_uuid == OTHER_UUID or go_on.wait(10))
        self._start()
        self._until(lambda: self.reconciler.reconcile.call_count > 2)
        # Of the pair that waits, too.
        self.client().status.side_effect = (
            lambda timeout=None: fake_host.status(gaps=(_gap(1),)))
        self._until(lambda: self.reporter.gap.called)
        self.libvirt.domains.pop(other)
        self._until(lambda: other in self.libvirt.domains)
        go_on.set()

    def test_gaps_of_a_pair_that_is_tried_again_later(self):
        self.reconciler.reconcile.side_effect = exception.AddressError(
            'no answer')
        self._start()
        self._until(lambda: 'trying again' in self.log.output)
        self.client().status.side_effect = (
            lambda timeout=None: fake_host.status(gaps=(_gap(1),)))
        self._until(lambda: self.reporter.gap.called)
        self.assertEqual(1, self.reconciler.reconcile.call_count)

    def test_stopping_does_not_wait_for_ever(self):
        go_on = self._check_until_told(True)
        with mock.patch.object(watch, '_STOP_S', 0.05):
            self.watch.stop()
        go_on.set()
        self.reporter.flush.assert_called_once()

    def test_ports_are_swept_now_and_then(self):
        self._start()
        self._checked()
        self._until(lambda: self.reconciler.sweep.called)
        self.reconciler.sweep.assert_called_once_with()

    def test_a_sweep_that_fails(self):
        self.useFixture(fixtures.MockPatchObject(
            watch, '_SWEEP_RETRY_S', 0.01))
        self.reconciler.sweep.side_effect = RuntimeError('a bug')
        self._start()
        self._until(lambda: self.reconciler.sweep.call_count > 2)
        self.assertIn('a bug', self.log.output)
        self._checked()

    def test_port_security_does_not_wait_for_the_sweep(self):
        self.reconciler.sweep.side_effect = RuntimeError('a bug')
        (port,) = self.neutron.ports.values()
        port.update(port_security_enabled=False, security_groups=[])
        self._start()
        self._until(lambda: port['port_security_enabled'])

    def test_neutron_is_away_at_the_start(self):
        self.useFixture(fixtures.MockPatchObject(
            watch, '_SWEEP_RETRY_S', 0.01))
        (port,) = self.neutron.ports.values()
        port.update(port_security_enabled=False, security_groups=[])
        listed = self.neutron.client.list_networks
        answer, listed.side_effect = listed.side_effect, (
            neutron_exceptions.ConnectionFailed(reason='refused'))
        self._start()
        self._until(lambda: 'refused' in self.log.output)
        listed.side_effect = answer
        self._until(lambda: port['port_security_enabled'])

    def test_a_pair_that_is_being_changed_is_left_alone(self):
        with self.pairs.locked(fakes.UUID):
            self.libvirt.domains.clear()
            self._start()
            time.sleep(0.05)
            self.assertEqual({}, self.libvirt.domains)
        self._until(lambda: self.domr in self.libvirt.domains)

    def test_a_failure_is_tried_again_later(self):
        self.libvirt.domains.clear()
        self.libvirt.refuse = fake_host.libvirt_error(text='no memory')
        self.useFixture(fixtures.MockPatchObject(
            watch, '_FIRST_RETRY_S', 0.02))
        self._start()
        self._until(lambda: self.log.output.count('no memory') > 1)
        self.libvirt.refuse = None
        self._until(lambda: self.domr in self.libvirt.domains)

    def test_a_failure_is_not_tried_at_once(self):
        self.libvirt.domains.clear()
        self.libvirt.refuse = fake_host.libvirt_error(text='no memory')
        self._start()
        self._until(lambda: 'no memory' in self.log.output)
        time.sleep(0.05)
        self.assertEqual(1, self.log.output.count('trying again'))

    def test_one_bad_pair_does_not_hide_the_others(self):
        self.pairs.ensure(fakes.make_instance(
            uuid=OTHER_UUID, id=2))
        self.client().status.side_effect = RuntimeError('a bug')
        other = 'domr-' + OTHER_UUID
        del self.libvirt.domains[other]
        self._start()
        self._until(lambda: other in self.libvirt.domains)
        self._until(lambda: 'a bug' in self.log.output)

    def test_no_directory_to_be_read(self):
        self._start()
        with mock.patch('os.listdir', side_effect=PermissionError('no')):
            self._until(lambda: 'PermissionError' in self.log.output)
        self._checked()

    def test_stop(self):
        self.watch.start()
        self._checked()
        self.watch.stop()
        self.assertNotIn('dmore-watch', [
            thread.name for thread in threading.enumerate()])


class EventTest(WatchTestCase):
    """No pair is checked but for what happened to it."""

    interval = 3600.0

    def setUp(self):
        self.useFixture(fixtures.MockPatchObject(watch, '_AGAIN_S', 0.002))
        super().setUp()
        self.reconciler.is_reconciled.return_value = True
        self._start()
        self._until(lambda: self._gaps_request() is not None)
        # What its making told.
        self._until_quiet()

    def _gaps_request(self):
        return self.shadow.gaps_requests.get(
            self.pairs.records.directory(fakes.UUID))

    def _until_quiet(self):
        """Wait until nothing more is asked."""
        status, calls = self.client().status, None
        while calls != status.call_count:
            calls = status.call_count
            time.sleep(0.05)

    def test_nobody_asks(self):
        asked = self.client().status.call_count
        self.libvirt.domains.clear()
        time.sleep(0.1)
        self.assertEqual(asked, self.client().status.call_count)
        self.assertEqual({}, self.libvirt.domains)

    def test_libvirt_tells_of_domain_r(self):
        self.libvirt.domains.clear()
        self.watch.changed(fakes.UUID)
        self._until(lambda: self.reporter.rebuilt.called)
        self.assertIn(self.domr, self.libvirt.domains)

    def test_the_process_ends(self):
        self.shadow.kill(fakes.UUID)
        self._until(lambda: self.reporter.rebuilt.called)
        # And it tells of the next gap.
        self._until(lambda: self._gaps_request() is not None)
        self.shadow.kill(fakes.UUID)
        self._until(lambda: self.reporter.rebuilt.call_count == 2)

    def test_a_worker_ends(self):
        before = self._gaps_request()
        self.shadow.end_worker(fakes.UUID)
        self._until(lambda: self._gaps_request() not in (None, before))
        self.reporter.rebuilt.assert_not_called()

    def _a_gap(self):
        gaps = [_gap(1)]
        self.client().status.side_effect = (
            lambda timeout=None: fake_host.status(gaps=tuple(gaps)))
        self.client().forget_gaps.side_effect = lambda numbers: gaps.clear()

    def test_the_process_tells_of_gaps(self):
        before = self._gaps_request()
        self._a_gap()
        before.sendall(b'{"id": 0, "result": {"number": 1}}\n')
        self._until(lambda: self.reporter.gap.called)
        self._until(lambda: self._gaps_request() is not before)

    def test_it_does_so_while_the_host_service_is_away(self):
        before = self._gaps_request()
        self.shadow.service_away = True
        self._a_gap()
        before.sendall(b'{"id": 0, "result": {"number": 1}}\n')
        self._until(lambda: self.reporter.gap.called)
        self._until(lambda: 'no answer' in self.log.output)
        self.shadow.service_away = False
        self._until(lambda: self._gaps_request() is not before)

    def test_the_process_ends_while_the_host_service_is_away(self):
        self.shadow.service_away = True
        self.shadow.kill(fakes.UUID)
        self._until(lambda: 'no answer' in self.log.output)
        time.sleep(0.05)
        self.reporter.rebuilt.assert_not_called()
        self.assertEqual(1, self.log.output.count('no answer'))
        self.shadow.service_away = False
        self._until(lambda: self.reporter.rebuilt.called)

    def test_a_worker_of_an_earlier_release_is_asked(self):
        before = self._gaps_request()
        before.sendall(b'{"id": 0, "error": "bad request"}\n')
        self._checked(10)
        self.assertIs(before, self._gaps_request())
        self._a_gap()
        self._until(lambda: self.reporter.gap.called)

    def test_a_process_of_an_earlier_release_ends(self):
        self._gaps_request().sendall(b'{"id": 0, "error": "bad request"}\n')
        self._checked(10)
        self.shadow.alive.clear()
        self._until(lambda: self.reporter.rebuilt.called)

    def test_a_worker_that_keeps_telling_is_not_asked_all_the_time(self):
        self.watch._again = 0.1
        client = self.client()
        listen = client.wait_for_gaps.side_effect

        def tell_at_once():
            request = listen()
            self._gaps_request().sendall(b'{"id": 0, "result": {}}\n')
            return request

        client.wait_for_gaps.side_effect = tell_at_once
        self.shadow.end_worker(fakes.UUID)
        self._until(lambda: client.wait_for_gaps.call_count > 1)
        asked = client.wait_for_gaps.call_count
        time.sleep(0.35)
        self.assertLess(client.wait_for_gaps.call_count - asked, 5)
        self.assertGreater(client.wait_for_gaps.call_count - asked, 1)

    def test_a_pair_that_is_made_later(self):
        self.pairs.ensure(fakes.make_instance(uuid=OTHER_UUID, id=2))
        directory = self.pairs.records.directory(OTHER_UUID)
        self._until(lambda: directory in self.shadow.gaps_requests)
        self.shadow.kill(OTHER_UUID)
        self._until(lambda: self.reporter.rebuilt.called)

    def test_a_pair_that_is_removed(self):
        self.pairs.remove(fakes.UUID, delete_address=True)
        self._until(lambda: not self.watch._watched)
        self.assert_nothing_left()

    def test_what_happened_while_it_was_moved(self):
        self.watch.leave_alone(fakes.UUID)
        self.libvirt.domains.clear()
        self.watch.changed(fakes.UUID)
        time.sleep(0.05)
        self.assertEqual({}, self.libvirt.domains)
        self.watch.look_after(fakes.UUID)
        self._until(lambda: self.domr in self.libvirt.domains)

    def test_nothing_is_begun_after_the_end(self):
        self.watch.stop()
        self.libvirt.domains.clear()
        self.watch.changed(fakes.UUID)
        time.sleep(0.05)
        self.assertEqual({}, self.libvirt.domains)


class HostServiceTest(WatchTestCase):
    """The host service is away for a while."""

    def setUp(self):
        super().setUp()
        self.reconciler.is_reconciled.return_value = True

    def _go_away(self):
        self.shadow.service_away = True
        self._start()
        self._until(lambda: 'until the host service' in self.log.output)
        self.shadow.log.clear()

    def _assert_nothing_is_touched(self):
        domains = dict(self.libvirt.domains)
        time.sleep(0.1)
        self.assertEqual(domains, self.libvirt.domains)
        self.assertEqual([], self.shadow.log)
        self.assertEqual([], self.reporter.mock_calls)
        self.reconciler.reconcile.assert_not_called()
        self.assertEqual(1, self.log.output.count('hostd.sock: no answer'))

    def _come_back(self):
        self.shadow.service_away = False
        self._until(lambda: 'looked after again' in self.log.output)
        self.assertNotIn('trying again', self.log.output)

    def test_nothing_is_touched_until_it_is_back(self):
        self.pairs.ensure(fakes.make_instance(uuid=OTHER_UUID, id=2))
        self._go_away()
        self.libvirt.domains.clear()
        self.shadow.kill(fakes.UUID)
        self.watch.changed(fakes.UUID)
        self._assert_nothing_is_touched()
        self._come_back()
        self._until(lambda: len(self.libvirt.domains) == 2)
        self._until(lambda: self.reporter.rebuilt.call_count == 2)
        self.reporter.rebuilt.assert_any_call(
            'context', fakes.UUID, 'the shadow-device process had ended')

    def test_what_is_alive_stays(self):
        self._go_away()
        self._assert_nothing_is_touched()
        self._come_back()
        self._checked()
        self.assertEqual([], self.shadow.log)
        self.reporter.rebuilt.assert_not_called()

    def test_a_pair_that_may_be_elsewhere(self):
        self.reconciler.is_reconciled.return_value = False
        self._go_away()
        self._assert_nothing_is_touched()
        self._come_back()
        self._until(lambda: self.reconciler.reconcile.called)

    def test_certificates_are_renewed_when_it_is_back(self):
        self.renewal.renew_one.side_effect = lambda records: (
            self.shadow._ask_service())
        self._go_away()
        self._until(lambda: self.renewal.renew_one.called)
        self._assert_nothing_is_touched()
        self._come_back()
        renewed = self.renewal.renew_one.call_count
        self._until(lambda: self.renewal.renew_one.call_count > renewed)

    def test_it_goes_away_again(self):
        self._go_away()
        self._come_back()
        self.shadow.service_away = True
        self._until(lambda: self.log.output.count('no answer') == 2)

    def test_one_that_answers_and_refuses(self):
        self.client().is_gone.side_effect = exception.HostServiceError(
            'refused open')
        self._start()
        self._until(lambda: 'refused open; trying again' in self.log.output)
        self.assertNotIn('until the host service', self.log.output)

    def test_the_end_does_not_wait_for_it(self):
        self._go_away()
        self.watch.stop()
        self.assertFalse(self.watch._thread.is_alive())


class ManyTest(WatchTestCase):
    """All Domain Rs of a host ended, and each takes long to start."""

    interval = 3600.0
    count = 100

    def setUp(self):
        super().setUp()
        self.neutron.free_addresses.extend(
            f'10.0.0.{number}' for number in range(7, 7 + self.count))
        self.uuids = [fakes.UUID]
        for number in range(2, self.count + 1):
            uuid = f'{number:08x}-59c1-4b0e-8f58-0a5a4c3d2b10'
            self.pairs.ensure(fakes.make_instance(uuid=uuid, id=number))
            self.uuids.append(uuid)
        self.libvirt.domains.clear()
        #: Names of Domain Rs that are being started.
        self.starting = []
        self.go_on = threading.Event()
        create = self.libvirt.createXML

        def create_slowly(xml, flags):
            self.starting.append(re.search('domr-([-0-9a-f]+)', xml)[1])
            fake_host.wait(self.go_on, 60)
            return create(xml, flags)

        self.libvirt.createXML = create_slowly
        self.watch.start()
        self.addCleanup(self.watch.stop)
        self.addCleanup(self.go_on.set)
        self._until(
            lambda: len(self.starting) == watch._REBUILT_AT_ONCE
            and self.reconciler.reconcile.call_count >= self.count)

    def _waiting(self):
        return [uuid for uuid in self.uuids if uuid not in self.starting]

    def test_those_that_wait_for_their_turn_are_not_locked(self):
        for uuid in self._waiting():
            with self.pairs.locked(uuid, wait_s=1) as locked:
                self.assertTrue(locked)
        self.assertEqual(watch._REBUILT_AT_ONCE, len(self.starting))
        self.go_on.set()
        self._until(lambda: len(self.libvirt.domains) == self.count)

    def test_each_is_deleted_at_once(self):
        longest_s = 0.0
        for uuid in self.uuids:
            began = time.monotonic()
            fake_host.in_thread(functools.partial(
                self.pairs.remove, uuid, delete_address=True))
            longest_s = max(longest_s, time.monotonic() - began)
        self.assertLess(longest_s, 1)
        self.assertEqual(
            set(self.starting),
            {record.instance_uuid for record in self.pairs.records.all()})
        # What was being started is removed when that is over.
        self.go_on.set()
        self._until(lambda: not self.pairs.records.all())
        self._until(lambda: not self.neutron.ports)
        self.assert_nothing_left()
        self.assertEqual(watch._REBUILT_AT_ONCE, len(self.starting))

    def test_migrations_do_not_wait_for_a_turn(self):
        began = time.monotonic()
        for uuid in self._waiting():
            self.watch.leave_alone(uuid)
        self.assertLess(time.monotonic() - began, 5)
        self.assertNotIn('still being rebuilt', self.log.output)

    def test_none_is_begun_after_the_end(self):
        with mock.patch.object(watch, '_STOP_S', 0.05):
            self.watch.stop()
        self.go_on.set()
        self._until(lambda: len(self.libvirt.domains) ==
                    watch._REBUILT_AT_ONCE)
        time.sleep(0.05)
        self.assertEqual(watch._REBUILT_AT_ONCE, len(self.starting))
