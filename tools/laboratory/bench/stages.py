# SPDX-License-Identifier: Apache-2.0
"""Where the time goes between a client and the instance.

The shared region tells: each stage ends with a word that changes, and a
process of its own looks at these words several times a millisecond.
"""

import bisect
import mmap
import multiprocessing
import pathlib
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection

from nova_dmore.channel import region
from nova_dmore import wire

_LOOK_S = 0.0002

_INPUT = (wire.POSITIONS + wire.Stream.INPUT0_IN * wire.POSITIONS_ENTRY
          + wire.POSITION)
#: What is looked at: events that Domain R has put into the ring, and that
#: QEMU has acknowledged; damage that the host told of, and that Domain R has
#: begun to send to a client.
WORDS = {
    'typed': region.word(wire.DOMAIN_R_PAGE + _INPUT),
    'taken': region.word(wire.HOST_PAGE + _INPUT),
    'published': region.DISPLAY_PUBLISHED,
    'seen': region.DAMAGE_SEEN,
}
#: Of each word, when it changed, in CLOCK_MONOTONIC seconds.
Changes = dict[str, list[float]]


class Watch:
    """Looks from now on.

    :param path: of the region
    """

    def __init__(self, path: pathlib.Path) -> None:
        context = multiprocessing.get_context('fork')
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_look, args=(path, theirs),
                                        daemon=True)
        self._process.start()

    def wait(self) -> None:
        """Until it looks."""
        self._ours.recv()

    def changes(self) -> Changes:
        """What was seen until now; it looks no more."""
        self._ours.send(None)
        found = self._ours.recv()
        self._process.join()
        return found


def _look(path: pathlib.Path, pipe: Connection) -> None:
    with path.open('rb') as file:
        memory = mmap.mmap(file.fileno(), wire.REGION_SIZE,
                           prot=mmap.PROT_READ)
    view = memoryview(memory).cast('Q')
    last = {name: view[index] for name, index in WORDS.items()}
    found: Changes = {name: [] for name in WORDS}
    pipe.send(None)
    over = False
    while not over:
        over = pipe.poll(_LOOK_S)
        for name, index in WORDS.items():
            value = view[index]
            if value != last[name]:
                last[name] = value
                found[name].append(time.monotonic())
    pipe.send(found)


def of_keys(keys: Sequence[tuple[float, float]], changes: Changes
            ) -> dict[str, list[float]]:
    """The stages of a key's way, each in ms.

    :param keys: when each was pressed, and when its picture was there
    """
    made: dict[str, list[float]] = {
        'to Domain R, in the ring': [], 'acknowledged by QEMU': [],
        'shown by the guest, damage told': [], 'picture at the client': [],
        'in all': []}
    for pressed, there in keys:
        typed = _after(changes['typed'], pressed)
        taken = _after(changes['taken'], pressed)
        told = _before(changes['published'], there)
        if typed is None or taken is None or told is None or not (
                pressed < typed <= taken <= told <= there):
            continue    # one look has seen two of them
        for stage, seconds in zip(made.values(), (
                typed - pressed, taken - typed, told - taken, there - told,
                there - pressed)):
            stage.append(seconds * 1000)
    return made


def of_updates(changes: Changes) -> dict[str, list[float]]:
    """The stages of a busy screen's updates, each in ms."""
    waited, fetched = [], []
    for told in changes['published']:
        seen = _after(changes['seen'], told)
        following = _after(changes['published'], told)
        if seen is None or (following is not None and following < seen):
            continue    # several records of one update
        waited.append((seen - told) * 1000)
        if following is not None:
            fetched.append((following - seen) * 1000)
    return {'until Domain R sends it': waited,
            'next one fetched from QEMU': fetched}


def _after(times: Sequence[float], moment: float) -> float | None:
    place = bisect.bisect_right(times, moment)
    return times[place] if place < len(times) else None


def _before(times: Sequence[float], moment: float) -> float | None:
    place = bisect.bisect_right(times, moment)
    return times[place - 1] if place else None
