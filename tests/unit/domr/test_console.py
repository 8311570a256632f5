# SPDX-License-Identifier: Apache-2.0
"""The shared console without any connection."""

import gc
import unittest
import weakref
from collections.abc import Callable

from nova_dmore.domr import console
from nova_dmore.domr import input_queue
from nova_dmore.domr import notices
from nova_dmore.domr import pace
from nova_dmore import wire
from tests.unit.domr import console_case


class ConsoleTest(unittest.TestCase):
    """Output: what each client gets, and whom the guest waits for."""

    def setUp(self) -> None:
        self.line = console_case.Line()
        self.logged: list[str] = []
        self.console = console.Console(
            self.line, lambda level, text: self.logged.append(text),
            console_case.Turns().later)
        self.console.configure(1000, 2000)

    def attach(self, room: int = 1 << 30) -> console_case.Port:
        port = console_case.Port(room)
        port.client = self.console.attach(port, 'client')
        if room > 0:
            port.client.resume_writing()
        return port

    def test_without_clients_the_oldest_is_forgotten(self) -> None:
        self.console.output(bytes(10_000_000))
        self.console.output(b'x' * 999)
        self.assertFalse(self.line.output_paused)
        self.assertEqual(b'\0' + b'x' * 999, self.attach().got)

    def test_everybody_is_told_of_recording_once(self) -> None:
        self.console.output(b'before')
        before = self.attach()
        self.assertEqual([], before.told)
        for _ in range(2):
            self.console.configure(1000, 2000, recorded=True)
            self.assertEqual([notices.RECORDED], before.told)
        after = self.attach()
        self.assertEqual([notices.RECORDED], after.told)
        self.console.configure(1000, 2000)
        self.assertEqual([], self.attach().told)
        self.assertEqual(b'before', after.got)

    def test_clients_take_turns(self) -> None:
        turns: list[Callable[[], None]] = []
        self.console = console.Console(
            self.line, lambda level, text: None, turns.append)
        self.console.configure(1 << 16, 2000)
        ports = [self.attach(), self.attach()]
        data = bytes(range(256)) * (pace.MOST // 256) * 2 + b'end'
        self.console.output(data)
        self.assertEqual([pace.MOST] * 2, [len(port.got)
                                               for port in ports])
        self.console.output(b' of it')
        self.assertEqual(2, len(turns))
        while turns:
            turns.pop(0)()
        self.assertEqual([data + b' of it'] * 2, [port.got
                                                  for port in ports])

    def test_what_cannot_wait_comes_before_each_turn_and_key(self) -> None:
        port = self.attach()
        assert port.client is not None
        self.line.polls.clear()
        self.console.output(bytes(2 * pace.MOST))
        self.assertEqual([0], self.line.polls)
        port.client.input(b'a')
        port.client.input(b'b')
        self.assertEqual([0, 0, 1], self.line.polls)

    def test_a_client_that_left_has_no_turn(self) -> None:
        turns: list[Callable[[], None]] = []
        self.console = console.Console(
            self.line, lambda level, text: None, turns.append)
        port = self.attach()
        self.console.output(bytes(pace.MOST + 1))
        assert port.client is not None
        port.client.detach()
        turns.pop()()
        self.assertEqual(pace.MOST, len(port.got))

    def test_late_client_gets_scrollback_then_output(self) -> None:
        self.console.output(b'before ')
        port = self.attach()
        self.console.output(b'after')
        self.assertEqual(b'before after', port.got)

    def test_slow_client_holds_the_line_and_gets_everything(self) -> None:
        slow, quick = self.attach(1), self.attach()
        data = bytes(range(256)) * 256
        self.console.output(data)
        self.assertTrue(self.line.output_paused)
        self.assertEqual(data, quick.got)
        slow.more(1 << 30)
        self.assertFalse(self.line.output_paused)
        self.assertEqual(data, slow.got)
        self.assertEqual([], slow.told)

    def test_progress_keeps_a_slow_client(self) -> None:
        slow = self.attach(1)
        self.console.output(bytes(1 << 17))
        for second in range(20):
            self.console.tick(float(second))
            slow.more(1)
            self.console.output(bytes(1 << 14))     # stays behind
            self.assertTrue(self.line.output_paused)
        self.assertEqual([], slow.told)

    def test_what_waits_for_a_slow_client_is_bounded_by_time(self) -> None:
        slow, quick = self.attach(1), self.attach()
        data = bytes(range(256)) * 256
        self.console.output(data)
        self.console.tick(0.0)
        for number in range(1, 9):      # one poll finds how much it takes
            slow.more(10000 // 8)
            self.console.tick(number / 8)
        assert slow.client is not None and quick.client is not None
        self.assertLess(slow.client.pace.limit, pace.MOST)
        self.assertEqual(slow.client.pace.limit, slow.bounds[-1])
        self.assertEqual([], quick.bounds)
        # It holds up the guest as soon as it lags so far behind.
        slow.more(len(data) - len(slow.got))
        self.assertFalse(self.line.output_paused)
        slow.room = 0
        slow.client.pause_writing()
        self.console.output(bytes(slow.client.pace.limit))
        self.assertFalse(self.line.output_paused)
        self.console.output(b'x')
        self.assertTrue(self.line.output_paused)

    def test_stalled_client_lets_go_and_is_told_exactly(self) -> None:
        stalled, other = self.attach(1), self.attach()
        self.console.output(b'a' * 65536)
        got = len(stalled.got)
        self.console.tick(10.0)
        self.console.tick(11.9)
        self.assertTrue(self.line.output_paused)
        self.console.tick(12.0)
        self.assertFalse(self.line.output_paused)
        self.console.output(b'b' * 5000)
        self.assertEqual(70536, len(other.got))
        stalled.more(1 << 30)
        self.assertEqual(b'b' * 1000, stalled.got[got:])
        self.assertIn(str(70536 - 1000 - got), stalled.told[0])
        # It is a client like any other again.
        stalled.room = 1
        self.console.output(b'c' * 65536)
        self.assertTrue(self.line.output_paused)

    def held_for(self, rate: float, most: float) -> float:
        """For how long the guest waits for a client that reads so fast."""
        slow = console_case.Reader()
        slow.client = self.console.attach(slow, 'client')
        slow.more(1)
        self.console.output(bytes(65536))
        now = 0.0
        while self.line.output_paused and now < most:
            now += 0.25
            slow.read = int(rate * now)
            if slow.read >= len(slow.got):
                slow.more(1)
            # The guest goes on as soon as it may.
            self.console.output(bytes(max(
                0, slow.client.cursor + 65536 - self.console.end)))
            self.console.tick(now)
        return now

    def test_client_that_reads_a_byte_now_and_then_lets_go(self) -> None:
        least = 2.0 + pace.MOST / wire.SERIAL_RATE_LEAST
        self.assertLessEqual(self.held_for(2, 100.0), least + 1)
        self.assertIn('bytes a second', self.logged[0])

    def test_client_that_reads_the_least_is_waited_for(self) -> None:
        self.assertEqual(
            200.0, self.held_for(wire.SERIAL_RATE_LEAST, 200.0))

    def test_client_that_leaves_lets_go(self) -> None:
        slow = self.attach(1)
        self.console.output(bytes(65536))
        assert slow.client is not None
        slow.client.detach()
        slow.client.detach()
        self.assertFalse(self.line.output_paused)

    def test_no_stall_time_means_nobody_waits(self) -> None:
        self.console.configure(1000, 0)
        self.attach(1)
        self.console.output(bytes(1 << 20))
        self.assertFalse(self.line.output_paused)

    def test_replay_of_scrollback_does_not_hold_the_line(self) -> None:
        self.console.configure(100_000, 2000)
        self.console.output(bytes(100_000))
        self.attach(0)
        self.console.output(b'x')
        self.assertFalse(self.line.output_paused)
        self.console.output(bytes(console.REPLAY_SLACK))
        self.assertTrue(self.line.output_paused)


class InputTest(unittest.TestCase):
    """Input: order, room, and clients that leave."""

    def setUp(self) -> None:
        self.line = console_case.Line()
        self.console = console.Console(self.line, lambda level, text: None,
                                       console_case.Turns().later)
        self.ports = [console_case.Port(), console_case.Port()]
        self.clients = [self.console.attach(port, 'c') for port in self.ports]

    def test_order_over_clients_and_breaks(self) -> None:
        self.line.room = 2
        first, second = self.clients
        first.input(b'abc')
        first.send_break()
        second.input(b'de')
        self.assertEqual([b'ab'], self.line.sent)
        self.line.room = 2
        self.console.flush_input()
        self.assertEqual([b'ab', b'c', None, b'd'], self.line.sent)
        self.line.room = 9
        self.console.flush_input()
        self.assertEqual([b'ab', b'c', None, b'd', b'e'], self.line.sent)

    def test_what_those_leave_who_are_gone_is_bounded(self) -> None:
        self.line.room = 0
        self.clients[0].input(b'here')
        for number in range(1000):
            client = self.console.attach(console_case.Port(), 'c')
            client.input(b'%4d' % number * 4096)
            client.detach()
        self.line.room = 1 << 30
        self.console.flush_input()
        sent = b''.join(each or b'' for each in self.line.sent)
        self.assertTrue(sent.startswith(b'here' + b'   0' * 4096 + b'   1'))
        self.assertLess(len(sent), input_queue.LEFT_LIMIT)

    def test_who_is_gone_is_not_kept_for_what_he_left(self) -> None:
        self.line.room = 0
        port = console_case.Port()
        client = self.console.attach(port, 'c')
        client.input(b'last')
        client.detach()
        gone = weakref.ref(port)
        del port, client
        gc.collect()
        self.assertIsNone(gone())

    def test_what_a_key_sends_stays_whole(self) -> None:
        arrows = b'ab' + b'\x1b[A' * 3 + b'\x1b[24~'
        for room in range(3, 16):
            self.line.sent.clear()
            self.line.room = 0
            self.clients[0].input(arrows)
            for _ in range(20):
                self.line.room += room
                self.console.flush_input()
            self.assertEqual(arrows, b''.join(
                each for each in self.line.sent if each))
            if room >= 5:
                for each in self.line.sent:
                    self.assertFalse(each and each.endswith(
                        (b'\x1b', b'\x1b[', b'\x1b[2', b'\x1b[24')), each)

    def test_what_was_typed_before_leaving_is_sent(self) -> None:
        self.line.room = 0
        self.clients[0].input(b'last')
        self.clients[0].detach()
        self.line.room = 9
        self.console.flush_input()
        self.assertEqual([b'last'], self.line.sent)

    def test_a_flood_is_held_until_all_of_it_is_sent(self) -> None:
        self.line.room = 0
        self.clients[0].input(b'x' * input_queue.INPUT_LIMIT)
        self.assertTrue(self.ports[0].reading)
        self.clients[0].input(b'y')
        self.assertFalse(self.ports[0].reading)
        self.assertTrue(self.ports[1].reading)
        self.line.room = input_queue.INPUT_LIMIT
        self.console.flush_input()
        self.assertFalse(self.ports[0].reading)
        self.line.room = 1
        self.console.flush_input()
        self.assertTrue(self.ports[0].reading)

    def test_keys_are_kept_together(self) -> None:
        """Each of them may have come alone, and takes memory then."""
        self.line.room = 0
        for byte in b'abc':
            self.clients[0].input(bytes([byte]))
        self.clients[0].send_break()
        self.clients[0].input(b'd')
        self.line.room = 9
        self.console.flush_input()
        self.assertEqual([b'abc', None, b'd'], self.line.sent)

    def test_keys_of_two_in_turns_are_held(self) -> None:
        self.line.room = 0
        for _ in range(input_queue.PIECES_LIMIT):
            for client in self.clients:
                client.input(b'x')
        self.assertTrue(self.ports[0].reading)
        self.clients[0].input(b'x')
        self.assertFalse(self.ports[0].reading)
        self.line.room = 1 << 20
        self.console.flush_input()
        self.assertTrue(self.ports[0].reading)

    def test_breaks_without_end_are_not_kept(self) -> None:
        """A client that is held back can ask for them all the same."""
        self.line.breaks = False
        for _ in range(1000):
            self.clients[0].send_break()
        self.assertFalse(self.ports[0].reading)
        self.assertEqual([notices.NO_BREAK], self.ports[0].told)
        self.line.breaks = True
        self.console.flush_input()
        self.assertLess(len(self.line.sent), 100)
        self.assertTrue(self.ports[0].reading)
        self.line.sent.clear()
        self.clients[0].send_break()
        self.assertEqual([None], self.line.sent)
