# SPDX-License-Identifier: Apache-2.0
"""Every fault in the output is found, and counted."""

import json
import random
import unittest
import zlib

from tests.unit import tools  # noqa: F401  (finds the imports below)
from laboratory.users import transcript
from guest import protocol

READY = b'READY dmore-echo-print\r\n'


class Guest:
    """Prints what the guest would."""

    def __init__(self, seed: int = 1) -> None:
        self._chance = random.Random(seed)
        self.printed = b''
        self.lines = 0
        self.keys = [0, 0]

    def print_some(self, count: int) -> bytes:
        made = b''
        for _ in range(count):
            if self._chance.random() < 0.1:
                typist = self._chance.randrange(2)
                number = self.keys[typist]
                made += protocol.answer(typist, number,
                                        protocol.key(number, typist))
                self.keys[typist] += 1
            else:
                made += protocol.line(self.lines)
                self.lines += 1
        self.printed += made
        return made

    def ledger(self) -> bytes:
        content = {'lines': self.lines, 'bytes': len(self.printed),
                   'crc32': f'{zlib.crc32(self.printed):08x}', 'foreign': 0,
                   'typists': [{'received': keys} for keys in self.keys]}
        made = b'LEDGER %s\r\n' % json.dumps(content).encode()
        self.printed += made
        return made


class TranscriptTest(unittest.TestCase):

    def setUp(self):
        super().setUp()
        self.guest = Guest()
        self.seen = transcript.Transcript('dmore-echo-print')
        self.seen.feed(b'some greeting\r\nguest:~# ' b'\r\n' + READY)

    def ledger(self) -> transcript.Ledger:
        found = self.seen.feed(self.guest.ledger())
        self.assertIsInstance(found[-1], transcript.Ledger)
        return found[-1]

    def assert_faults(self, missing: int, duplicated: int) -> None:
        ledger = self.ledger()
        self.assertEqual((missing, duplicated),
                         (ledger.missing, ledger.duplicated))
        # And nothing of it is counted a second time.
        self.seen.feed(self.guest.print_some(50))
        self.assertEqual(ledger.missing, self.ledger().missing)
        self.assertEqual(ledger.duplicated, self.seen.duplicated)

    def test_all_of_it_in_any_pieces(self):
        chance = random.Random(3)
        data = self.guest.print_some(500) + self.guest.ledger()
        answers = []
        while data:
            size = chance.randrange(1, 200)
            answers += self.seen.feed(data[:size])
            data = data[size:]
        self.assertEqual(
            sum(self.guest.keys),
            sum(isinstance(x, transcript.Answer) for x in answers))
        self.assert_faults(0, 0)
        self.assertEqual(b'', self.seen.odd)

    def test_nothing_counts_before_the_helper_runs(self):
        seen = transcript.Transcript('dmore-echo-print')
        seen.feed(protocol.line(7) + b'rubbish\r\n' + READY)
        seen.feed(protocol.line(0))
        self.assertEqual((0, 0, 1),
                         (seen.missing, seen.duplicated, seen.lines))

    def lines(self, count: int) -> bytes:
        made = b''.join(protocol.line(self.guest.lines + n)
                        for n in range(count))
        self.guest.lines += count
        self.guest.printed += made
        return made

    def test_bytes_cut_out_of_lines(self):
        chance = random.Random(4)
        for length in (1, 2, 59, 60, 61, 500):
            data = self.lines(40)
            at = chance.randrange(100, len(data) - length - 100)
            before = self.seen.missing
            self.seen.feed(data[:at] + data[at + length:] + self.lines(1))
            self.assertEqual(before + length, self.ledger().missing, length)
            self.assertEqual(0, self.seen.duplicated, length)

    def test_bytes_that_come_twice(self):
        data = self.lines(40)
        self.seen.feed(data[:1010] + data[1000:])
        self.assert_faults(0, 10)

    def test_lines_that_come_twice(self):
        data = self.lines(40)
        self.seen.feed(data + data[-3 * protocol.LINE_LENGTH:])
        self.assert_faults(0, 3 * protocol.LINE_LENGTH)

    def test_a_changed_byte(self):
        data = bytearray(self.lines(40))
        data[1234] ^= 1
        self.seen.feed(bytes(data))
        self.seen.feed(self.lines(1))
        self.assert_faults(1, 1)

    def test_an_answer_that_is_missing(self):
        made = protocol.answer(0, 0, ord('a'))
        self.guest.printed += made
        self.guest.keys[0] += 1
        self.seen.feed(self.lines(3))
        self.assert_faults(len(made), 0)

    def test_the_last_lines_before_the_ledger_are_missing(self):
        self.seen.feed(self.lines(5)[:-100])
        self.assertEqual(100, self.ledger().missing)

    def test_lines_in_another_order(self):
        answer = protocol.answer(1, 0, ord('A'))
        self.guest.keys[1] += 1
        self.guest.printed += answer
        self.seen.feed(self.lines(1) + answer)
        ledger = self.ledger()
        self.assertEqual((1, 1), (ledger.missing, ledger.duplicated))

    def test_a_huge_hole(self):
        self.seen.feed(self.lines(3))
        self.lines(5000)
        self.seen.feed(self.lines(1))
        self.assert_faults(5000 * protocol.LINE_LENGTH, 0)

    def test_foreign_text_is_kept(self):
        self.seen.feed(self.lines(2) + b'[   5.1] Oops: 0000\r\n'
                       + self.lines(2))
        self.assertEqual(b'[   5.1] Oops: 0000\r\n', self.seen.odd)
        self.assert_faults(0, 21)

    def test_notices_are_no_output(self):
        self._check_notice(b'\r\n[nova-dmore: the instance is migrating to '
                           b'another host]\r\n')
        # These come one after the other.
        self._check_notice(b''.join(
            b'\r\n[nova-dmore: %d bytes of input did not arrive]\r\n' % count
            for count in (1, 1, 35)))

    def _check_notice(self, notice):
        text = self.guest.print_some(40)
        for at in range(len(text) - 300, len(text)):
            with self.subTest(at=at):
                self.setUp()
                self.seen.feed(self.guest.print_some(40))
                whole = self.guest.print_some(10)
                cut = at % (len(whole) + 1)
                whole = whole[:cut] + notice + whole[cut:]
                for piece in (whole[:cut + 7], whole[cut + 7:]):
                    self.seen.feed(piece)
                told = self.ledger()
                self.assertEqual((0, 0), (told.missing, told.duplicated))

    def test_any_other_notice_is_counted(self):
        self.seen.feed(self.guest.print_some(10) + b'[nova-dmore: 7 bytes]\r\n'
                       + self.guest.print_some(10))
        self.assertEqual(23, self.ledger().duplicated)

    def test_scroll_back_after_a_drop_is_not_counted_again(self):
        old = self.lines(40)
        self.seen.feed(old[:-30])
        self.seen.dropped()
        self.seen.feed(b'greeting\r\n' + old[777:] + self.lines(4))
        self.assertIs(transcript.State.FOLLOWING, self.seen.state)
        self.assert_faults(0, 0)

    def test_what_was_printed_between_two_sessions_is_missing(self):
        self.seen.feed(self.lines(40))
        self.seen.dropped()
        self.lines(7)
        self.seen.feed(self.lines(4))
        self.assert_faults(7 * protocol.LINE_LENGTH, 0)
