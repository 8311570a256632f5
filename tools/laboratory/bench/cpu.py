# SPDX-License-Identifier: Apache-2.0
"""CPU time of the processes that serve a console."""

import pathlib
import time
from collections.abc import Callable

import psutil

#: How QEMU names the threads that run the guest ('CPU 0/TCG').
_GUEST_THREAD = 'CPU '


def process_s(pid: int) -> float:
    """CPU time of a process so far, in seconds."""
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def beside_guest_s(pid: int) -> float:
    """CPU time of a QEMU so far, but not of the threads that run its guest."""
    tasks = pathlib.Path(f'/proc/{pid}/task')
    return sum(thread.user_time + thread.system_time
               for thread in psutil.Process(pid).threads()
               if not (tasks / str(thread.id) / 'comm').read_text().startswith(
                   _GUEST_THREAD))


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
