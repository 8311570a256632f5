# SPDX-License-Identifier: Apache-2.0
"""The host's side of one stream: one class for each direction."""

import zlib
from collections.abc import Callable
from typing import TypeAlias

from nova_dmore.channel import changes
from nova_dmore.channel import errors
from nova_dmore.channel.host import journal as journal_module
from nova_dmore.channel import region as region_module
from nova_dmore.channel import ring as ring_module
from nova_dmore import wire


class _Stream:
    """A stream of either direction."""

    def __init__(self, region: region_module.Region,
                 ring: region_module.Ring,
                 journal: journal_module.Journal) -> None:
        """Take the region, where the ring lies, and the journal."""
        self.stream = ring.stream
        self._words = region.words
        self._ring = ring_module.RingBuffer(region.data, ring)
        self._journal = journal
        self._mine = region_module.position_word(
            wire.HOST_PAGE, ring.stream)
        self._theirs = region_module.position_word(
            wire.DOMAIN_R_PAGE, ring.stream)


class HostProducer(_Stream):
    """A stream that the host produces; its bytes are kept in the journal."""

    def __init__(self, region: region_module.Region,
                 ring: region_module.Ring,
                 journal: journal_module.Journal) -> None:
        """Take the region, where the ring lies, and the journal."""
        super().__init__(region, ring, journal)
        self._published_word = region_module.published_word(ring.stream)
        self._checksum = 0
        self._published = 0     # in this epoch
        self.opening_base = 0

    @property
    def unstored(self) -> int:
        """How many bytes are kept."""
        return (self._journal.position(self.stream)
                - self._journal.base(self.stream))

    @property
    def ring_room(self) -> int:
        """How many bytes more would go into the ring at once."""
        return max(0, self._ring.size - self.unstored)

    def forget(self, count: int) -> None:
        """Give the oldest kept bytes up; Domain R will skip them.

        :raises NoRoomError: more than are kept
        """
        if count > self.unstored:
            raise errors.NoRoomError(f'{self.stream.name}: {count} bytes '
                                     f'forgotten of {self.unstored}')
        base = self._journal.base(self.stream) + count
        self._journal.set_published(
            self.stream, max(base, self._journal.published(self.stream)))
        self._journal.set_base(self.stream, base)

    def domain_r_words(self) -> tuple[int, int]:
        """What Domain R's page says: stored, and announced at a freeze."""
        return self._words[self._theirs], self._words[self._theirs + 1]

    def write_opening(self) -> None:
        """Write the words that an epoch begins with."""
        self.opening_base = self._journal.base(self.stream)
        self._words[self._published_word] = 0
        self._words[self._mine] = self._journal.position(self.stream)
        self._words[self._mine + 1] = self.opening_base

    def begin(self, epoch: int, adopt: bool) -> list[changes.Gap]:
        """Continue where Domain R is, after it acknowledged an epoch.

        In a transaction of the journal.

        :param adopt: Domain R's offset stands, whatever it is
        :returns: a gap, if Domain R was beyond all that was published: then
            the offsets of bytes that were not have moved
        :raises RingError: Domain R did not skip to the oldest offset
        """
        journal, stream = self._journal, self.stream
        stored = self._words[self._theirs]
        gaps = []
        if adopt:
            # What this host forgot before Domain R came gets no offsets.
            journal.shift(stream, ring_module.jump_to(stream.name, stored))
        elif stored > journal.published(stream):
            ring_module.jump_to(stream.name, stored)
            journal.set_base(stream, journal.published(stream))
            journal.shift(stream, stored)
            gaps.append(changes.Gap(
                stream, journal.base(stream), None, wire.GapKind.UNKNOWN,
                'Domain R has stored more than this host knows of'))
        else:
            ring_module.advance(
                stream.name, journal.base(stream), stored,
                journal.published(stream) - journal.base(stream))
            journal.set_base(stream, stored)
        self._published = stored
        self._checksum = ring_module.checksum_seed(epoch, stored)
        return gaps

    def publish(self) -> bool:
        """Put what there is room for into the ring.

        :returns: whether Domain R has to be told
        """
        journal, stream = self._journal, self.stream
        position = journal.position(stream)
        self._words[self._mine] = position
        start = self._published
        end = min(position, journal.base(stream) + self._ring.size)
        if end <= start:
            return False
        data = journal.read(stream, start, end)
        if end > journal.published(stream):
            journal.set_published(stream, end)
        self._ring.put(start, data)
        self._checksum = zlib.crc32(data, self._checksum)
        self._published = end
        self._words[self._published_word] = ring_module.pack_published(
            end, self._checksum)
        return True

    def poll(self) -> bool:
        """See how much Domain R has stored, and forget that.

        :returns: whether it is more than before
        :raises RingError: the position cannot be true
        """
        stored = self._words[self._theirs]
        base = self._journal.base(self.stream)
        if stored == base:
            return False
        ring_module.advance(self.stream.name, base, stored,
                            self._published - base)
        self._journal.set_base(self.stream, stored)
        self._words[self._mine + 1] = stored
        return True


#: How much input is kept that the device has not taken, in sizes of the ring.
#: Domain R can send as much as the ring holds in each epoch; what is more than
#: this stays in Domain R.
_RINGS_MAX = 4


class HostConsumer(_Stream):
    """A stream that Domain R produces; bytes are copied out of it once."""

    def __init__(self, region: region_module.Region,
                 ring: region_module.Ring,
                 journal: journal_module.Journal) -> None:
        """Take the region, where the ring lies, and the journal."""
        super().__init__(region, ring, journal)
        # Copied and not taken yet; it begins at the journal's position.
        self._buffer = bytearray()
        # How much Domain R has put into its ring in this epoch.
        self._produced = 0
        self._began = 0
        self._told = 0
        self._is_renewed = False
        self.opening_taken = 0
        #: -> how many bytes are on their way to the device.
        self.under_way: Callable[[], int] = lambda: 0

    @property
    def copied(self) -> int:
        """The offset after the last byte that was copied, or was taken."""
        return self._journal.position(self.stream) + len(self._buffer)

    def domain_r_words(self) -> tuple[int, int]:
        """What Domain R's page says: produced, and the oldest it keeps."""
        return self._words[self._theirs], self._words[self._theirs + 1]

    def write_opening(self, renewed: bool) -> None:
        """Write the words that an epoch begins with.

        :param renewed: Domain R is not the one that bytes were copied from;
            the new one's follow them
        """
        self._is_renewed = renewed
        self.opening_taken = (
            self.copied if renewed else self._journal.position(self.stream))
        self._words[self._mine] = self.opening_taken

    def begin(self, adopt: bool) -> list[changes.Gap]:
        """Continue after Domain R acknowledged an epoch.

        In a transaction of the journal. Bytes that were copied stay: the
        device may be taking them.

        :param adopt: Domain R's offset stands, whatever it is
        :returns: a gap, if bytes before Domain R's oldest were never copied
        :raises RingError: Domain R did not drop what was taken
        """
        # Domain R may have published already since it acknowledged; its
        # base moves only by what this end takes.
        _, base = self.domain_r_words()
        missing = 0
        if adopt or base != self.opening_taken:
            ring_module.jump_to(self.stream.name, base)
        if not adopt:
            if self._is_renewed:
                self._leave_out_unknown()
            ring_module.advance(self.stream.name, self.opening_taken, base,
                                wire.OFFSET_MAX)
            missing = max(0, base - self.copied)
        if adopt or missing:
            self._journal.jump(self.stream, base, self.under_way())
            self._buffer.clear()
        self._began = self._produced = self._told = base
        if not missing:
            return []
        return [changes.Gap(
            self.stream, base - missing, missing, wire.GapKind.AMBIGUOUS,
            'Domain R has dropped bytes that this host did not take')]

    def _leave_out_unknown(self) -> None:
        """Bytes of the previous Domain R, copied by an earlier worker, may
        still be on their way to the device, or have got there since the epoch
        was raised. The new Domain R has not sent them: they are left out of
        its offsets."""
        unknown = max(0, self.under_way() - len(self._buffer))
        position = self._journal.position(self.stream)
        self._journal.jump(
            self.stream, min(position, self.opening_taken), unknown)

    def poll(self) -> bool:
        """Copy what Domain R has produced since the last poll.

        :returns: whether there is more to take than before
        :raises RingError: the position cannot be true
        """
        before = self._produced
        produced = self._words[self._theirs]
        if produced == before:
            return False
        ring_module.advance(
            self.stream.name, before, produced,
            self._ring.size - (before - self._words_taken()))
        # Domain R repeats what was copied in the epoch before.
        start = max(before, self.copied)
        produced = min(produced, start + _RINGS_MAX * self._ring.size
                       - len(self._buffer))
        if produced <= before:
            return False
        self._produced = produced
        if produced > start:
            self._buffer += self._ring.get(start, produced - start)
        return bool(self._buffer)

    def _words_taken(self) -> int:
        # Domain R is told nothing of what was copied before this epoch.
        return max(self._began,
                   min(self._journal.position(self.stream), self._produced))

    def readable(self) -> bytes:
        """What was copied and not taken."""
        return bytes(self._buffer)

    def take(self, count: int) -> None:
        """Record that bytes at the front were taken.

        They may be bytes that an earlier worker has copied, which are not
        readable here. When Domain R sends these again they are known by their
        offsets, and not copied.
        """
        journal = self._journal
        journal.set_position(self.stream,
                             journal.position(self.stream) + count)
        del self._buffer[:count]

    def discard(self, most: int | None = None) -> int:
        """Record as taken what was copied, but not as moved: no device will
        have it -> how many bytes.

        :param most: no more than so many; None: all of it
        """
        count = len(self._buffer[:most])
        with self._journal.transaction():
            self._journal.jump(
                self.stream, self._journal.position(self.stream) + count)
        del self._buffer[:count]
        return count

    def discard_before(self, offset: int) -> None:
        """Record everything before an offset as taken, whether it was copied
        or not: the device will not have it. What is on its way to the device
        counts as moved."""
        count = offset - self._journal.position(self.stream)
        with self._journal.transaction():
            self._journal.jump(self.stream, offset, self.under_way())
        del self._buffer[:count]

    def publish(self) -> bool:
        """Tell Domain R what was taken.

        :returns: whether Domain R should be woken for it: when nothing is
            left, or when it may be waiting for room
        """
        taken = self._words_taken()
        self._words[self._mine] = taken
        if taken == self._told:
            return False
        if (taken == self._produced
                or taken - self._told >= self._ring.size // 4):
            self._told = taken
            return True
        return False


End: TypeAlias = HostProducer | HostConsumer


def make(region: region_module.Region, geometry: region_module.Geometry,
         journal: journal_module.Journal
         ) -> tuple[dict[wire.Stream, HostProducer],
                    dict[wire.Stream, HostConsumer]]:
    """-> the host's ends of all streams: (those to Domain R, those from it).
    """
    producers, consumers = {}, {}
    for stream, ring in region_module.layout_of(geometry).items():
        if ring.direction is wire.Direction.TO_DOMAIN_R:
            producers[stream] = HostProducer(region, ring, journal)
        else:
            consumers[stream] = HostConsumer(region, ring, journal)
    return producers, consumers
