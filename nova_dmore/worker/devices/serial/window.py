# SPDX-License-Identifier: Apache-2.0
"""How much serial output may be on its way to Domain R.

The echo of a key waits behind all output that Domain R has not stored yet, so
what may wait there is bounded by time, not by bytes: a Domain R that stores
late, because its processor or its clients are slow, is given less. The guest
is held up then, as by any serial line that is slower than it.

A Domain R may also be late because others have its processor. When it runs it
takes all that there is, and with less it would only be slower. It differs from
one whose clients are slow only in how much it stores in a second; so that is
measured, too.
"""

import collections

from nova_dmore import wire

#: Bounds of the window, in bytes. The most is what Domain R takes between two
#: of its polls on a fast machine. It begins small: a Domain R that has just
#: arrived is slow at first where it is emulated, and a key comes after it.
LEAST = wire.STORED_TOLD_BYTES
MOST = 1 << 17
FIRST = 1 << 11
#: How long output may wait for Domain R, in seconds.
TARGET_S = 0.02
#: To keep a slow Domain R busy, the window is never less than what that stores
#: in BUSY_S seconds, as measured over MEASURED_S; but this alone makes it no
#: larger than BUSY_MOST bytes.
BUSY_S = 0.06
BUSY_MOST = 1 << 13
MEASURED_S = 0.5
#: By how much the window grows when output was stored in time, in bytes.
STEP = 1 << 9
#: How many pieces of output are remembered at most: without a Domain R there
#: is no end of them.
_REMEMBERED = 1 << 10


class Window:
    """Shrinks by half when output waits too long, and grows in steps.

    Times are seconds of one monotonic clock, offsets those of the stream.
    """

    def __init__(self) -> None:
        self.size = FIRST
        #: (offset after it, when) of what was produced last and is not
        #: stored.
        self._produced: collections.deque[tuple[int, float]] = (
            collections.deque(maxlen=_REMEMBERED))
        #: Output before this offset went out when the window was larger.
        self._shrunk_at = 0
        self._least = LEAST
        #: (offset, when) since what is stored has been measured.
        self._measured: tuple[int, float] | None = None

    def restart(self) -> None:
        """Another Domain R, or another epoch."""
        self._produced.clear()
        self.size = FIRST
        self._shrunk_at = 0
        self._least = LEAST
        self._measured = None

    def give_up(self, kept: int) -> None:
        """The guest has waited for too long: it waits no longer.

        :param kept: how many bytes may be on their way now. Each of them is
            one that need not be dropped; the echo of a key comes after them.
        """
        self.size = kept

    def produced(self, end: int, now: float) -> None:
        """Output up to an offset was published."""
        self._produced.append((end, now))

    def stored(self, offset: int, now: float) -> None:
        """Domain R has stored all before an offset."""
        self._measure(offset, now)
        since = None
        while self._produced and self._produced[0][0] <= offset:
            end, since = self._produced.popleft()
        if since is None:
            return
        if now - since <= TARGET_S:
            self.size = min(self.size + STEP, MOST)
        elif end > self._shrunk_at:
            self.size = max(self.size // 2, self._least)
            self._shrunk_at = (self._produced[-1][0] if self._produced
                               else offset)

    def _measure(self, offset: int, now: float) -> None:
        """How much is stored per second, and thus keeps Domain R busy."""
        if self._measured is None:
            self._measured = offset, now
        start, since = self._measured
        if now - since < MEASURED_S:
            return
        self._measured = offset, now
        wanted = int((offset - start) / (now - since) * BUSY_S)
        self._least = min(max(wanted, LEAST), BUSY_MOST)
        self.size = max(self.size, self._least)
