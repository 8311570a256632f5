# SPDX-License-Identifier: Apache-2.0
"""How much output may wait for one client of the serial console.

The answer to a key comes after it, so it is bounded by time: a client that
takes little is given little in advance.
"""

from collections.abc import Callable

#: Bounds, in bytes, for each place where output waits. The most is for any
#: client that takes 40 KB/s: encrypting more at once keeps others waiting.
MOST = 1 << 12
LEAST = 1 << 9
#: So many seconds of what a client takes may wait; the acknowledgements of a
#: distant one, and of any if the processor is shared, need some of them.
AHEAD_S = 0.1
#: How long it is measured what a client takes, in seconds.
MEASURED_S = 0.25


class Pace:
    """The pace of one client. Times are seconds of one monotonic clock.

    :ivar limit: bytes that may wait, a power of two
    """

    def __init__(self) -> None:
        self.limit = MOST
        self._full = False      # it could have been given more
        self._since: tuple[float, int] | None = None

    def is_full(self) -> None:
        """The client has as much as may wait."""
        self._full = True

    def measure(self, now: float, count: Callable[[], int]) -> bool:
        """Measure what a client has taken, if it is time to.

        :param count: bytes in all; asking takes a while
        :returns: whether the limit is another one now
        """
        if self._since is None:
            self._since = now, count()
        since, before = self._since
        if now - since < MEASURED_S:
            return False
        taken = count()
        limit = 2 * self.limit
        if self._full:
            # The largest power of two that it has taken in that time.
            ahead = max(0, taken - before) * AHEAD_S / (now - since)
            limit = 1 << int(ahead).bit_length() >> 1
        limit = min(max(limit, LEAST), MOST)
        self._since, self._full = (now, taken), False
        changed, self.limit = limit != self.limit, limit
        return changed
