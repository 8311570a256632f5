# SPDX-License-Identifier: Apache-2.0
"""How much output a worker is given at once.

The echo of a key waits for all that lies in the worker's pipe, so a slow one
gets smaller pieces.
"""

#: A worker that takes longer than this for a piece, in seconds, gets smaller
#: ones, but none smaller than this many bytes.
_SLOW_S = 0.02
LEAST = 256


class Pace:
    """That of one serial port. Times are seconds of CLOCK_MONOTONIC.

    :param most: bytes in the largest piece, with which it begins.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._moved_at = 0.0
        #: Bytes that are moved at once.
        self.piece = most

    def waited(self, now: float) -> None:
        """There was no room for this piece until now."""
        is_slow = now - self._moved_at > _SLOW_S
        self.piece = (max(self.piece // 2, LEAST) if is_slow
                      else min(self.piece * 2, self._most))

    def moved(self, now: float) -> None:
        """A piece was moved."""
        self._moved_at = now
