# SPDX-License-Identifier: Apache-2.0
"""The guest's locks: keys that were sent, and lights that QEMU tells."""

import unittest

from nova_dmore.domr.servers.vnc import locks

CAPS, NUM = locks.Lock.CAPS, locks.Lock.NUM


class LocksTest(unittest.TestCase):

    def setUp(self) -> None:
        self.now = 100.0
        self.locks = locks.Locks(lambda: self.now)

    def test_keys_count_in_a_guest_without_lights(self) -> None:
        self.locks.told(0)
        self.locks.pressed(CAPS)
        self.now += 60
        self.locks.told(0)      # as QEMU tells each new connection
        self.assertTrue(self.locks.is_on(CAPS))
        self.locks.pressed(CAPS)
        self.assertFalse(self.locks.is_on(CAPS))

    def test_first_lights_count(self) -> None:
        self.locks.told(NUM)
        self.assertTrue(self.locks.is_on(NUM))
        self.assertFalse(self.locks.is_on(CAPS))

    def test_lights_count_in_a_guest_that_uses_them(self) -> None:
        self.locks.told(0)
        self.locks.pressed(CAPS)
        self.locks.told(CAPS)
        self.now += 4
        self.locks.told(0)      # the guest was reset
        self.assertFalse(self.locks.is_on(CAPS))

    def test_a_key_counts_until_its_light_may_be_expected(self) -> None:
        self.locks.told(0)
        self.locks.told(CAPS)
        self.locks.told(0)
        self.locks.pressed(CAPS)
        self.locks.told(NUM)    # of a key before
        self.assertTrue(self.locks.is_on(CAPS))
        self.locks.told(CAPS | NUM)
        self.now += locks.LIGHT_DELAY_S
        self.assertTrue(self.locks.is_on(CAPS))

    def test_a_key_that_the_guest_makes_nothing_of(self) -> None:
        self.locks.told(0)
        self.locks.told(CAPS)
        self.locks.told(0)
        self.locks.pressed(CAPS)
        self.now += locks.LIGHT_DELAY_S
        self.assertFalse(self.locks.is_on(CAPS))

    def test_reset_of_a_guest_without_lights(self) -> None:
        self.locks.pressed(CAPS)
        self.locks.reset()
        self.assertFalse(self.locks.is_on(CAPS))
