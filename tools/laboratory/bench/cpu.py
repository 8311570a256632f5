# SPDX-License-Identifier: Apache-2.0
"""CPU time of the processes that serve a console."""

import os
import pathlib
import time
from collections.abc import Callable

_TICK_S = 1 / os.sysconf('SC_CLK_TCK')
#: How QEMU names the threads that run the guest ('CPU 0/TCG').
_GUEST_THREAD = 'CPU '


def process_s(pid: int) -> float:
    """CPU time of a process so far, in seconds."""
    return _seconds(pathlib.Path(f'/proc/{pid}/stat'))


def beside_guest_s(pid: int) -> float:
    """CPU time of a QEMU so far, but not of the threads that run its guest."""
    return sum(_seconds(task / 'stat')
               for task in pathlib.Path(f'/proc/{pid}/task').iterdir()
               if not (task / 'comm').read_text().startswith(_GUEST_THREAD))


def _seconds(stat: pathlib.Path) -> float:
    # The name before may hold anything, and ends with the last bracket.
    fields = stat.read_text().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_S


class Load:
    """CPU time per second from now on, in percent of a core.

    :param sources: each tells the CPU time of something so far
    """

    def __init__(self, *sources: Callable[[], float]) -> None:
        self._sources = sources
        self._begin = [source() for source in sources]
        self._at = time.monotonic()

    def percent(self) -> float:
        passed = time.monotonic() - self._at
        return sum(source() - begin for source, begin in zip(
            self._sources, self._begin)) / passed * 100
