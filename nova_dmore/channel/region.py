# SPDX-License-Identifier: Apache-2.0
"""The shared region: its words, its header, its geometry."""

import dataclasses
import mmap
from typing import TypeAlias

from nova_dmore.channel import errors
from nova_dmore import wire

Geometry: TypeAlias = dict[wire.Stream, tuple[wire.Direction, int]]

_PAGE = 0x1000


def word(offset: int) -> int:
    """Index into ``Region.words`` of the word at a byte offset."""
    return offset >> 3


# Where the single words of the pages are in ``Region.words``.
HOST_EPOCH = word(wire.HOST_PAGE + wire.HOST_EPOCH)
HOST_FREEZE = word(wire.HOST_PAGE + wire.HOST_FREEZE)
HOST_FLAGS = word(wire.HOST_PAGE + wire.HOST_FLAGS)
HOST_RESUME_FROM = word(wire.HOST_PAGE + wire.HOST_RESUME_FROM)
HOST_EXPECTED = word(wire.HOST_PAGE + wire.HOST_EXPECTED)

DOMAIN_R_MAGIC = word(wire.DOMAIN_R_PAGE + wire.DOMAIN_R_MAGIC)
DOMAIN_R_LAYOUT_VERSION = word(
    wire.DOMAIN_R_PAGE + wire.DOMAIN_R_LAYOUT_VERSION)
INCARNATION = word(wire.DOMAIN_R_PAGE + wire.DOMAIN_R_INCARNATION)
ACK_BY = word(wire.DOMAIN_R_PAGE + wire.DOMAIN_R_ACK_BY)
EPOCH_ACK = word(wire.DOMAIN_R_PAGE + wire.DOMAIN_R_EPOCH_ACK)
FREEZE_ACK = word(wire.DOMAIN_R_PAGE + wire.DOMAIN_R_FREEZE_ACK)
GAVE_UP = word(wire.DOMAIN_R_PAGE + wire.DOMAIN_R_GAVE_UP)
VIEWERS = word(wire.DOMAIN_R_PAGE + wire.DOMAIN_R_VIEWERS)
DAMAGE_SEEN = word(wire.DOMAIN_R_PAGE + wire.DOMAIN_R_DAMAGE_SEEN)
PICTURE_MAX = word(wire.DOMAIN_R_PAGE + wire.DOMAIN_R_PICTURE_MAX)
SIZE_WANTED = word(wire.DOMAIN_R_PAGE + wire.DOMAIN_R_SIZE_WANTED)

DISPLAY_EPOCH = word(wire.DISPLAY_PAGE + wire.DISPLAY_EPOCH)
DISPLAY_MODE = word(wire.DISPLAY_PAGE + wire.DISPLAY_MODE)
DISPLAY_CURSOR = word(wire.DISPLAY_PAGE + wire.DISPLAY_CURSOR)
DISPLAY_PUBLISHED = word(wire.DISPLAY_PAGE + wire.DISPLAY_PUBLISHED)
DISPLAY_LEDS = word(wire.DISPLAY_PAGE + wire.DISPLAY_LEDS)
DISPLAY_SIZE_ANSWER = word(wire.DISPLAY_PAGE + wire.DISPLAY_SIZE_ANSWER)
DISPLAY_DAMAGE = word(wire.DISPLAY_PAGE + wire.DISPLAY_DAMAGE)


@dataclasses.dataclass(frozen=True)
class Ring:
    """Where the ring of one stream lies.

    :ivar start: offset of its first byte in the region
    :ivar size: bytes, a power of two
    """

    stream: wire.Stream
    direction: wire.Direction
    start: int
    size: int


Layout: TypeAlias = dict[wire.Stream, Ring]


class Region:
    """Typed access to the memory that the host and Domain R share.

    ``words[offset >> 3]`` is one machine access each way, which is what the
    wire format asks for; ``data`` is for the rings.
    """

    def __init__(self, buffer: mmap.mmap | bytearray | memoryview) -> None:
        """Take a writable buffer of whole pages.

        :raises RegionError: the buffer is read-only or too small
        """
        self._buffer = buffer
        view = memoryview(buffer)
        if view.readonly:
            raise errors.RegionError('the region is mapped read-only')
        self.data = view.cast('B')
        self.size = len(self.data)
        if self.size < wire.DATA_START or self.size % _PAGE:
            raise errors.RegionError(
                f'the region has {self.size} bytes; it needs whole pages and '
                f'more than {wire.DATA_START} bytes')
        self.words = self.data.cast('Q')

    @property
    def framebuffer_size(self) -> int:
        """Bytes of the largest picture that finds room."""
        return max(0, self.size - wire.FRAMEBUFFER_START)

    def forget(self, start: int) -> None:
        """Give the memory behind an offset back to the system: it is zeros
        then, and takes no room before it is used again.

        :param start: a whole number of pages
        """
        if start < self.size and isinstance(self._buffer, mmap.mmap):
            self._buffer.madvise(mmap.MADV_REMOVE, start, self.size - start)

    def close(self) -> None:
        """Give the buffer up, so that its mmap can be closed."""
        self.words.release()
        self.data.release()


def position_word(page: int, stream: wire.Stream) -> int:
    """Index of the POSITION word of a stream; the BASE word follows it."""
    return (page + wire.POSITIONS + stream * wire.POSITIONS_ENTRY) >> 3


def published_word(stream: wire.Stream) -> int:
    """Index of the PUBLISHED word of a stream."""
    return (wire.HOST_PAGE + wire.PUBLISHED
            + stream * wire.PUBLISHED_ENTRY) >> 3


def layout_of(geometry: Geometry) -> Layout:
    """Lay the rings of a geometry out, each on pages of its own."""
    layout = {}
    start = wire.DATA_START
    for stream, (direction, size) in sorted(geometry.items()):
        layout[stream] = Ring(stream, direction, start, size)
        start += (size + _PAGE - 1) // _PAGE * _PAGE
    return layout


def format_region(region: Region, geometry: Geometry = wire.GEOMETRY) -> None:
    """Write the header into the host page; the host end calls it.

    It may be repeated at any time: it writes the same words again and
    touches neither epochs nor positions.

    :raises RegionError: the rings do not fit into the region
    """
    layout = layout_of(geometry)
    _check(layout, region.size)
    words = region.words
    for offset, value in (
            (wire.HOST_LAYOUT_VERSION, wire.LAYOUT_VERSION),
            (wire.HOST_REGION_SIZE, region.size),
            (wire.HOST_STREAM_COUNT, len(layout)),
            (wire.HOST_PEER_ID, wire.HOST_PEER),
            (wire.HOST_DOMAIN_R_PEER_ID, wire.DOMAIN_R_PEER),
            (wire.HOST_VECTOR_COUNT, len(wire.Vector))):
        words[word(wire.HOST_PAGE + offset)] = value
    for stream, ring in layout.items():
        entry = _entry(stream)
        words[word(entry + wire.STREAM_DATA)] = ring.start
        words[word(entry + wire.STREAM_SIZE)] = ring.size
        words[word(entry + wire.STREAM_DIRECTION)] = ring.direction
    words[word(wire.HOST_PAGE + wire.HOST_MAGIC)] = wire.MAGIC


def read_layout(region: Region) -> Layout:
    """The geometry that the header describes, validated.

    Domain R calls it before it joins an epoch.

    :raises RegionError: the header is missing, of another version, or its
        geometry reaches outside the region or overlaps
    """
    words = region.words

    def header(offset: int) -> int:
        return words[word(wire.HOST_PAGE + offset)]

    if header(wire.HOST_MAGIC) != wire.MAGIC:
        raise errors.RegionError('the region has no header')
    if header(wire.HOST_LAYOUT_VERSION) != wire.LAYOUT_VERSION:
        raise errors.RegionError(
            f'layout version {header(wire.HOST_LAYOUT_VERSION)} is not '
            f'{wire.LAYOUT_VERSION}')
    if header(wire.HOST_REGION_SIZE) != region.size:
        raise errors.RegionError(
            f'the header says {header(wire.HOST_REGION_SIZE)} bytes, the '
            f'region has {region.size}')
    if header(wire.HOST_STREAM_COUNT) != len(wire.Stream):
        raise errors.RegionError(
            f'{header(wire.HOST_STREAM_COUNT)} streams are not those of '
            f'layout version {wire.LAYOUT_VERSION}')
    layout = {}
    for stream, (direction, _) in wire.GEOMETRY.items():
        entry = _entry(stream)
        if words[word(entry + wire.STREAM_DIRECTION)] != direction:
            raise errors.RegionError(
                f'{stream.name} has the wrong direction')
        layout[stream] = Ring(
            stream, direction, words[word(entry + wire.STREAM_DATA)],
            words[word(entry + wire.STREAM_SIZE)])
    _check(layout, region.size)
    return layout


def _entry(stream: wire.Stream) -> int:
    return (wire.HOST_PAGE + wire.STREAM_TABLE
            + stream * wire.STREAM_TABLE_ENTRY)


def _check(layout: Layout, region_size: int) -> None:
    end = wire.DATA_START
    for ring in sorted(layout.values(), key=lambda each: each.start):
        if ring.size < 1 or ring.size & (ring.size - 1):
            raise errors.RegionError(
                f'the size of {ring.stream.name}, {ring.size}, is not a '
                f'power of two')
        if ring.start < end or ring.start + ring.size > region_size:
            raise errors.RegionError(
                f'the ring of {ring.stream.name}, {ring.size} bytes at '
                f'{ring.start}, does not fit')
        end = ring.start + ring.size
