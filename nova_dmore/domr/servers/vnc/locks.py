# SPDX-License-Identifier: Apache-2.0
"""Caps Lock, Num Lock and Scroll Lock of the guest, as far as it can be known.

QEMU tells what the lights of the guest's keyboard show, when that changes. A
guest may not use the lights, so keys that were sent count too.
"""

import enum
import time
from collections.abc import Callable

#: How long a guest may take for the light after the key, in seconds: until
#: then the key counts.
LIGHT_DELAY_S = 3.0


class Lock(enum.IntFlag):
    """The locks, by their bit in RFB's state of the lights."""

    SCROLL = 1
    NUM = 2
    CAPS = 4


#: QEMU's numbers of the keys.
KEYS = {0x46: Lock.SCROLL, 0x45: Lock.NUM, 0x3a: Lock.CAPS}
NUMBERS = {lock: number for number, lock in KEYS.items()}


class Locks:
    """What is on."""

    def __init__(self, clock: Callable[[], float] = time.monotonic,
                 is_behind: Callable[[], bool] = lambda: False) -> None:
        """Everything is off.

        :param clock: seconds
        :param is_behind: whether the instance has not taken all keys
        """
        self._clock = clock
        self._is_behind = is_behind
        self._on = Lock(0)
        self._lights: Lock | None = None    # as told last
        self._lit = Lock(0)     # those whose light the guest has switched
        self._unsure_until: float | None = None

    def is_on(self, lock: Lock) -> bool:
        """Whether a lock is on."""
        if self._lights is not None and self._is_sure():
            self._on = self._on & ~self._lit | self._lights & self._lit
        return bool(self._on & lock)

    def _is_sure(self) -> bool:
        """Whether the guest has had its time for the light."""
        if self._unsure_until is None:
            return True
        now = self._clock()
        if self._is_behind():       # the key may not have come there yet
            self._unsure_until = now + LIGHT_DELAY_S
        if now < self._unsure_until:
            return False
        self._unsure_until = None
        return True

    def pressed(self, lock: Lock) -> None:
        """Its key went down in the guest."""
        self.is_on(lock)
        self._on ^= lock
        self._unsure_until = self._clock() + LIGHT_DELAY_S

    def told(self, lights: int) -> None:
        """The lights are these now."""
        new = Lock(lights & 7)
        if self._lights is not None:
            self._lit |= new ^ self._lights
        elif self._is_sure():
            self._on = new
        self._lights = new

    def reset(self) -> None:
        """The guest begins anew."""
        self._on = self._lights or Lock(0)
        self._unsure_until = None
