# SPDX-License-Identifier: Apache-2.0
"""The guest's programs in C and protocol.py say and count the same."""

import itertools
import json
import pathlib
import random
import shutil
import subprocess
import tempfile
import unittest
import zlib

from tests.unit import tools
from guest import protocol


def compile_guest(folder: pathlib.Path) -> None:
    sources = sorted((tools.TOOLS / 'guest' / 'src').glob('*.c'))
    subprocess.run(['gcc', '-O1', '-Wall', '-Wextra', '-Werror', '-o',
                    folder / 'dmore-guest', *sources], check=True)
    for name in ('dmore-count-in', 'dmore-print', 'dmore-echo-print',
                 'dmore-screen', 'dmore-take'):
        (folder / name).symlink_to('dmore-guest')


@unittest.skipUnless(shutil.which('gcc'), 'no C compiler')
class GuestTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = pathlib.Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        compile_guest(cls.folder)

    def run_guest(self, name: str, typed: bytes, *arguments: str
                  ) -> list[bytes]:
        done = subprocess.run([self.folder / name, *arguments], input=typed,
                              capture_output=True, check=True, timeout=20)
        return done.stdout.splitlines(keepends=True)

    def ledger(self, typed: bytes) -> dict:
        *_others, last = self.run_guest('dmore-count-in', typed + b'\x04')
        return json.loads(last.removeprefix(b'LEDGER '))

    def check(self, typed: bytes) -> dict:
        """Have both count, and compare; return what the guest says."""
        said = self.ledger(typed)
        for typist, counts in enumerate(said['typists']):
            own = protocol.KeyLedger(typist)
            for value in typed:
                if protocol.typist_of(value) == typist:
                    own.feed(value)
            own.finish()
            self.assertEqual(
                {name: getattr(own, name) for name in (
                    'received', 'lost', 'duplicated', 'reordered', 'foreign')}
                | {'last': own.highest},
                {name: counts[name] for name in (
                    'received', 'lost', 'duplicated', 'reordered', 'foreign',
                    'last')})
        return said

    def test_a_whole_period_of_two_typists(self):
        typed = bytes(protocol.key(number, typist)
                      for number in range(protocol.PERIOD + 10)
                      for typist in (0, 1))
        for counts in self.check(typed)['typists']:
            self.assertEqual(protocol.PERIOD + 10, counts['received'])
            self.assertEqual(0, counts['lost'])

    def test_lost_keys_of_one_are_not_lost_by_the_other(self):
        typed = bytes(protocol.key(number, typist)
                      for number in range(400) for typist in (0, 1)
                      if typist == 0 or not 100 <= number < 173)
        lost = [counts['lost'] for counts in self.check(typed)['typists']]
        self.assertEqual([0, 73], lost)

    def test_faults_at_random_places(self):
        chance = random.Random(7)
        for _ in range(30):
            keys = [protocol.key(number) for number in range(500)]
            for _fault in range(chance.randrange(4)):
                at = chance.randrange(5, 450)
                length = chance.randrange(1, 20)
                keys[at:at + length] = chance.choice((
                    [], keys[at:at + length] * 2,
                    list(reversed(keys[at:at + length]))))
            self.check(bytes(keys))

    def test_a_byte_of_nobody_is_foreign(self):
        self.assertEqual(1, self.ledger(b'ab\rc')['foreign'])

    def test_lines_and_answers(self):
        typed = b'abA\x04'
        ready, *lines, last = self.run_guest('dmore-echo-print', typed)
        self.assertEqual(b'READY dmore-echo-print\r\n', ready)
        answers = [line for line in lines if line.startswith(b'K')]
        self.assertEqual([protocol.answer(0, 0, ord('a')),
                          protocol.answer(0, 1, ord('b')),
                          protocol.answer(1, 0, ord('A'))], answers)
        numbered = [line for line in lines if line.startswith(b'L')]
        self.assertEqual([protocol.line(n) for n in range(len(numbered))],
                         numbered)
        said = json.loads(last.removeprefix(b'LEDGER '))
        self.assertEqual(sum(map(len, lines)), said['bytes'])
        self.assertEqual(zlib.crc32(b''.join(lines)), int(said['crc32'], 16))

    def rows(self, typed: bytes, row: int) -> list[bytes]:
        """What ``dmore-screen`` writes into a row, one after the other."""
        done = subprocess.run([self.folder / 'dmore-screen'], input=typed,
                              capture_output=True, check=True, timeout=20)
        begin = b'\x1b7\x1b[%d;1H' % row
        return [part.partition(b'\x1b8')[0]
                for part in done.stdout.split(begin)[1:]]

    def test_the_screen_tells_which_key_is_next(self):
        typed = bytes(map(protocol.key, range(100)))
        self.assertEqual(
            [protocol.screen_row(protocol.SCREEN_NEXT_ROW, [number])
             for number in range(101)],
            self.rows(typed, protocol.SCREEN_NEXT_ROW))

    def test_the_screen_tells_the_ledger(self):
        keys = bytes(map(protocol.key, range(100)))
        typed = (keys[:40] + keys[37:50] + keys[53:] + b'A'
                 + bytes([protocol.ASK, protocol.ASK]))
        expected = [protocol.screen_row(
            protocol.SCREEN_LEDGER_ROW, [asked, 100, 100, 3, 3, 0, 1])
            for asked in (1, 2, 3)]
        self.assertEqual(expected,
                         self.rows(typed, protocol.SCREEN_LEDGER_ROW))


class AlphabetTest(unittest.TestCase):

    def test_three_keys_tell_the_number(self):
        for typist in (0, 1):
            keys = [protocol.key(number, typist)
                    for number in range(protocol.PERIOD + 2)]
            triples = list(zip(keys, keys[1:], keys[2:]))
            self.assertEqual(protocol.PERIOD, len(set(triples)))

    def test_alphabets_share_nothing(self):
        every = list(itertools.chain(*protocol.ALPHABETS))
        self.assertEqual(2 * protocol.PRIME, len(set(every)))
        self.assertIsNone(protocol.typist_of(protocol.ASK))
