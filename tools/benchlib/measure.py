# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""The measurements themselves, each at one of the two servers."""

import random
import time
from collections.abc import Callable

from benchlib.cpu import Load
from benchlib.rig import Viewing
from guest import protocol
from testbedlib.progress import Failure
from vnclib.picture import Screen

_MIB = 1 << 20
#: Seconds from a response to the next key, at random: servers that look at
#: the screen at regular times shall not be met always at the same one.
_PAUSE_S = (0.05, 0.12)
#: Updates that are not counted, with the first picture among them.
_FIRST = 2


class Keys:
    """Types numbered keys at ``dmore-screen``, now here and now there."""

    def __init__(self) -> None:
        self._number = 0
        self._chance = random.Random(1)

    def press(self, viewing: Viewing, count: int
              ) -> list[tuple[float, float]]:
        """When each key was pressed, and when its picture was there.

        :raises Failure: the guest got something else than what was typed
        :raises OSError: a response never comes
        """
        self._until(viewing, self._number)
        made = []
        for _ in range(count):
            time.sleep(self._chance.uniform(*_PAUSE_S))
            begin = time.monotonic()
            viewing.press(protocol.key(self._number))
            self._number += 1
            self._until(viewing, self._number)
            made.append((begin, time.monotonic()))
        return made

    @staticmethod
    def _until(viewing: Viewing, number: int) -> None:
        while True:
            viewing.update()
            shown = Screen(viewing.picture).next()
            if shown == number:
                return
            if shown is not None and shown > number:
                raise Failure('keys', f'{shown} came, {number} were typed')


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
