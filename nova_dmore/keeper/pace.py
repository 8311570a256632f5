# SPDX-License-Identifier: Apache-2.0
"""How much output a worker is given at once.

The echo of a key waits for all that lies in the worker's pipe, so a slow one
gets smaller pieces. A guest that prints line by line writes a few bytes at a
time, so small pieces are put together: each costs the worker, Domain R and
each client a turn.
"""

#: A worker that takes longer than this for a piece, in seconds, gets smaller
#: ones, but none smaller than this many bytes.
_SLOW_S = 0.02
LEAST = 256

#: After a piece of no more bytes than the first value output rests for the
#: second one, in seconds. The first byte after a silence does not wait.
SMALL = 512
REST_S = 0.004


class Pace:
    """The pace of one serial port's output. Times are seconds of
    CLOCK_MONOTONIC.

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
