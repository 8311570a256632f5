# SPDX-License-Identifier: Apache-2.0

import errno
import threading
import time
from unittest import mock

import fixtures
from neutronclient.common import exceptions as neutron_exceptions
import oslo_messaging as messaging

from nova_dmore import exception
from nova_dmore.virt.care import pair_care
from nova_dmore.virt.care import watch
from nova_dmore import wire
from tests.unit.virt.care import care_case
from tests.unit.virt.care import watch_case
from tests.unit.virt import fake_host
from tests.unit.virt import fake_shadow
from tests.unit.virt import fakes


class WatchTest(watch_case.WatchTestCase):
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

    def test_one_that_wants_to_run_again_soon(self):
        often = mock.Mock(return_value=0.01)
        seldom = mock.Mock(return_value=None)
        for task in (often, seldom):
            self.watch.also(task, 3600.0)
        self._start()
        self._until(lambda: often.call_count > 3)
        seldom.assert_called_once_with()

    def test_runs_tasks(self):
        self.task.side_effect = exception.ConfigurationError('no such file')
        self._start()
        self._until(lambda: self.task.call_count > 1)
        self.task.assert_called_with([self.record])
        self.watch.leave_alone(fakes.UUID)
        self._until(lambda: self.task.call_args == mock.call([]))

    def test_options_change(self):
        self.watch._interval = 3600
        secure = self.useFixture(fixtures.MockPatchObject(
            self.pairs.addresses, 'secure')).mock
        self._start()
        for _ in range(2):
            self._until(lambda: self.task.called and secure.called)
            self.task.reset_mock()
            secure.reset_mock()
            self.watch.options_changed()

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
        gaps = [care_case.gap(1), care_case.gap(2)]
        client = self.client()
        client.status.side_effect = (
            lambda timeout=None: fake_shadow.status(gaps=tuple(gaps)))
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
            lambda timeout=None: fake_shadow.status(gaps=(care_case.gap(1),)))
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
        self.watch.watch_again(fakes.UUID)
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
        self.watch.watch_again(fakes.UUID)
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
        other = 'domr-' + care_case.OTHER_UUID
        self.pairs.ensure(fakes.make_instance(uuid=care_case.OTHER_UUID, id=2))
        go_on = threading.Event()
        self.addCleanup(go_on.set)
        self.reconciler.reconcile.side_effect = lambda record: (
            record.instance_uuid == care_case.OTHER_UUID or go_on.wait(10))
        self._start()
        self._until(lambda: self.reconciler.reconcile.call_count > 2)
        # Of the pair that waits, too.
        self.client().status.side_effect = (
            lambda timeout=None: fake_shadow.status(gaps=(care_case.gap(1),)))
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
            lambda timeout=None: fake_shadow.status(gaps=(care_case.gap(1),)))
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
            uuid=care_case.OTHER_UUID, id=2))
        self.client().status.side_effect = RuntimeError('a bug')
        other = 'domr-' + care_case.OTHER_UUID
        del self.libvirt.domains[other]
        self._start()
        self._until(lambda: other in self.libvirt.domains)
        self._until(lambda: 'a bug' in self.log.output)

    def test_no_directory_to_be_read(self):
        self._start()
        with mock.patch('os.listdir', side_effect=PermissionError(
                errno.EACCES, 'Permission denied')):
            self._until(lambda: '[dmore] record_dir' in self.log.output)
        self._checked()

    def test_a_service_that_is_stopped_and_started_again(self):
        self._start()
        self._checked()
        self.watch.stop()
        before = self.task.call_count
        self.shadow.service_away = True
        self._start()
        self._until(lambda: 'until the host service' in self.log.output)
        self.watch.start()      # and before it has ended
        self.shadow.service_away = False
        self._until(lambda: self.task.call_count > before)
        self._checked()
        self.assertEqual(1, [thread.name for thread in threading.enumerate()]
                         .count('dmore-watch'))

    def test_stop(self):
        self.watch.start()
        self._checked()
        self.watch.stop()
        self.assertNotIn('dmore-watch', [
            thread.name for thread in threading.enumerate()])
