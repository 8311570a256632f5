# SPDX-License-Identifier: Apache-2.0
"""Keeps Domain R's pre-copy from converging while the host asks for it."""

import mmap
import threading

from nova_dmore import wire

#: How often every page of it is written, in seconds.
HOLD_PERIOD_S = 0.01
THREAD = 'hold'


class Holder:
    """Memory that is written all over, again and again, while wanted.

    By a thread of its own: the event loop of a Domain R whose clients are
    many and whose processor is slow may be late for seconds.
    """

    def __init__(self) -> None:
        self._stop: threading.Event | None = None

    def want(self, wanted: bool) -> None:
        """Begin or end; repeating it changes nothing."""
        if wanted and self._stop is None:
            self._stop = threading.Event()
            threading.Thread(target=_write, args=(self._stop,),
                             name=THREAD, daemon=True).start()
        elif not wanted and self._stop is not None:
            self._stop.set()
            self._stop = None


def _write(stop: threading.Event) -> None:
    """Write one byte of each page every HOLD_PERIOD_S, until told to stop."""
    with mmap.mmap(-1, wire.HOLD_BYTES) as memory:
        count = 0
        while not stop.wait(HOLD_PERIOD_S):
            write(memory, count)
            count += 1


def write(memory: mmap.mmap | bytearray, count: int) -> None:
    """Write something else than before to each page.

    :param count: how often it was written before
    """
    # Never zero: a zero page is sent as a mark and costs nothing.
    memory[::mmap.PAGESIZE] = bytes([count % 255 + 1]) * (
        wire.HOLD_BYTES // mmap.PAGESIZE)
