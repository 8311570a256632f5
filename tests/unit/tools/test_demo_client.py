# SPDX-License-Identifier: Apache-2.0
"""A user at the guest's helper, with and without faults between them."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest
from unittest import mock

from tests.unit import tools  # noqa: F401  (finds the imports below)
from laboratory.users import client
from laboratory.users import keyclock
from laboratory.users import typist
from guest import protocol
from tests.unit.tools import test_guest_protocol


class PipeSession:
    """The helper's terminal; it can lose keys, and be cut."""

    def __init__(self, program: pathlib.Path) -> None:
        self.process = subprocess.Popen(
            [program, '--rate', '200'], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, bufsize=0)
        self.lose = 0
        self.cut = self.silent = False

    def receive(self) -> bytes:
        while not self.cut:
            data = os.read(self.process.stdout.fileno(), 4096)
            if not self.silent:
                return data
        return b''

    def send(self, data: bytes) -> None:
        if self.cut:
            raise BrokenPipeError
        if self.lose and data != bytes([protocol.ASK]):
            self.lose -= 1
            return
        self.process.stdin.write(data)

    def close(self) -> None:
        self.cut = True

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


@unittest.skipUnless(shutil.which('gcc'), 'no C compiler')
class ClientTest(unittest.TestCase):

    def setUp(self):
        super().setUp()
        folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)
        test_guest_protocol.compile_guest(folder)
        self.session = PipeSession(folder / client.PROGRAM)
        self.addCleanup(self.session.end)
        self.said: list[str] = []
        #: So many sessions to come say nothing.
        self.mute = 0
        self.user = client.Client('user', 1, self.open, self.said.append)
        self.addCleanup(self.user.close)
        self.assertTrue(self.user.wait_ready(10))

    def open(self) -> PipeSession:
        self.session.cut = False
        self.session.silent = self.mute > 0
        self.mute -= 1
        return self.session

    def ask(self):
        self.user.pause()
        self.user.wait_answers(2)
        number = self.user.ledgers
        self.user.write(bytes([protocol.ASK]))
        ledger = self.user.wait_ledger(number, 10)
        self.assertIsNotNone(ledger)
        return ledger.content['typists'][1], self.user.tally(ledger)

    def wait_sent(self, count: int) -> None:
        with contextlib.ExitStack() as stack:
            stack.callback(self.user.pause)
            self.user.type_on()
            while self.user.tally().sent < count:
                self.user.wait_ledger(10, 0.01)

    def test_all_is_well(self):
        self.wait_sent(12)
        ledger, tally = self.ask()
        self.assertEqual((tally.sent, 0), (ledger['received'],
                                           ledger['lost']))
        self.assertEqual(typist.Tally(tally.sent, 0, 0, 0.0, 0, 0), tally)
        self.assertGreater(self.user.worst_response_ms(), 0)
        self.assertEqual(self.user.responses_ms(), [
            (answered - sent) * 1000
            for sent, answered in self.user.responses()])
        self.assertGreater(self.user.received, ledger['received'])
        self.assertEqual([], self.said)

    def test_keys_that_are_lost_on_the_way(self):
        self.wait_sent(5)
        self.session.lose = 3
        self.wait_sent(14)
        ledger, tally = self.ask()
        self.assertEqual(3, tally.sent - ledger['received'])
        self.assertEqual(3, ledger['lost'])

    def test_output_that_the_console_did_not_wait_with(self):
        self.assertEqual(0, self.user.skipped)
        notice = ('\r\n[nova-dmore: %d bytes of output are missing here: '
                  'this client was too slow]\r\n')
        for number in (12, 30):
            self.user._take((notice % number).encode(), 0.0)
        self.assertEqual(42, self.user.skipped)

    def test_a_cut_session_is_opened_again(self):
        self.wait_sent(5)
        self.session.cut = True
        self.wait_sent(12)
        self.assertTrue(self.user.wait_connected(10))
        ledger, tally = self.ask()
        self.assertEqual(1, tally.disconnects)
        self.assertGreater(tally.break_s, 0)
        self.assertEqual(tally.sent - tally.unsent, ledger['received'])

    def test_a_console_that_says_nothing_is_opened_once_more(self):
        self.wait_sent(5)
        with mock.patch.object(typist, '_FIRST_OUTPUT_S', 0.2):
            self.mute = 2
            self.session.cut = True
            self.wait_sent(12)
            self.assertTrue(self.user.wait_connected(10))
        self.assertEqual(-1, self.mute)
        self.assertEqual(1, self.user.tally().disconnects)

    def test_a_console_that_is_silent_gets_only_so_many_keys(self):
        self.wait_sent(5)
        self.user.key_s = 0.001
        self.session.silent = True
        with (mock.patch.object(typist, '_UNSENT', 20),
                mock.patch.object(typist, '_SILENT_S', 0.2)):
            self.user.type_on()
            self.user.wait_ledger(10, 1)
            sent = self.user.tally().sent
            self.user.wait_ledger(10, 0.5)
            self.assertEqual(sent, self.user.tally().sent)
            self.user.pause()
        self.assertLess(20, sent)

    def test_a_console_that_stays_away_gets_only_so_many_keys(self):
        self.wait_sent(5)
        self.user.key_s = 0.001
        with mock.patch.object(self, 'open', side_effect=OSError) as closed, (
                mock.patch.object(typist, '_UNSENT', 20)):
            self.user._open = closed
            self.session.cut = True
            self.user.type_on()
            self.user.wait_ledger(10, 1)
            self.user.pause()
            self.assertLess(15, self.user.tally().unsent)
            self.assertLess(self.user.tally().unsent, 30)
        self.user._open = self.open
        self.assertTrue(self.user.wait_connected(10))
        self.wait_sent(self.user.tally().sent + 5)
        ledger, tally = self.ask()
        self.assertEqual(tally.sent - tally.unsent, ledger['received'])


class KeyClockTest(unittest.TestCase):

    def test_the_longest_response(self):
        clock = keyclock.KeyClock()
        clock.sent(0, 1, 10.0)
        clock.sent(1, 2, 10.1)
        clock.answered(1, 10.2)
        clock.answered(2, 10.6)
        self.assertAlmostEqual(0.5, clock.worst_s)
        clock.restart()
        self.assertEqual((0, 0.0), (clock.waiting, clock.worst_s))

    def test_a_lost_key_is_no_long_response(self):
        clock = keyclock.KeyClock()
        clock.sent(0, 1, 10.0)
        clock.sent(1, 2, 20.0)
        clock.answered(2, 20.1)
        self.assertAlmostEqual(0.1, clock.worst_s)
        self.assertEqual(0, clock.waiting)

    def test_all_keys_below_a_number(self):
        clock = keyclock.KeyClock()
        for number in (4, 5, 7):
            clock.sent(number, 1, 10.0 + number)
        clock.answered_before(6, 17.0)
        self.assertEqual([3.0, 2.0], clock.responses_s)
        self.assertEqual(1, clock.waiting)

    def test_an_answer_to_nothing(self):
        clock = keyclock.KeyClock()
        clock.answered(1, 1.0)
        self.assertEqual(0.0, clock.worst_s)
