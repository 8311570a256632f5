# SPDX-License-Identifier: Apache-2.0
"""Domain R's side of one stream: one class for each direction.

It runs under an emulated processor: a poll that finds nothing costs one or
two word reads per stream.
"""

import zlib

from nova_dmore.channel import errors
from nova_dmore.channel import region as region_module
from nova_dmore.channel import ring as ring_module
from nova_dmore import wire


class DomainRConsumer:
    """A stream that the host produces.

    :ivar stored: offset after the last byte that was copied
    :ivar pending: copied by a freeze, not handed out yet
    :ivar paused: nothing is copied, so that the host feels the pace
    """

    def __init__(self, region: region_module.Region,
                 stream: wire.Stream) -> None:
        """Begin at offset 0; ``begin`` joins each epoch."""
        self.stream = stream
        self.stored = 0
        self.pending = b''
        self.paused = False
        self._words = region.words
        self._published_word = region_module.published_word(stream)
        self._theirs = region_module.position_word(wire.HOST_PAGE, stream)
        self._mine = region_module.position_word(wire.DOMAIN_R_PAGE, stream)
        self._ring: ring_module.RingBuffer | None = None
        self._checksum = 0
        self._last = 0      # the PUBLISHED word that was dealt with
        self._told = 0

    def begin(self, ring: ring_module.RingBuffer, epoch: int,
              resume_from: wire.ResumeFrom, fresh: bool) -> int:
        """Join an epoch.

        :param fresh: the host does not know of this start of Domain R
        :returns: how many bytes the host has no more; 0 normally
        """
        missing = 0
        base = self._words[self._theirs + 1]
        if resume_from is wire.ResumeFrom.HOST and base <= wire.OFFSET_MAX:
            if fresh:
                self.stored = base
            elif self.stored < base:
                missing = base - self.stored
                self.stored = base
        self._ring = ring
        self._checksum = ring_module.checksum_seed(epoch, self.stored)
        self._last = 0
        self._told = self.stored
        self._words[self._mine] = self.stored
        return missing

    def available(self) -> bool:
        """Whether ``copy`` or ``pending`` has something."""
        if self.pending:
            return True
        return (not self.paused
                and self._words[self._published_word] != self._last)

    def copy(self) -> bytes:
        """Copy what was published since the last time.

        :raises StaleError: the ring does not hold what was published
        """
        word = self._words[self._published_word]
        if word == self._last or word == 0:
            return b''
        ring = self._ring
        assert ring is not None     # begin came first
        stored = self.stored
        count = ((word >> 32) - stored) & 0xffffffff
        if count > ring.size:
            raise errors.StaleError(
                f'{self.stream.name}: {count} bytes published')
        data = ring.get(stored, count)
        checksum = zlib.crc32(data, self._checksum)
        if word & 0xffffffff != checksum | 1:
            raise errors.StaleError(
                f'{self.stream.name}: wrong checksum at {stored}')
        self._last = word
        self._checksum = checksum
        self.stored = stored = stored + count
        self._words[self._mine] = stored
        return data

    def host_waits(self) -> bool:
        """Whether the host may be waiting for the room made since it was
        last told."""
        if self._ring and self.stored - self._told >= min(
                self._ring.size >> 2, wire.STORED_TOLD_BYTES):
            self._told = self.stored
            return True
        return False

    def freeze(self) -> bool:
        """Store everything, and note what the host says there is in all.

        :returns: whether there is more to hand out than before
        :raises StaleError: the ring does not hold what was published
        """
        data = self.copy()
        self.pending += data
        self._words[self._mine + 1] = self._words[self._theirs]
        return bool(data)

    def hand_out(self) -> bytes:
        """The bytes that a freeze copied."""
        data, self.pending = self.pending, b''
        return data


class DomainRProducer:
    """A stream that Domain R produces; its bytes are kept until taken.

    :ivar base: offset of the oldest byte kept: what was taken
    """

    def __init__(self, region: region_module.Region, stream: wire.Stream,
                 limit: int) -> None:
        """Begin at offset 0.

        :param limit: how many bytes are kept at most
        """
        self.stream = stream
        self.base = 0
        self._limit = limit
        self._kept = bytearray()
        self._published = 0
        self._words = region.words
        self._theirs = region_module.position_word(wire.HOST_PAGE, stream)
        self._mine = region_module.position_word(wire.DOMAIN_R_PAGE, stream)
        self._ring: ring_module.RingBuffer | None = None

    @property
    def end(self) -> int:
        """The offset that the next byte will have."""
        return self.base + len(self._kept)

    @property
    def sendable(self) -> int:
        """How many bytes ``keep`` takes."""
        return self._limit - len(self._kept)

    def keep(self, data: bytes) -> None:
        """Add bytes.

        :raises NoRoomError: they are more than ``sendable``
        """
        if len(data) > self.sendable:
            raise errors.NoRoomError(
                f'{self.stream.name}: {len(data)} bytes, {self.sendable} '
                f'are possible')
        self._kept += data

    def begin(self, ring: ring_module.RingBuffer,
              resume_from: wire.ResumeFrom, fresh: bool) -> None:
        """Join an epoch: drop what was taken, and begin the ring anew.

        What the host may have copied before is published again at once, so
        that the position never says less than what may have been taken.

        :param fresh: the host does not know of this start of Domain R
        """
        taken = self._words[self._theirs]
        if resume_from is wire.ResumeFrom.HOST and taken <= wire.OFFSET_MAX:
            if not fresh:
                del self._kept[:max(0, taken - self.base)]
            self.base = max(self.base, taken)
        self._ring = ring
        self._published = self.base
        self._words[self._mine + 1] = self.base
        if not self.publish():
            self._words[self._mine] = self.base

    def poll(self) -> bool:
        """Drop what was taken.

        :returns: whether there is more room than before
        :raises RingError: more was taken than published
        """
        taken = self._words[self._theirs]
        # An older copy of the host page may say less than was known.
        if taken <= self.base:
            return False
        if taken > self._published:
            raise errors.RingError(
                f'{self.stream.name}: {taken} taken of {self._published}')
        del self._kept[:taken - self.base]
        self.base = taken
        self._words[self._mine + 1] = taken
        return True

    def publish(self) -> bool:
        """Put what there is room for into the ring.

        :returns: whether the host has to be told
        """
        ring = self._ring
        start = self._published
        base = self.base
        if ring is None or start - base == len(self._kept):
            return False
        end = base + min(len(self._kept), ring.size)
        if end == start:
            return False
        ring.put(start, self._kept[start - base:end - base])
        self._published = end
        self._words[self._mine] = end
        return True
