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
"""The stop, the freeze and the rollback, with real processes."""

import base64
import os
import signal
import time

from nova_dmore import wire
from tests.integration import stop_case
from tests.unit.shadow import fakes

State = wire.PairState
SOURCE = stop_case.SOURCE
wait_for = fakes.wait_for


class TestStop(stop_case.Stop):

    def test_in_step(self):
        self.domain_r.types(b'a')
        self.assertEqual(b'a', self.instance.reads(1))
        self.instance.prints(b'last')
        self.instance.stop()
        self.instance.save()
        frozen = self.client.frozen(1000)
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

    def test_domain_r_is_let_go(self):
        self.client.let_go(True)
        self.client.arm('another', SOURCE, on=False)
        self.client.arm('m', SOURCE)
        self.instance.prints(b'last')
        self.assertTrue(self.domain_r.running)
        self.instance.stop()
        self.assertTrue(self.client.frozen(1000).acknowledged)
        frozen = wait_for(
            lambda: self.client.frozen(0).domain_r_stopped_at and
            self.client.frozen(0))
        self.assertFalse(self.domain_r.running)
        self.assertEqual(b'last', self.domain_r.output)
        self.assertLess(frozen.domain_r_stopped_at - frozen.stopped_at, 0.02)
        self.instance.resume()
        self.domain_r.resume()
        self.pair.live()
        self.assertEqual((), self.pair.gaps())

    def test_domain_r_is_let_go_late(self):
        self.instance.stop()
        self.assertIsNone(self.client.frozen(1000).domain_r_stopped_at)
        self.client.let_go(True)
        wait_for(lambda: not self.domain_r.running)

    def test_domain_r_is_not_let_go_any_more(self):
        for undo in (lambda: self.client.let_go(False),
                     lambda: self.client.arm('m', SOURCE, on=False),
                     lambda: self.client.arm('next', SOURCE)):
            self.client.arm('m', SOURCE)
            self.client.let_go(True)
            undo()
            self.client.arm('m', SOURCE)
            self.instance.stop()
            self.assertTrue(self.client.frozen(1000).acknowledged)
            self.assertTrue(self.domain_r.running)
            self.instance.resume()
            self.pair.live()

    def test_a_killed_worker_lets_domain_r_go(self):
        self.client.let_go(True)
        os.kill(self.client.status().worker_pid, signal.SIGKILL)
        self.instance.stop()
        wait_for(lambda: not self.domain_r.running)

    def test_rollback(self):
        self.domain_r.types(b'x')
        self.instance.prints(b'last')
        self.instance.stop()
        self.client.frozen(1000)
        self.instance.prints(b'UART')
        # Nothing is read from the socket: QEMU could push on a byte that is
        # in its saved state, too.
        self.assertTrue(fakes.unread_bytes(self.instance.serial))
        self.instance.resume()
        self.pair.live()
        self.instance.prints(b'next')
        self.assertEqual(b'x', self.instance.reads(1))
        wait_for(lambda: self.domain_r.output == b'lastUARTnext')
        wait_for(lambda: not fakes.unread_bytes(self.instance.serial))
        self.assertEqual((), self.pair.gaps())

    def crowds(self):
        """The socket was full, as far as can be known: QEMU may be waiting
        for room, and then still push on when its guest has stopped."""
        data = bytes(range(256)) * 4
        self.instance.prints(data)
        wait_for(lambda: self.domain_r.output == data)
        self.instance.stop()
        return data

    def test_output_that_comes_after_the_stop_and_before_the_state(self):
        data = self.crowds()
        time.sleep(0.02)        # the stop is known
        self.instance.prints(b'pushed on')
        self.instance.save()
        frozen = self.client.frozen(1000)
        self.assertTrue(frozen.acknowledged)
        # Domain R has it, or may have stopped already.
        unstored = self.client.hand_over(1000)['unstored']['serial0_out']
        self.assertEqual(
            len(data) + 9,
            unstored['base'] + len(base64.b64decode(unstored['data'])))
        self.assertTrue(fakes.unread_bytes(self.instance.serial))
        self.instance.resume()
        self.pair.live()
        self.instance.prints(b'next')
        wait_for(lambda: self.domain_r.output == data + b'pushed onnext')
        self.assertEqual((), self.pair.gaps())

    def test_output_that_comes_when_all_is_carried_over(self):
        data = self.crowds()
        self.assertIsNotNone(self.carried())
        self.instance.prints(b'too late')
        self.instance.save()
        gap, = wait_for(self.pair.gaps)
        self.assertEqual(('serial0_out', len(data), 8, 'exact'),
                         (gap.stream, gap.at, gap.bytes, gap.kind.value))

    def test_killed_worker_keeps_what_comes_before_the_state(self):
        data = self.crowds()
        time.sleep(0.02)
        os.kill(self.client.status().worker_pid, signal.SIGKILL)
        self.instance.prints(b'pushed on')
        carried = self.carried()['unstored']['serial0_out']
        self.assertEqual(
            len(data) + 9,
            carried['base'] + len(base64.b64decode(carried['data'])))
        self.instance.resume()
        self.pair.live()
        wait_for(lambda: self.domain_r.output == data + b'pushed on')

    def test_killed_worker_keeps_what_the_stop_left_in_the_socket(self):
        self.types_two()        # the freeze lasts
        worker = self.client.status().worker_pid
        os.kill(worker, signal.SIGSTOP)
        self.instance.stop()
        time.sleep(0.05)
        self.instance.prints(b'last')
        os.kill(worker, signal.SIGCONT)
        wait_for(lambda: self.client.status().state is State.FREEZING)
        os.kill(worker, signal.SIGKILL)
        carried = self.carried()['unstored']['serial0_out']
        self.assertEqual(
            4, carried['base'] + len(base64.b64decode(carried['data'])))
        self.assertTrue(fakes.unread_bytes(self.instance.serial))

    def test_twice(self):
        for n in range(3):
            self.client.arm(f'm{n}', SOURCE)
            self.instance.prints(b'%d' % n)
            self.instance.stop()
            self.assertTrue(self.client.frozen(1000).acknowledged)
            self.instance.resume()
            self.pair.live()
        wait_for(lambda: self.domain_r.output == b'012')

    def reads_one_after_the_stop(self):
        self.types_two()
        self.domain_r.running = False       # the freeze lasts
        self.instance.stop()
        self.assertEqual(b'a', self.instance.reads(1))

    def test_byte_that_qemu_did_not_read_is_sent_again(self):
        self.types_two()
        self.domain_r.running = False       # the freeze lasts
        self.instance.stop()
        self.instance.save()
        self.assertEqual(0, self.carried()['taken']['serial0_in'])
        # A QEMU that has moved away reads it, and it is lost.
        self.assertEqual(b'a', self.instance.reads(1))
        self.assertEqual((), self.pair.gaps())

    def test_byte_that_qemu_read_before_it_saved_is_taken(self):
        self.reads_one_after_the_stop()
        time.sleep(0.01)
        self.instance.save()
        self.assertEqual(1, self.carried()['taken']['serial0_in'])
        self.assertEqual((), self.pair.gaps())

    def test_bytes_that_were_sent_when_it_saved_are_sent_again(self):
        """The host is loaded, and all that QEMU said comes late."""
        self.types_after_the_save(0.2)
        self.assertEqual((), self.pair.gaps())

    def types_after_the_save(self, ago):
        time.sleep(0.3)
        self.domain_r.types(b'abc')
        self.assertEqual(b'abc', self.instance.reads(3))
        self.instance.stop(ago=ago + 0.01)
        self.instance.save(ago=ago)
        self.assertEqual(0, self.carried()['taken']['serial0_in'])

    def test_bytes_that_were_sent_just_when_it_saved_are_ambiguous(self):
        # It may have been late to do what it had said.
        self.types_after_the_save(0.07)
        gap, = self.pair.gaps()
        self.assertEqual(('serial0_in', 0, 3, 'ambiguous'),
                         (gap.stream, gap.at, gap.bytes, gap.kind.value))

    def test_bytes_are_not_sent_again_after_a_rollback(self):
        self.test_bytes_that_were_sent_when_it_saved_are_sent_again()
        self.instance.resume()
        self.pair.live()
        self.types_and_reads_only(b'd')

    def types_and_reads_only(self, byte):
        self.domain_r.types(byte)
        self.assertEqual(byte, self.instance.reads(1))
        self.assertTrue(self.instance.reads_nothing())

    def test_killed_worker_had_not_believed_a_byte(self):
        self.domain_r.types(b'abc')
        self.assertEqual(b'abc', self.instance.reads(3))
        os.kill(self.client.status().worker_pid, signal.SIGKILL)
        self.pair.live()
        self.types_and_reads_only(b'd')
        self.instance.stop()
        self.instance.save()
        self.assertEqual(4, self.carried()['taken']['serial0_in'])

    def test_byte_that_was_seen_to_be_read_late_is_ambiguous(self):
        self.types_two()
        time.sleep(0.2)
        self.domain_r.running = False       # the freeze lasts
        self.instance.stop()
        self.assertEqual(b'a', self.instance.reads(1))
        self.instance.save(ago=0.1)
        self.assertEqual(1, self.carried()['taken']['serial0_in'])
        self.check_ambiguous()

    def test_byte_that_was_read_when_it_was_carried_over_is_ambiguous(self):
        self.types_two()
        self.instance.stop()
        self.assertEqual(0, self.carried()['taken']['serial0_in'])
        self.assertEqual(b'a', self.instance.reads(1))
        self.instance.save()
        wait_for(self.pair.gaps)
        self.check_ambiguous()

    def test_byte_of_a_killed_worker_is_ambiguous(self):
        self.types_two()
        os.kill(self.client.status().worker_pid, signal.SIGKILL)
        self.instance.stop()
        self.assertEqual(b'a', self.instance.reads(1))
        self.assertEqual(1, self.carried()['taken']['serial0_in'])
        self.check_ambiguous()

    def check_ambiguous(self):
        gap, = self.pair.gaps()
        self.assertEqual(
            ('serial0_in', 0, 1, wire.GapKind.AMBIGUOUS, 'm'),
            (gap.stream, gap.at, gap.bytes, gap.kind, gap.migration_id))

    def test_domain_r_that_does_not_answer(self):
        self.instance.prints(b'seen')
        wait_for(lambda: self.domain_r.output == b'seen')
        self.domain_r.stop()
        self.instance.prints(b'unseen')
        self.instance.stop()
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

    def test_paused_instance_that_moves(self):
        self.client.arm('m', SOURCE, on=False)
        self.instance.stop()
        wait_for(lambda: self.client.status().instance.status == 'paused')
        self.client.arm('n', SOURCE)
        self.assertTrue(self.client.frozen(1000).acknowledged)

    def test_more_than_domain_r_takes(self):
        self.domain_r.pause_output(True)
        data = os.urandom(6000)
        self.instance.prints(data)
        self.instance.prints(b'end')
        self.instance.stop()
        self.instance.save()
        unstored = self.carried()['unstored']['serial0_out']
        self.assertEqual(len(self.domain_r.output), unstored['base'])
        self.instance.resume()
        self.domain_r.pause_output(False)
        wait_for(lambda: self.domain_r.output == data + b'end')

    def test_killed_worker_between_stop_and_answer(self):
        self.instance.prints(b'last')
        os.kill(self.client.status().worker_pid, signal.SIGKILL)
        self.instance.stop()
        carried = self.carried()['unstored']['serial0_out']
        self.assertEqual({'base': 0, 'data': 'bGFzdA=='}, carried)
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
