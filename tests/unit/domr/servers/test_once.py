# SPDX-License-Identifier: Apache-2.0
"""Log lines that peers can cause."""

import unittest
from collections.abc import Callable

from nova_dmore.domr.servers import once


class OnceTest(unittest.TestCase):

    def setUp(self) -> None:
        self.said: list[str] = []
        self.ends: list[Callable[[], None]] = []
        self.log = once.Once(lambda level, text: self.said.append(text),
                             self._later)

    def _later(self, seconds: float, end: Callable[[], None]) -> None:
        self.assertEqual(once.PERIOD_S, seconds)
        self.ends.append(end)

    def _end(self) -> list[str]:
        """A period ends; what is said then."""
        del self.said[:]
        self.ends.pop(0)()
        return self.said

    def test_once_and_then_how_often(self) -> None:
        for number in range(3):
            self.log.say('a', 'info', f'x{number}')
        self.assertEqual(['x0'], self.said)
        self.assertEqual(['x2 (2 times more in 600 s)'], self._end())

    def test_what_goes_on_is_one_line_a_period(self) -> None:
        for _ in range(5):
            self.log.say('a', 'info', 'x')
        for _ in range(3):
            self.assertEqual(1, len(self._end()))
            for _ in range(5):
                self.log.say('a', 'info', 'x')
            self.assertEqual(1, len(self.said))

    def test_is_said_again_after_a_pause(self) -> None:
        self.log.say('a', 'info', 'x')
        self.assertEqual([], self._end())
        self.assertEqual([], self.ends)
        self.log.say('a', 'info', 'x')
        self.assertEqual(['x'], self.said)

    def test_not_without_end(self) -> None:
        for number in range(1000):
            self.log.say(f'{number}', 'info', 'y')
        self.assertEqual(once.KEPT, len(self.said))
        self.assertEqual([f'{1000 - once.KEPT} more lines of this kind in '
                          '600 s are left out'], self._end())
        # Nor is it silent ever after.
        self.log.say('new', 'info', 'z')
        self.assertEqual('z', self.said[-1])
