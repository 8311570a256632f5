# SPDX-License-Identifier: Apache-2.0
"""The measurements themselves, each at one of the two servers."""

import random
import threading
import time
from collections.abc import Callable

from guest import protocol
from laboratory.bench.cpu import Load
from laboratory.bench.rig import Viewing
from laboratory.progress import Failure
from laboratory.vnc.picture import Screen

_MIB = 1 << 20
#: How much earlier or later than at regular times a key is typed.
_JITTER = 0.3
#: Updates that are not counted, with the first picture among them.
_FIRST = 2


class Keys:
    """Types numbered keys at ``dmore-screen``, now here and now there."""

    def __init__(self) -> None:
        self._number = 0
        self._chance = random.Random(1)

    def press(self, viewing: Viewing, count: int, every_s: float
              ) -> list[tuple[float, float]]:
        """When each key was pressed, and when its picture was there.

        :param every_s: from one key to the next, on average
        :raises Failure: the guest got something else than what was typed
        :raises OSError: a response never comes
        """
        first = self._number
        self._until(viewing, first)
        self._number += count
        pressed: list[float] = []
        typist = threading.Thread(target=self._type, args=(
            viewing, range(first, self._number), every_s, pressed))
        typist.start()
        made: list[tuple[float, float]] = []
        try:
            while len(made) < count:
                shown = self._next(viewing) - first
                now = time.monotonic()
                if shown > len(pressed):
                    raise Failure('keys', f'{shown} keys are shown, '
                                  f'{len(pressed)} were typed')
                made += [(at, now) for at in pressed[len(made):shown]]
        finally:
            typist.join()
        return made

    def _type(self, viewing: Viewing, numbers: range, every_s: float,
              pressed: list[float]) -> None:
        """Servers that look at the screen at regular times are not always met
        at the same one."""
        for number in numbers:
            time.sleep(self._chance.uniform(1 - _JITTER, 1 + _JITTER)
                       * every_s)
            # Before it is sent: its picture may come at once.
            pressed.append(time.monotonic())
            viewing.press(protocol.key(number))

    def _until(self, viewing: Viewing, number: int) -> None:
        shown = Screen(viewing.picture).next()
        while shown != number:
            shown = self._next(viewing)

    @staticmethod
    def _next(viewing: Viewing) -> int:
        """What the next picture says that can be read."""
        while True:
            viewing.update()
            shown = Screen(viewing.picture).next()
            if shown is not None:
                return shown


def busy(viewing: Viewing, size: tuple[int, int], seconds: float,
         make_load: Callable[[], Load]) -> tuple[float, float, float]:
    """Full screens per second, MiB per second, percent of a core.

    :param size: width and height
    :raises Failure: the screen is of another size
    """
    for _ in range(_FIRST):
        viewing.update()
    if viewing.picture.shape != size[::-1]:
        raise Failure('busy screen', f'its size is {viewing.picture.shape}')
    load = make_load()
    begin = time.monotonic()
    received = viewing.received
    area = 0
    while (now := time.monotonic()) < begin + seconds:
        area += viewing.update().area
    passed = now - begin
    return (area / (size[0] * size[1]) / passed,
            (viewing.received - received) / _MIB / passed, load.percent())
