# SPDX-License-Identifier: Apache-2.0
"""How much may wait for a client."""

import unittest

from nova_dmore.domr import pace


class PaceTest(unittest.TestCase):

    def setUp(self) -> None:
        self.pace = pace.Pace()
        self.now, self.taken = 100.0, 0
        self.pace.measure(self.now, lambda: self.taken)

    def _take(self, rate: int, full: bool = True, times: int = 10) -> int:
        """Take so many bytes a second -> how often the limit changed."""
        changed = 0
        for _ in range(times):
            self.now += pace.MEASURED_S
            self.taken += int(rate * pace.MEASURED_S)
            if full:
                self.pace.is_full()
            changed += self.pace.measure(self.now, lambda: self.taken)
        return changed

    def test_it_is_the_time_that_is_bounded(self) -> None:
        self.assertEqual(1, self._take(20000))
        self.assertEqual(1024, self.pace.limit)
        self._take(25000)
        self.assertEqual(2048, self.pace.limit)

    def test_it_has_bounds(self) -> None:
        self.assertEqual(0, self._take(1 << 30))
        self.assertEqual(pace.MOST, self.pace.limit)
        self.assertEqual(1, self._take(0))
        self.assertEqual(pace.LEAST, self.pace.limit)
        self.taken = 0      # the connection is closed
        self._take(0)
        self.assertEqual(pace.LEAST, self.pace.limit)

    def test_who_is_given_little_is_not_slow(self) -> None:
        self._take(100, full=False)
        self.assertEqual(pace.MOST, self.pace.limit)

    def test_it_grows_when_nothing_waits(self) -> None:
        self._take(0)
        self.assertEqual(1, self._take(100, full=False, times=1))
        self.assertEqual(2 * pace.LEAST, self.pace.limit)

    def test_it_does_not_ask_all_the_time(self) -> None:
        self.taken = 1 << 20
        self.pace.is_full()
        self.assertFalse(self.pace.measure(
            self.now + pace.MEASURED_S / 2, self.fail))
