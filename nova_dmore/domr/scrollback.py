# SPDX-License-Identifier: Apache-2.0
"""The last output of the instance, by the offset of each byte."""

from nova_dmore.domr.terminal import earlier
from nova_dmore.domr.terminal import modes

#: A line that is longer than so many bytes counts as none.
_LINE_MAX = 1 << 10

_NEWLINE = ord('\n')


class Scrollback:
    """Output from an offset on.

    :ivar base: offset of the first byte
    """

    def __init__(self) -> None:
        """Nothing was printed yet."""
        self._bytes = bytearray()
        self.base = 0
        self._is_cut = False    # it begins in the middle of a line
        self._earlier = earlier.Earlier()   # what was forgotten
        self._booted_at = 0

    @property
    def end(self) -> int:
        """Offset after the last byte."""
        return self.base + len(self._bytes)

    def append(self, data: bytes) -> None:
        """The instance printed something."""
        self._bytes += data

    def read(self, start: int, count: int) -> bytes:
        """So many bytes from an offset on, or as many as there are."""
        at = start - self.base
        return bytes(self._bytes[at:at + count])

    def forget(self, before: int) -> None:
        """Forget what comes before an offset."""
        count = before - self.base
        if count > 0:
            self._is_cut = self._bytes[count - 1] != _NEWLINE
            self._earlier = self._modes_after(self._earlier, count)
            del self._bytes[:count]
            self.base = before

    def begin_boot(self) -> None:
        """What comes from now on is printed by what boots: a program of before
        needs its modes no more."""
        self._booted_at = self.end

    def modes_at(self, offset: int) -> modes.Modes:
        """The modes of a terminal that has all output before an offset, also
        what is forgotten."""
        return self._modes_after(
            self._earlier.copy(), offset - self.base).modes

    def _modes_after(self, before: earlier.Earlier, count: int
                     ) -> earlier.Earlier:
        """The modes when the first so many bytes were printed, too."""
        start = 0
        if 0 <= self._booted_at - self.base <= count:
            before, start = earlier.Earlier(), self._booted_at - self.base
        before.feed(bytes(self._bytes[start:count]))
        return before

    def line_start(self, start: int) -> int:
        """Offset of the first line from an offset on, that being the first
        that there is, if it is before it.

        If no line begins soon, it is where a control function or a character
        does.
        """
        at = max(0, start - self.base)
        is_cut = self._bytes[at - 1] != _NEWLINE if at else self._is_cut
        if not is_cut:
            return self.base + at
        data = self.read(self.base + at, _LINE_MAX)
        end = data.find(b'\n')
        escape = data.find(b'\x1b')
        if end >= 0:
            at += end + 1
        elif escape >= 0:
            at += escape
        else:
            # A character of UTF-8 has three bytes more at most.
            at += next((number for number, byte in enumerate(data[:3])
                        if byte & 0xc0 != 0x80), min(3, len(data)))
        return self.base + at
