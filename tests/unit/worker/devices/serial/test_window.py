# SPDX-License-Identifier: Apache-2.0
"""How much output may be on its way."""

import testtools

from nova_dmore.worker.devices.serial import window


class WindowTest(testtools.TestCase):

    def setUp(self):
        super().setUp()
        self.window = window.Window()

    def _stored(self, offset, late, now=100.0):
        self.window.produced(offset, now)
        self.window.stored(offset, now + late)

    def test_it_grows_while_output_is_stored_in_time(self):
        self._stored(100, window.TARGET_S / 2)
        self.assertEqual(window.FIRST + window.STEP, self.window.size)
        for number in range(2, 1000):
            self._stored(number * 100, 0)
        self.assertEqual(window.MOST, self.window.size)

    def test_it_is_halved_once_for_all_that_was_on_its_way(self):
        late = 2 * window.TARGET_S
        for number in range(8):
            self.window.produced(number * 100 + 100, 100.0)
        for number in range(8):
            self.window.stored(number * 100 + 100, 100.0 + late)
        self.assertEqual(window.FIRST // 2, self.window.size)
        self._stored(900, 0)
        self.assertEqual(window.FIRST // 2 + window.STEP, self.window.size)

    def _store_late(self, rate, times=100):
        """As many bytes a second, all of them late."""
        for number in range(1, times + 1):
            self._stored(number * rate // 10, 2 * window.TARGET_S,
                         100 + number / 10)

    def test_it_has_a_least(self):
        self._store_late(100)
        self.assertEqual(window.LEAST, self.window.size)

    def test_a_domain_r_that_is_late_is_kept_busy(self):
        self._store_late(50000)
        self.assertEqual(50000 * window.BUSY_S, self.window.size)

    def test_one_that_becomes_faster_is_given_more_at_once(self):
        self._store_late(20000)
        self.assertLess(self.window.size, 2048 + window.STEP)
        self.window.stored(2000000, 120.0)
        self.assertEqual(window.BUSY_MOST, self.window.size)

    def test_what_keeps_it_busy_has_a_most(self):
        self._store_late(1 << 20)
        self.assertEqual(window.BUSY_MOST, self.window.size)

    def test_the_last_of_what_was_stored_counts(self):
        self.window.produced(100, 100.0)
        self.window.produced(200, 101.0)
        self.window.stored(250, 101.0 + window.TARGET_S / 2)
        self.assertEqual(window.FIRST + window.STEP, self.window.size)

    def test_nothing_new_changes_nothing(self):
        self._stored(100, 0)
        size = self.window.size
        self.window.stored(100, 500.0)
        self.assertEqual(size, self.window.size)

    def test_given_up_it_is_as_large_as_asked_for(self):
        self._stored(100, 10.0)
        self.window.give_up(1 << 20)
        self.assertEqual(1 << 20, self.window.size)

    def test_stored_in_time_again_it_is_within_its_bounds(self):
        self._stored(100, 10.0)
        self.window.give_up(1 << 20)
        self.window.produced(200, 20.0)
        self.window.stored(200, 20.0 + window.TARGET_S / 2)
        self.assertEqual(window.MOST, self.window.size)

    def test_what_is_remembered_is_bounded(self):
        for number in range(2000):
            self.window.produced(number + 1, 100.0 + number)
        self.assertEqual(window._REMEMBERED, len(self.window._produced))
        self.window.stored(2000, 2099.0 + window.TARGET_S / 2)
        self.assertEqual(window.FIRST + window.STEP, self.window.size)

    def test_another_epoch_begins_anew(self):
        self._stored(100, 10.0)
        self.window.produced(200, 100.0)
        self.window.restart()
        self.assertEqual(window.FIRST, self.window.size)
        self.window.stored(200, 200.0)
        self.assertEqual(window.FIRST, self.window.size)
