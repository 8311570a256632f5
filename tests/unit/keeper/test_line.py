# SPDX-License-Identifier: Apache-2.0
"""The keeper's part of the serial port: its gate, and its ends."""

import contextlib
import os
import socket

from nova_dmore.keeper import line
from nova_dmore.keeper import qemu_end
from nova_dmore.keeper import pace
from nova_dmore.keeper import peers
from nova_dmore.link import messages
from nova_dmore.posix import fifos
from nova_dmore.posix import pipes
from tests.unit.keeper import line_case

Gate = line.Gate


class GateTest(line_case.LineCase):

    def test_nothing_passes_before_it_runs(self):
        os.write(self.output, b'a')
        self.types(b'b')
        self.assertEqual(b'', self.received())
        self.assertEqual(0, self.unread())
        self.runs()
        self.assertEqual(b'a', self.received())
        self.assertEqual(1, self.unread())

    def test_one_that_is_paused_may_finish_what_it_says(self):
        self.runs()
        self.line.event('STOP', self.loop.time())
        self.line.status(True, 'paused', False)
        os.write(self.output, b'a')
        self.types(b'b')
        self.assertEqual(b'a', self.received())
        self.assertEqual(0, self.unread())

    def test_what_it_said_last_is_heard_before_each_move(self):
        self.runs()
        self.line.leaving(True)
        self.said.append('STOP')
        os.write(self.output, b'a')
        self.assertEqual(b'', self.received())
        self.assertIs(Gate.HELD, self.line.gate)
        self.assertEqual(1, self.printed())

    def test_input_too(self):
        self.runs()
        self.line.leaving(True)
        self.said.append('STOP')
        self.types(b'a')
        self.assertEqual(0, self.unread())
        self.assertEqual(1, self.line.totals()['written'])

    def test_one_that_arrives(self):
        self.line.status(True, 'inmigrate', True)
        os.write(self.output, b'a')
        self.assertEqual(b'', self.received())
        self.line.status(True, 'paused', True)
        self.assertEqual(b'', self.received())
        self.line.event('RESUME', self.loop.time())
        self.line.status(True, 'running', True)
        self.assertEqual(b'a', self.received())

    def test_one_that_arrives_paused(self):
        self.line.status(True, 'inmigrate', True)
        os.write(self.output, b'a')
        self.line.adopted()
        self.assertEqual(b'a', self.received())
        self.assertIs(Gate.OUTPUT, self.line.gate)

    def test_one_that_does_not_arrive(self):
        """It says elsewhere what it said here before it ran."""
        self.line.status(True, 'inmigrate', True)
        os.write(self.output, b'a')
        self.line.status(False, None, True)
        self.assertEqual(0, self.printed())
        self.line.status(True, 'inmigrate', True)
        self.line.status(True, 'running', True)
        self.assertEqual(b'', self.received())

    def test_one_that_ends(self):
        self.runs()
        self.types(b'abc')
        os.write(self.output, b'last')
        self.line.status(False, None, False)
        self.assertEqual(b'last', self.received())
        self.assertEqual(0, self.unread())
        self.types(b'late')     # while it is off
        self.line.status(False, None, False)
        self.assertEqual({'written': 7, 'read': 4, 'dropped': 0},
                         self.line.totals())
        self.runs()
        self.assertEqual(0, self.unread())

    def test_what_was_typed_before_the_end_is_not_the_next_ones(self):
        self.runs()
        self.stops()
        self.types(b'old')
        self.line.status(False, None, False)
        self.line.leaving(False)
        self.line.status(True, 'prelaunch', False)
        self.runs()
        self.types(b'new')
        self.assertEqual(b'new', os.read(self.input, 10))

    def test_one_that_is_confused_keeps_what_it_may_read(self):
        self.runs()
        self.types(b'abc')
        self.line.status(False, 'confused', False)
        self.assertEqual(3, self.unread())

    def test_saving_for_a_suspend_is_no_migration(self):
        self.runs()
        self.line.event('STOP', self.loop.time())
        self.line.status(True, 'paused', False)
        self.saves()
        self.line.event(messages.SAVED, self.loop.time())
        self.assertIs(Gate.OUTPUT, self.line.gate)
        self.assertEqual([], self.counts)

    def test_full_in_both_directions(self):
        self.runs()
        for _ in range(qemu_end.OUTPUT_ROOM):
            os.write(self.output, b'a')
        self.assertRaises(BlockingIOError, os.write, self.output, b'a')
        self.assertEqual(qemu_end.OUTPUT_ROOM, len(self.received()))
        self.types(bytes(1 << 16))
        self.types(bytes(1 << 16))
        while self.loop.turn() and self.unread() < 1 << 16:
            pass
        self.assertEqual(1 << 16, self.unread())
        os.read(self.input, 1 << 16)
        for _ in range(5):
            self.loop.turn()
        self.assertEqual(1 << 16, self.unread())


class RoomTest(line_case.LineCase):

    def test_more_than_fits_waits_for_a_keeper(self):
        fifos.make_room(self.output)
        os.write(self.output, bytes(100000))
        self.line.make_room()
        other = line.Line(self.loop, self.directory, self.hear, self.tell)
        self.assertFalse(other._qemu._fits)
        self.line = other
        self.runs()
        count = 0
        while data := self.received():
            count += len(data)
        self.assertEqual(100000, count)
        os.write(self.output, bytes(qemu_end.OUTPUT_ROOM))
        self.assertRaises(BlockingIOError, os.write, self.output, b'a')

    def test_worker_that_is_slow_gets_less_at_once(self):
        self.runs()
        self.assertEqual(pace.LEAST, self.moves(slowness=0.05)[-1])
        self.assertGreater(max(self.moves(slowness=0.001)[-3:]), 2000)

    def moves(self, slowness):
        """-> sizes of what a worker gets at once that is so slow."""
        sizes = []
        for _ in range(80):
            for _move in range(2):
                with contextlib.suppress(BlockingIOError):
                    while True:
                        os.write(self.output, bytes(10))
                self.loop.turn()
            self.loop.run(slowness)
            with contextlib.suppress(BlockingIOError):
                sizes.append(len(os.read(self.line.descriptors[1], 1 << 16)))
        return sizes


class RestTest(line_case.LineCase):

    rest_s = 0.004

    def setUp(self):
        super().setUp()
        self.runs()

    def says(self, data):
        os.write(self.output, data)
        return self.received()

    def test_what_comes_together_passes_together(self):
        self.assertEqual(b'a', self.says(b'a'))
        self.assertEqual(b'', self.says(b'b'))
        self.assertEqual(b'', self.says(b'c'))
        self.loop.run(self.rest_s)
        self.assertEqual(b'bc', self.received())

    def test_the_first_after_a_silence_does_not_wait(self):
        for each in (b'a', b'b', b'c'):
            self.assertEqual(each, self.says(each))
            self.loop.run(0.01)

    def test_much_does_not_wait(self):
        for _ in range(5):
            self.assertEqual(2000, len(self.says(bytes(2000))))

    def test_the_stop_does_not_wait(self):
        self.says(b'a')
        os.write(self.output, b'last')
        self.stops()
        self.line.event(messages.SAVED, self.loop.time())
        self.assertEqual((5, True), self.last('output', 'final'))
        self.assertEqual(b'last', self.received())

    def test_it_has_one_timer(self):
        for _ in range(50):
            self.says(b'a')
            self.loop.run(self.rest_s / 3)
        self.assertLessEqual(len(
            [each for each in self.loop.timers if each.callback]), 1)


class SocketTest(line_case.LineCase):
    """An instance that was started by 0.1."""

    def setUp(self):
        super().setUp()
        ours, self.socket = socket.socketpair()
        self.addCleanup(self.socket.close)
        self.socket.setblocking(False)
        self.runs()
        self.line.connect(ours)

    def pass_on(self):
        for _ in range(5):
            self.loop.turn()
            self.loop.run(0.01)

    def test_a_second_one_is_refused_while_the_first_lives(self):
        ours, theirs = socket.socketpair()
        self.addCleanup(theirs.close)
        self.assertRaises(peers.RefusedError, self.line.connect, ours)
        self.socket.send(b'a')
        self.assertEqual(b'a', self.received())
        self.socket.close()
        self.line.connect(ours)
        theirs.send(b'b')
        self.assertEqual(b'b', self.received())

    def test_output(self):
        self.socket.send(b'abc')
        self.assertEqual(b'abc', self.received())

    def test_input_goes_byte_by_byte(self):
        self.types(b'abc')
        self.pass_on()
        counted = self.line.descriptors[2]
        self.assertEqual(1, pipes.unread(counted))
        for each in (b'a', b'b', b'c'):
            self.assertEqual(each, self.socket.recv(5))
            self.pass_on()
        self.assertEqual(0, pipes.unread(counted))

    def test_at_the_stop(self):
        self.types(b'ab')
        self.pass_on()
        self.stops()
        self.socket.send(b'last')
        self.saves()
        self.line.event(messages.SAVED, self.loop.time())
        # The other one is still the worker's.
        self.assertEqual((4, 1, True), self.last('output', 'unread', 'final'))
        self.assertEqual(b'last', self.received())

    def test_it_hangs_up(self):
        self.socket.send(b'last')
        self.socket.close()
        self.assertEqual(b'last', self.received())
        self.received()
        os.write(self.output, b'a')
        self.assertEqual(b'a', self.received())
        self.types(b'xy')
        self.assertEqual(2, pipes.unread(self.moves_to[-1]))

    def test_out_of_band_byte_is_output(self):
        self.socket.send(b'a')
        self.socket.send(b'x', socket.MSG_OOB)
        self.assertEqual(b'ax', self.received() + self.received())
        self.assertFalse(self.loop.turn())

    def test_one_that_takes_no_input_any_more(self):
        self.socket.shutdown(socket.SHUT_RD)
        self.types(b'abc')
        self.pass_on()
        self.assertFalse(self.line._qemu.has_socket)
        # Nothing turns for ever.
        os.read(self.input, 10)
        self.assertFalse(self.loop.turn() and self.loop.turn())

    def test_it_has_one_timer(self):
        self.types(b'ab')
        for _ in range(50):
            self.socket.send(b'x')
            self.received()
        self.assertEqual(1, len([
            each for each in self.loop.timers if each.callback]))
