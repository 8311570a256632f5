# SPDX-License-Identifier: Apache-2.0
"""The host's own, trusted memory of a pair.

It lies in a memfd that the keeper owns and Domain R cannot reach. A worker
that is killed at any instruction leaves it consistent: a change of one word
is one machine access, a change of several is made in a copy that replaces
the original with one more access. It also holds the bytes that the host has
produced and Domain R has not stored, so that a new worker has them.

The offsets of a stream change when those of another host or of Domain R are
adopted. So the journal also counts how many bytes of each stream this host has
moved in all. Whoever moves bytes between the journal and a pipe compares this
with the keeper's count for the pipe: the difference is what a killed worker
had read into the ``area``, and had not counted.
"""

import contextlib
import mmap
from collections.abc import Iterator

from nova_dmore.channel import carry_over
from nova_dmore.channel import errors
from nova_dmore.channel import region
from nova_dmore import wire

_MAGIC = int.from_bytes(b'DMOREjnl', 'little')
_VERSION = 2
_SIGN = 1 << 64

# Words of the first page.
_W_MAGIC, _W_VERSION, _W_ACTIVE = 0, 1, 2
_W_DROPPED, _W_REPORTED = 16, 32    # one word per stream each
_SLOTS = (64, 256)          # where the two copies begin
_SLOT_WORDS = 192
# Words of a copy.
(_S_EPOCH, _S_INCARNATION, _S_ANCHORED, _S_FIRST_EPOCH, _S_FOUND,
 _S_LOST) = range(6)
_S_STREAMS, _S_STREAM_WORDS = 8, 4
_POSITION, _BASE, _ORIGIN, _PUBLISHED = 0, 1, 2, 3
_DATA_START = 0x1000

#: How many bytes the host keeps per stream that it produces, while Domain R
#: does not take them (powers of two).
RETAIN_LIMITS = {
    wire.Stream.CONTROL_TO_DOMAIN_R: 1 << 17,
    wire.Stream.SERIAL0_OUT: 1 << 21,
}


def journal_size(limits: dict[wire.Stream, int] = RETAIN_LIMITS) -> int:
    """Bytes the keeper has to give the journal's memfd."""
    return _DATA_START + sum(limits.values())


class Journal:
    """Positions and unstored bytes of the host end.

    Offsets of a stream are local (they begin at 0) until the journal is
    ``anchored``: until a carry-over or Domain R said where the stream is.
    """

    def __init__(self, buffer: mmap.mmap | bytearray | memoryview,
                 geometry: region.Geometry = wire.GEOMETRY,
                 limits: dict[wire.Stream, int] = RETAIN_LIMITS) -> None:
        """Continue the journal in the buffer, or begin one if it is zero.

        :param limits: bytes kept per produced stream, the same whenever the
            journal is opened
        :raises JournalError: the buffer is too small or of another version
        """
        self._data = memoryview(buffer).cast('B')
        if len(self._data) < journal_size(limits):
            raise errors.JournalError(
                f'the journal has {len(self._data)} bytes, it needs '
                f'{journal_size(limits)}')
        self._words = self._data[:_DATA_START].cast('Q')
        self.limits = dict(limits)
        self._areas: dict[wire.Stream, memoryview] = {}
        start = _DATA_START
        for stream, (direction, _) in sorted(geometry.items()):
            if direction is wire.Direction.TO_DOMAIN_R:
                self._areas[stream] = self._data[start:start + limits[stream]]
                start += limits[stream]
        if self._words[_W_MAGIC] == 0:
            self._words[_W_VERSION] = _VERSION
            self._words[_W_MAGIC] = _MAGIC
        if (self._words[_W_MAGIC] != _MAGIC
                or self._words[_W_VERSION] != _VERSION):
            raise errors.JournalError('the journal is of another version')
        self._slot = _SLOTS[self._words[_W_ACTIVE] & 1]

    def close(self) -> None:
        """Give the buffer up, so that its mmap can be closed."""
        for area in self._areas.values():
            area.release()
        self._words.release()
        self._data.release()

    def refresh(self) -> None:
        """See what another process has changed; for one that only reads."""
        self._slot = _SLOTS[self._words[_W_ACTIVE] & 1]

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Make all changes inside the block at once, or none of them.

        Bytes may be written inside it only where none are kept.
        """
        words = self._words
        active = words[_W_ACTIVE] & 1
        old, new = _SLOTS[active], _SLOTS[1 - active]
        words[new:new + _SLOT_WORDS] = words[old:old + _SLOT_WORDS]
        self._slot = new
        try:
            yield
        except BaseException:
            self._slot = old
            raise
        words[_W_ACTIVE] = 1 - active

    def _get(self, index: int) -> int:
        return self._words[self._slot + index]

    def _set(self, index: int, value: int) -> None:
        self._words[self._slot + index] = value

    @property
    def epoch(self) -> int:
        """The last epoch that this host has raised; 0 before the first."""
        return self._get(_S_EPOCH)

    @epoch.setter
    def epoch(self, value: int) -> None:
        self._set(_S_EPOCH, value)

    @property
    def incarnation(self) -> int:
        """Which start of Domain R acknowledged last; 0 before the first."""
        return self._get(_S_INCARNATION)

    @incarnation.setter
    def incarnation(self, value: int) -> None:
        self._set(_S_INCARNATION, value)

    @property
    def lost(self) -> int:
        """Which start of Domain R is known to have ended; 0: none is."""
        return self._get(_S_LOST)

    @lost.setter
    def lost(self, value: int) -> None:
        self._set(_S_LOST, value)

    @property
    def anchored(self) -> bool:
        """Whether offsets are those of the pair, not local ones."""
        return bool(self._get(_S_ANCHORED))

    @anchored.setter
    def anchored(self, value: bool) -> None:
        self._set(_S_ANCHORED, int(value))

    @property
    def first_epoch(self) -> int:
        """The first epoch raised since Domain R was ``found``."""
        return self._get(_S_FIRST_EPOCH)

    @property
    def found(self) -> int:
        """How Domain R was before the first epoch: a FoundState as a number;
        0 if that was not inspected."""
        return self._get(_S_FOUND)

    def set_found(self, found: int, first_epoch: int) -> None:
        """Record how Domain R was found before an epoch is raised."""
        with self.transaction():
            self._set(_S_FOUND, found)
            self._set(_S_FIRST_EPOCH, first_epoch)
            self.epoch = first_epoch

    def position(self, stream: wire.Stream) -> int:
        """What the host has produced, or taken, of a stream."""
        return self._get(_index(stream, _POSITION))

    def set_position(self, stream: wire.Stream, offset: int) -> None:
        """Record what was produced, or taken, of a stream."""
        self._set(_index(stream, _POSITION), offset)

    def moved(self, stream: wire.Stream) -> int:
        """How many bytes this host has produced, or taken, in all, whatever
        their offsets."""
        return (self.position(stream)
                - self._get(_index(stream, _ORIGIN))) % _SIGN

    def offset(self, stream: wire.Stream, moved: int) -> int:
        """The offset of a byte by its number among those that were moved."""
        return (self._get(_index(stream, _ORIGIN)) + moved) % _SIGN

    def jump(self, stream: wire.Stream, offset: int, lost: int = 0) -> None:
        """Go on at another offset of a stream that the host consumes.

        Only in a transaction.

        :param lost: bytes before it that count as moved from now on: they are
            on their way to the device
        """
        by = offset - self.position(stream) - lost
        self.set_position(stream, offset)
        origin = _index(stream, _ORIGIN)
        self._set(origin, (self._get(origin) + by) % _SIGN)

    def dropped(self, stream: wire.Stream) -> int:
        """How many bytes in all were read and given up."""
        return self._words[_W_DROPPED + stream]

    def add_dropped(self, stream: wire.Stream, count: int) -> None:
        """Give up bytes that lie in the ``area``."""
        self._words[_W_DROPPED + stream] += count

    def unreported(self, stream: wire.Stream) -> int:
        """How many of the dropped bytes nobody was told of."""
        return self.dropped(stream) - self._words[_W_REPORTED + stream]

    def set_reported(self, stream: wire.Stream) -> None:
        """All that was dropped was reported."""
        self._words[_W_REPORTED + stream] = self.dropped(stream)

    def base(self, stream: wire.Stream) -> int:
        """The oldest offset of which the host still has the byte."""
        return self._get(_index(stream, _BASE))

    def set_base(self, stream: wire.Stream, offset: int) -> None:
        """Forget the bytes before an offset."""
        self._set(_index(stream, _BASE), offset)

    def published(self, stream: wire.Stream) -> int:
        """Domain R's position can be at most this offset."""
        return self._get(_index(stream, _PUBLISHED))

    def set_published(self, stream: wire.Stream, offset: int) -> None:
        """Record an offset before it is published."""
        self._set(_index(stream, _PUBLISHED), offset)

    def append(self, stream: wire.Stream, data: bytes | memoryview) -> None:
        """Keep bytes at the end of a stream that the host produces.

        :raises NoRoomError: there is no ``room``
        """
        if len(data) > self.room(stream):
            raise errors.NoRoomError(
                f'{stream.name}: {len(data)} bytes, room for '
                f'{self.room(stream)}')
        position = self.position(stream)
        self._put(stream, position, data)
        self.set_position(stream, position + len(data))

    def area(self, stream: wire.Stream, count: int) -> list[memoryview]:
        """Where the next bytes of a stream belong, to be read into: they
        count when ``set_position`` says so.

        :raises NoRoomError: there is no ``room``
        """
        if count > self.room(stream):
            raise errors.NoRoomError(
                f'{stream.name}: {count} bytes, room for '
                f'{self.room(stream)}')
        area = self._areas[stream]
        first = self._at(stream, self.position(stream))
        split = min(count, len(area) - first)
        return [area[first:first + split], area[:count - split]]

    def prepend(self, stream: wire.Stream, base: int, data: bytes) -> None:
        """Put carried bytes before local ones, which follow them from now on.

        Only in a transaction. Of more than ``carried_limit`` bytes the oldest
        are left out, and all of them if local ones were forgotten (what is
        kept has no holes); that shows as a gap by their offsets.

        :param base: offset of the first carried byte
        """
        end = base + len(data)
        forgotten = self.base(stream)
        self.shift(stream, end + forgotten)
        if not forgotten:
            data = data[-self.carried_limit(stream):]
            self.set_base(stream, end - len(data))
            self._put(stream, end - len(data), data)

    def carried_limit(self, stream: wire.Stream) -> int:
        """Room that is kept free for carried bytes until one is anchored."""
        return min(self.limits[stream] // 2, carry_over.CARRY_OVER_DATA_MAX)

    def room(self, stream: wire.Stream) -> int:
        """How many bytes ``append`` takes."""
        room = (self.limits[stream] + self.base(stream)
                - self.position(stream))
        if not self.anchored:
            room -= self.carried_limit(stream)
        return room

    def shift(self, stream: wire.Stream, base: int) -> None:
        """Give the oldest kept byte another offset, the others follow."""
        by = base - self.base(stream)
        for name in (_POSITION, _BASE, _ORIGIN):
            index = _index(stream, name)
            self._set(index, (self._get(index) + by) % _SIGN)
        self.set_published(stream, base)

    def read(self, stream: wire.Stream, start: int, end: int) -> bytes:
        """Copy kept bytes from ``start`` up to, without, ``end``."""
        area = self._areas[stream]
        first = self._at(stream, start)
        last = first + end - start
        if last <= len(area):
            return bytes(area[first:last])
        return bytes(area[first:]) + bytes(area[:last - len(area)])

    def _at(self, stream: wire.Stream, offset: int) -> int:
        return ((offset - self._get(_index(stream, _ORIGIN)))
                & (self.limits[stream] - 1))

    def _put(self, stream: wire.Stream, offset: int,
             data: bytes | memoryview) -> None:
        area = self._areas[stream]
        first = self._at(stream, offset)
        split = min(len(data), len(area) - first)
        view = memoryview(data)
        area[first:first + split] = view[:split]
        area[:len(data) - split] = view[split:]


def _index(stream: wire.Stream, name: int) -> int:
    return _S_STREAMS + stream * _S_STREAM_WORDS + name
