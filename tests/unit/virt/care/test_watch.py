# SPDX-License-Identifier: Apache-2.0

import threading
import time
from unittest import mock

import fixtures
from neutronclient.common import exceptions as neutron_exceptions
import oslo_messaging as messaging

from nova_dmore import exception
from nova_dmore.virt.care import renewal
from nova_dmore.virt.care import reporter
from nova_dmore.virt.care import settle
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


class WatchTest(fake_host.HostTestCase):

    def setUp(self):
        super().setUp()
        self.record = self.pairs.ensure(fakes.make_instance())
        self.reporter = mock.create_autospec(reporter.Reporter, instance=True)
        self.settler = mock.create_autospec(settle.Settler, instance=True)
        self.settler.is_settled.return_value = False
        self.settler.settle.return_value = True
        self.renewal = mock.create_autospec(renewal.Renewal, instance=True)
        self.watch = watch.Watch(self.pairs, self.reporter, 0.002, 'context',
                                 self.settler, self.renewal)
        self.log = self.useFixture(fixtures.FakeLogger())

    def _start(self):
        self.watch.start()
        self.addCleanup(self.watch.stop)

    def _until(self, condition):
        deadline = time.monotonic() + 5
        while not condition():
            self.assertLess(time.monotonic(), deadline, 'nothing happened')
            time.sleep(0.002)

    def _looked(self, times=3):
        """Wait until the pair was looked at some times more."""
        status = self.client().status
        looks = status.call_count + times
        self._until(lambda: status.call_count >= looks)

    def test_gaps_without_number_are_reported_together(self):
        self.client().status.return_value = fake_host.status(
            gaps=tuple(map(_gap, range(256))))
        self.client().status.side_effect = None
        self.watch.collect_gaps(self.record.instance_uuid)
        self.assertEqual(watch._GAPS_AT_ONCE, self.reporter.gap.call_count)
        (call,) = self.reporter.more_gaps.call_args_list
        self.assertEqual(256 - watch._GAPS_AT_ONCE, len(call.args[-1]))
        self.client().forget_gaps.assert_called_once_with(list(range(256)))

    def test_nothing_to_do(self):
        self._start()
        self._looked()
        self.assertEqual([], self.reporter.mock_calls)

    def test_certificates_are_renewed(self):
        self._start()
        self._until(lambda: self.renewal.look.called)
        self.renewal.look.assert_called_with([self.record])
        self.watch.leave_alone(fakes.UUID)
        self._until(lambda: self.renewal.look.call_args == mock.call([]))

    def test_a_pair_that_is_well(self):
        self.settler.is_settled.return_value = True
        self._start()
        self._looked()
        self.settler.settle.assert_not_called()
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
        self._looked()
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

    def test_a_pair_that_is_not_settled_is_left_alone(self):
        self.settler.settle.return_value = False
        self.libvirt.domains.clear()
        self._start()
        self._until(lambda: self.settler.settle.call_count > 3)
        self.settler.settle.assert_called_with(self.record)
        self.assertEqual({}, self.libvirt.domains)
        self.settler.settle.return_value = True
        self._until(lambda: self.domr in self.libvirt.domains)

    def test_a_pair_that_is_settled_by_its_removal(self):
        def remove(record):
            self.pairs.remove(fakes.UUID, delete_address=True)
            return True

        self.settler.settle.side_effect = remove
        self._start()
        self._until(lambda: self.settler.settle.called)
        self.watch.stop()
        self.assert_nothing_left()
        self.assertNotIn('trying again', self.log.output)

    def test_a_pair_that_moves_is_settled_by_its_roles(self):
        self.watch.leave_alone(fakes.UUID)
        self.settler.forget.assert_called_once_with(fakes.UUID)
        self._start()
        time.sleep(0.05)
        self.settler.settle.assert_not_called()
        self.watch.look_after(fakes.UUID)
        self._until(lambda: self.settler.settle.called)

    def _look_until_told(self, settled):
        """The watch looks at a pair; what ends that look."""
        looking, go_on = threading.Event(), threading.Event()

        def look(record):
            looking.set()
            fake_host.wait(go_on)
            return settled

        self.settler.settle.side_effect = look
        self._start()
        fake_host.wait(looking)
        return go_on

    def test_leaving_alone_waits_for_a_look(self):
        go_on, left_alone = self._look_until_told(False), threading.Event()

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
        go_on = self._look_until_told(True)
        with mock.patch.object(watch, '_LAST_LOOK_S', 0.05):
            self.watch.leave_alone(fakes.UUID)
        self.libvirt.domains.clear()
        go_on.set()

    def test_what_waits_for_neutron_keeps_nobody_waiting(self):
        other = 'domr-' + OTHER_UUID
        self.pairs.ensure(fakes.make_instance(uuid=OTHER_UUID, id=2))
        go_on = threading.Event()
        self.addCleanup(go_on.set)
        self.settler.settle.side_effect = lambda record: (
            record.instance_uuid == OTHER_UUID or go_on.wait(10))
        self._start()
        self._until(lambda: self.settler.settle.call_count > 2)
        # Of the pair that waits, too.
        self.client().status.side_effect = (
            lambda timeout=None: fake_host.status(gaps=(_gap(1),)))
        self._until(lambda: self.reporter.gap.called)
        self.libvirt.domains.pop(other)
        self._until(lambda: other in self.libvirt.domains)

    def test_gaps_of_a_pair_that_is_tried_again_later(self):
        self.settler.settle.side_effect = exception.AddressError('no answer')
        self._start()
        self._until(lambda: 'trying again' in self.log.output)
        self.client().status.side_effect = (
            lambda timeout=None: fake_host.status(gaps=(_gap(1),)))
        self._until(lambda: self.reporter.gap.called)
        self.assertEqual(1, self.settler.settle.call_count)

    def test_stopping_does_not_wait_for_ever(self):
        go_on = self._look_until_told(True)
        with mock.patch.object(watch, '_LAST_LOOK_S', 0.05):
            self.watch.stop()
        go_on.set()
        self.reporter.flush.assert_called_once()

    def test_ports_are_swept_now_and_then(self):
        self._start()
        self._looked()
        self.settler.sweep.assert_called_once_with()

    def test_a_sweep_that_fails(self):
        self.useFixture(fixtures.MockPatchObject(
            watch, '_SWEEP_RETRY_S', 0.01))
        self.settler.sweep.side_effect = RuntimeError('a bug')
        self._start()
        self._until(lambda: self.settler.sweep.call_count > 2)
        self.assertIn('a bug', self.log.output)
        self._looked()

    def test_port_security_does_not_wait_for_the_sweep(self):
        self.settler.sweep.side_effect = RuntimeError('a bug')
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
        self._looked()

    def test_stop(self):
        self.watch.start()
        self._looked()
        self.watch.stop()
        self.assertNotIn('dmore-watch', [
            thread.name for thread in threading.enumerate()])

    def test_collect_gaps_of_a_process_that_is_gone(self):
        self.shadow.kill(fakes.UUID)
        self.assertRaises(exception.ShadowProcessError,
                          self.watch.collect_gaps, fakes.UUID)
