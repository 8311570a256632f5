# SPDX-License-Identifier: Apache-2.0
"""Notices, at their place in the output."""

import unittest
from typing import Any

from nova_dmore.domr import notices
from nova_dmore.domr.terminal import rules
from nova_dmore.domr.terminal import stream
from nova_dmore import wire

State = wire.InstanceState


class GapTest(unittest.TestCase):
    """What of a gap stands in the clients' stream of bytes."""

    def _notice(self, stream: Any = 'serial0_out', count: Any = 5,
                kind: Any = 'exact') -> str | None:
        return notices.of_gap({'type': 'gap', 'stream': stream, 'at': 0,
                                'bytes': count, 'kind': kind, 'reason': 'x'})

    def test_missing(self) -> None:
        self.assertEqual('5 bytes of output are missing', self._notice())
        self.assertEqual('5 bytes of input did not arrive',
                         self._notice('serial0_in'))

    def test_nobody_knows(self) -> None:
        for count in (None, 5):
            self.assertEqual('output may be missing',
                             self._notice(count=count, kind='unknown'))
        self.assertEqual('input may not have arrived',
                         self._notice('serial0_in', None, 'unknown'))
        self.assertEqual('output may be missing', self._notice(count=None))

    def test_perhaps_nothing_is_missing(self) -> None:
        self.assertIsNone(self._notice(kind='ambiguous'))
        self.assertIsNone(self._notice('serial0_in', 1, 'ambiguous'))

    def test_no_console_or_nonsense(self) -> None:
        self.assertIsNone(self._notice('control_to_host'))
        self.assertIsNone(self._notice(kind='\x1b[2J'))
        self.assertIsNone(self._notice(None, None, None))
        self.assertEqual('output may be missing', self._notice(count='\x1b'))


class NoticesTest(unittest.TestCase):

    def setUp(self) -> None:
        self.shown: list[str | bytes] = []
        self.stream = stream.TerminalStream()
        self.notices = notices.Notices(
            self.stream, self.shown.append, self.shown.append)

    def _prints(self, data: bytes) -> None:
        self.stream.feed(data, rules.Policy.ALL)

    def test_without_a_terminal_at_once(self) -> None:
        notices.Notices(None, self.shown.append, self.shown.append).put(
            'a', 9, 0)
        self.assertEqual(['a'], self.shown)

    def test_in_its_place(self) -> None:
        self.notices.put('a', 5, 3)
        self.assertEqual(5, self.notices.next_after(3))
        self.notices.show(4)
        self.assertEqual([], self.shown)
        self.notices.show(5)
        self.assertEqual(['a'], self.shown)
        self.assertIsNone(self.notices.next_after(5))

    def test_in_the_order_of_their_places(self) -> None:
        self.notices.put('later', 9, 3)
        self.notices.put('sooner', 5, 3)
        self.notices.put('again', 5, 3)
        self.assertEqual(5, self.notices.next_after(3))
        self.notices.show(5)
        self.assertEqual(['sooner', 'again'], self.shown)
        self.notices.show(9)
        self.assertEqual(['sooner', 'again', 'later'], self.shown)

    def test_not_inside_a_character_or_a_sequence(self) -> None:
        for first, rest in ((b'\xc3', b'\xa4'), (b'\x1b[3', b'1m'),
                            (b'\x1b]0;ti', b'tle\x07')):
            self.shown.clear()
            self._prints(first)
            self.notices.put('a', 0, 0)
            self.assertEqual([], self.shown)
            self._prints(rest)
            self.notices.show(0)
            self.assertEqual(['a'], self.shown)

    def test_not_for_ever(self) -> None:
        self._prints(b'\x1b]0;ti')
        self.notices.put('a', 0, 0)
        self.notices.tick(0, 10.0)
        self.notices.tick(0, 10.9)
        self.assertEqual([], self.shown)
        self.notices.tick(0, 11.0)
        self.assertEqual([b'\x18', 'a'], self.shown)

    def test_the_time_counts_from_its_place_on(self) -> None:
        self._prints(b'\xc3')
        self.notices.put('a', 5, 0)
        self.notices.tick(0, 10.0)
        self.notices.tick(0, 20.0)
        self.notices.tick(5, 21.0)
        self.assertEqual([], self.shown)
        self.notices.tick(5, 22.0)
        self.assertEqual([b'', 'a'], self.shown)

    def test_not_any_number(self) -> None:
        self._prints(b'\xc3')
        for _ in range(100):
            self.notices.put('a', 0, 0)
        self.assertGreater(len(self.shown), 50)

    def test_who_takes_no_output_is_kept_the_last_ones(self) -> None:
        for number in range(1000):
            self.notices.put(str(number), number, 0)
        self.notices.show(1000)
        self.assertEqual('999', self.shown[-1])
        self.assertLess(len(self.shown), 100)

    def test_states(self) -> None:
        said = {state: notices.of_state(state) for state in State}
        self.assertIsNone(said.pop(State.RUNNING))
        for state, text in said.items():
            self.assertIn('the instance ', text or '')
            self.assertEqual(state is not State.REBOOTING, bool(
                notices.of_state(State.RUNNING, state)))
        self.assertIsNone(notices.of_state(None))
        self.assertIsNone(notices.of_state(State.RUNNING, None))
