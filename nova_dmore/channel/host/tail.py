# SPDX-License-Identifier: Apache-2.0
"""Reads the output of a pair in its journal, beside the worker that writes it.

Nothing of what the worker does waits for this, or knows of it. What Domain R
has stored stays in the journal's memory until it is written over, which is
``WINDOW`` bytes later; a reader that comes later than that finds out.
"""

import dataclasses
import mmap

from nova_dmore.channel import errors
from nova_dmore.channel.host import journal as journal_module
from nova_dmore import wire

_STREAM = wire.Stream.SERIAL0_OUT
#: A worker reads so much beyond what counts.
_READ_AHEAD = 1 << 16
#: How many of the last bytes are there, at least.
WINDOW = journal_module.RETAIN_LIMITS[_STREAM] - _READ_AHEAD
#: A change of offsets takes microseconds.
_ATTEMPTS = 100


@dataclasses.dataclass(frozen=True)
class Seen:
    """How far the output has come.

    :ivar moved: bytes of it that this host has moved in all
    :ivar offset: of the next one in the stream; None: not known yet, for
        neither a Domain R nor a carry-over has said where the stream is
    """

    moved: int
    offset: int | None


class Tail:
    """The output in one journal.

    :param buffer: the journal's memory, mapped to be read.
    :raises errors.JournalError: it is of another version, or no worker has
        written it yet.
    """

    def __init__(self, buffer: mmap.mmap) -> None:
        if not any(buffer[:8]):
            raise errors.JournalError('the journal was not begun')
        self._journal = journal_module.Journal(buffer)

    def close(self) -> None:
        """Give the buffer up, so that its mmap can be closed."""
        self._journal.close()

    def read_position(self) -> Seen:
        """See how far it is.

        :raises errors.JournalError: it changes all the time
        """
        for _attempt in range(_ATTEMPTS):
            self._journal.refresh()
            first = self._read_position()
            self._journal.refresh()
            # Bytes that came between the two readings raised offset and count
            # alike, so their difference is the same. If it is not, the stream
            # was given other offsets meanwhile.
            second = self._read_position()
            if (first.offset is None) == (second.offset is None) and (
                    first.offset is None or second.offset is None
                    or first.offset - first.moved
                    == second.offset - second.moved):
                return second
        raise errors.JournalError('its offsets change all the time')

    def _read_position(self) -> Seen:
        moved = self._journal.moved(_STREAM)
        if not self._journal.anchored:
            return Seen(moved, None)
        # What has come since ``moved`` was read counts the next time.
        return Seen(moved, self._journal.offset(_STREAM, moved))

    def read(self, start: int, end: int) -> bytes:
        """Copy bytes; whoever did checks that they were still there.

        :param start: of the first one, as :attr:`Seen.moved` counts
        :param end: of the one after the last
        """
        first = self._journal.offset(_STREAM, start)
        return self._journal.read(_STREAM, first, first + end - start)
