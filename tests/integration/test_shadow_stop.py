# SPDX-License-Identifier: Apache-2.0
"""The stop, the freeze and the rollback, with real processes."""

import base64
import json
import os
import signal
import time

from nova_dmore import wire
from tests.integration import stop_case
from tests.unit.worker import fakes

State = wire.PairState
SOURCE = stop_case.SOURCE
wait_for = fakes.wait_for


class TestStop(stop_case.Stop):

    def taken(self):
        return self.client.status().streams['serial0_in']['position']

    def output_carried(self):
        """Offset after the last byte of output that Domain R has or gets."""
        unstored = self.client.hand_over(3000)['unstored']['serial0_out']
        return unstored['base'] + len(base64.b64decode(unstored['data']))

    def test_in_step(self):
        self.domain_r.types(b'a')
        self.assertEqual(b'a', self.instance.reads(1))
        wait_for(lambda: self.taken() == 1)
        self.instance.prints(b'last')
        self.instance.stop()
        self.instance.save()
        frozen = self.client.frozen(1000)
        self.instance.saved()
        self.domain_r.types(b'b')
        self.assertTrue(self.instance.reads_nothing())
        self.assertTrue(frozen.acknowledged)
        self.assertLess(frozen.frozen_at - frozen.stopped_at, 0.02)
        self.assertEqual(b'last', self.domain_r.output)
        self.assertEqual(1, self.client.hand_over(1000)['taken']['serial0_in'])
        self.assertEqual(
            {'base': 4, 'data': ''},
            self.client.hand_over(1000)['unstored']['serial0_out'])
        self.assertEqual(frozen, self.client.frozen(1000))
        self.assertEqual((), self.pair.gaps())

    def break_without_answer(self):
        """-> the command of a break that QEMU has got."""
        self.instance.qmp.is_mute = True
        self.domain_r.says(
            {'type': wire.BREAK, 'stream': 'serial0_in', 'at': 0})

        def breaks():
            return [each for each in self.instance.qmp.commands
                    if each['execute'] == 'chardev-send-break']
        wait_for(breaks)
        self.instance.qmp.is_mute = False
        return breaks()[0]

    def answers(self, command):
        self.instance.qmp.says({'return': {}, 'id': command['id']})

    def test_a_break_that_is_answered_before_the_state_is_saved(self):
        command = self.break_without_answer()
        self.instance.stop()
        self.answers(command)
        self.instance.save()
        self.instance.saved()
        self.client.frozen(1000)
        carried = self.client.hand_over(3000)
        self.assertEqual(
            self.domain_r.end.position(wire.Stream.CONTROL_TO_HOST),
            carried['taken']['control_to_host'])

    def test_a_break_that_is_answered_afterwards(self):
        command = self.break_without_answer()
        self.instance.stop()
        self.instance.save()
        self.answers(command)
        self.instance.saved()
        self.client.frozen(1000)
        carried = self.client.hand_over(3000)
        self.assertLess(
            carried['taken']['control_to_host'],
            self.domain_r.end.position(wire.Stream.CONTROL_TO_HOST))
        self.assertEqual(
            [('serial0_in', 'ambiguous', 1)],
            [(gap.stream, gap.kind, gap.bytes) for gap in self.pair.gaps()])
        # A worker that follows one that was killed knows it, too.
        os.kill(self.client.status().worker_pid, signal.SIGKILL)
        self.instance.resume()
        self.client.arm('m', SOURCE, on=False)
        self.pair.live()
        self.assertEqual(1, [
            each['execute'] for each in self.instance.qmp.commands
        ].count('chardev-send-break'))

    def test_the_keeper_is_late(self):
        """What the worker says before the stop counts before the stop, when
        the keeper reads both at once."""
        self.client.arm('m', SOURCE, on=False)
        sock = self.pair.hostd.service.open(self.pair.uuid)
        self.addCleanup(sock.close)
        sock.settimeout(5)

        def ask(method, **parameters):
            sock.sendall(json.dumps({
                'id': 1, 'method': method, 'params': parameters}).encode()
                + b'\n')
            self.assertIn('result', json.loads(sock.recv(1 << 16)))
        ask('hold', on=False)           # it is the worker's from now on
        keeper = self.client.status().pid
        # In the midst of QEMU's events, of which more will be there.
        for _each in range(30):
            self.instance.qmp.event('RTC_CHANGE')
        os.kill(keeper, signal.SIGSTOP)
        try:
            ask('arm', migration_id='n', role=SOURCE.value, on=True)
            self.instance.prints(b'last')
            self.instance.leaves()
        finally:
            os.kill(keeper, signal.SIGCONT)
        self.assertTrue(self.client.frozen(5000).acknowledged)
        self.assertEqual(4, self.output_carried())

    def test_rollback(self):
        self.domain_r.types(b'x')
        self.instance.prints(b'last')
        wait_for(lambda: self.domain_r.output == b'last')
        self.instance.stop()
        self.client.frozen(1000)
        self.domain_r.types(b'y')
        self.instance.prints(b'UART')
        # Nothing makes room: QEMU could push on a byte that is in its saved
        # state, too.
        time.sleep(0.1)
        self.assertEqual(4, self.instance.printed())
        self.instance.resume()
        self.pair.live()
        self.instance.prints(b'next')
        self.assertEqual(b'xy', self.instance.reads(2))
        wait_for(lambda: self.domain_r.output == b'lastUARTnext')
        self.assertEqual(0, self.instance.printed())
        self.assertEqual((), self.pair.gaps())

    def test_rollback_when_all_was_carried_over(self):
        self.types_two()
        self.instance.prints(b'last')
        self.instance.leaves()
        self.assertEqual(0, self.carried()['taken']['serial0_in'])
        self.instance.prints(b'UART')
        self.instance.resume()
        self.pair.live()
        self.instance.prints(b'next')
        wait_for(lambda: self.domain_r.output == b'lastUARTnext')
        self.assertEqual(b'ab', self.instance.reads(2))
        self.types_and_reads_only(b'c')
        self.assertEqual((), self.pair.gaps())

    def test_output_that_comes_after_the_stop_and_before_the_state(self):
        self.instance.prints(b'before')
        wait_for(lambda: self.domain_r.output == b'before')
        self.instance.stop()
        time.sleep(0.02)        # the stop is known
        self.instance.prints(b'pushed on')
        self.instance.save()
        time.sleep(0.02)
        self.instance.saved()
        self.assertIsNotNone(self.client.frozen(1000).stopped_at)
        self.assertEqual(15, self.output_carried())
        self.assertEqual((), self.pair.gaps())

    def test_output_that_comes_when_the_state_is_saved_is_left(self):
        self.instance.prints(b'last')
        self.instance.leaves()
        self.assertEqual(4, self.output_carried())
        self.instance.prints(b'a second time')
        time.sleep(0.1)
        self.assertEqual(13, self.instance.printed())
        self.assertEqual(4, self.output_carried())
        self.assertEqual((), self.pair.gaps())

    def holds_up(self):
        """-> what the guest said, as much as there is room for."""
        self.domain_r.pause_output(True)
        data = b''
        while True:
            try:
                self.instance.prints(b'0123456789abcde\n', timeout=0.2)
            except AssertionError:
                break
            data += b'0123456789abcde\n'
        return data

    def test_output_of_a_guest_that_is_held_up(self):
        data = self.holds_up()
        self.instance.stop()
        self.instance.save()
        time.sleep(0.05)
        # QEMU waits for room, and would push on what is in its state.
        self.assertGreater(self.instance.printed(), 4000)
        self.instance.saved()
        self.assertGreaterEqual(self.output_carried(), len(data))
        wait_for(lambda: not self.instance.printed())
        self.assertEqual((), self.pair.gaps())

    def test_killed_worker_keeps_what_the_stop_left(self):
        self.types_two()
        worker = self.client.status().worker_pid
        os.kill(worker, signal.SIGSTOP)
        self.instance.prints(b'first')
        time.sleep(0.05)
        self.instance.stop()
        self.instance.prints(b'last')
        self.instance.save()
        time.sleep(0.01)
        self.instance.saved()
        os.kill(worker, signal.SIGKILL)
        self.assertIsNotNone(self.carried())
        self.assertEqual(9, self.output_carried())
        self.assertEqual((), self.pair.gaps())

    def test_killed_worker_in_the_freeze(self):
        self.instance.prints(b'last')
        self.instance.stop()
        wait_for(lambda: self.client.status().state is State.FREEZING)
        os.kill(self.client.status().worker_pid, signal.SIGKILL)
        self.instance.save()
        time.sleep(0.01)
        self.instance.saved()
        self.assertIsNotNone(self.carried())
        self.assertEqual(4, self.output_carried())
        self.instance.resume()
        self.pair.live()
        wait_for(lambda: self.domain_r.output == b'last')

    def test_twice(self):
        for n in range(3):
            self.client.arm(f'm{n}', SOURCE)
            self.instance.prints(b'%d' % n)
            self.instance.stop()
            self.assertTrue(self.client.frozen(1000).acknowledged)
            self.instance.resume()
            self.pair.live()
        wait_for(lambda: self.domain_r.output == b'012')

    def test_instance_that_ends_before_it_says_that_it_is_saved(self):
        self.types_two()
        self.instance.prints(b'last')
        self.instance.stop()
        self.instance.save()
        time.sleep(0.02)
        self.instance.ends()
        self.assertEqual(0, self.carried()['taken']['serial0_in'])
        self.assertEqual(4, self.output_carried())
        self.assertEqual((), self.pair.gaps())

    def test_switch_to_post_copy(self):
        """There will be no word of the end for long."""
        self.types_two()
        self.instance.prints(b'last')
        self.instance.stop()
        self.instance.save(status='postcopy-active')
        self.assertEqual(0, self.carried()['taken']['serial0_in'])
        self.assertEqual(4, self.output_carried())
        self.assertEqual((), self.pair.gaps())

    def test_reset_of_the_guest(self):
        self.instance.prints(b'one')
        self.instance.qmp.event('RESET')
        self.instance.prints(b'two')
        # What is typed before this is for what ran before.
        wait_for(lambda: 'instance: RESET' in self.pair.logged())
        self.types_two()
        self.assertEqual(b'ab', self.instance.reads(2))
        wait_for(lambda: self.domain_r.output == b'onetwo')
        self.instance.leaves()
        self.assertEqual(2, self.carried()['taken']['serial0_in'])
        self.assertEqual((), self.pair.gaps())

    def test_domain_r_that_does_not_answer(self):
        self.instance.prints(b'seen')
        wait_for(lambda: self.domain_r.output == b'seen')
        self.domain_r.stop()
        self.instance.prints(b'unseen')
        self.instance.leaves()
        frozen = self.client.frozen(1000)
        self.assertFalse(frozen.acknowledged)
        # It is known to stand still: nothing is waited for.
        self.assertLess(frozen.frozen_at - frozen.stopped_at, 0.04)
        unstored = self.client.hand_over(1000)['unstored']['serial0_out']
        self.assertEqual({'base': 4, 'data': 'dW5zZWVu'}, unstored)

    def test_stop_that_is_no_migration(self):
        self.client.arm('m', SOURCE, on=False)
        self.instance.stop()
        frozen = self.client.frozen(100)
        self.assertEqual((False, None, None), (
            frozen.acknowledged, frozen.stopped_at,
            self.client.hand_over(100)))
        self.assertEqual(State.LIVE, self.client.status().state)

    def pauses(self):
        self.client.arm('m', SOURCE, on=False)
        self.instance.prints(b'last')
        self.instance.stop()
        wait_for(lambda: self.client.status().instance.status == 'paused')
        wait_for(lambda: self.domain_r.output == b'last')
        self.client.arm('n', SOURCE)

    def test_paused_instance_that_moves(self):
        self.pauses()
        self.domain_r.types(b'x')
        self.assertIsNone(self.client.frozen(200).stopped_at)
        self.instance.save()
        self.assertTrue(self.client.frozen(1000).acknowledged)
        self.instance.saved()
        self.assertEqual(0, self.carried()['taken']['serial0_in'])

    def test_paused_instance_that_stays(self):
        self.pauses()
        self.instance.save()
        self.assertTrue(self.client.frozen(1000).acknowledged)
        self.client.arm('n', SOURCE, on=False)
        wait_for(lambda: self.client.status().state is not State.FREEZING)
        self.instance.resume()
        self.pair.live()
        self.instance.prints(b'next')
        wait_for(lambda: self.domain_r.output == b'lastnext')

    def test_more_than_domain_r_takes(self):
        self.domain_r.pause_output(True)
        data = os.urandom(6000)
        self.instance.prints(data)
        self.instance.prints(b'end')
        self.instance.leaves()
        unstored = self.carried()['unstored']['serial0_out']
        self.assertEqual(len(self.domain_r.output), unstored['base'])
        self.instance.resume()
        self.domain_r.pause_output(False)
        wait_for(lambda: self.domain_r.output == data + b'end')

    def test_killed_worker_between_stop_and_answer(self):
        self.instance.prints(b'last')
        os.kill(self.client.status().worker_pid, signal.SIGKILL)
        self.instance.leaves()
        self.assertIsNotNone(self.carried())
        self.assertEqual(4, self.output_carried())
        self.instance.resume()
        self.pair.live()
        wait_for(lambda: self.domain_r.output == b'last')

    def test_domain_r_that_hangs(self):
        self.domain_r.running = False
        self.instance.prints(b'unseen')
        self.instance.stop()
        frozen = self.client.frozen(1000)
        self.assertFalse(frozen.acknowledged)
        self.assertLess(frozen.frozen_at - frozen.stopped_at, 0.1)
