# SPDX-License-Identifier: Apache-2.0
"""Bytes in and out of a ring, and the arithmetic of positions.

Nothing here keeps state or reads a position in the region: the two ends
pass in offsets that they have validated. Runs in the worker, which is the
host's end, and in Domain R's agent.
"""

import struct
import zlib

from nova_dmore.channel import errors
from nova_dmore.channel import region as region_module
from nova_dmore import wire

_LOW = 0xffffffff


class RingBuffer:
    """The memory of one ring, addressed by free-running stream offsets."""

    def __init__(self, data: memoryview, ring: region_module.Ring) -> None:
        """Take the part of the region's ``data`` that the ring lies in."""
        self._data = data[ring.start:ring.start + ring.size]
        self.size = ring.size
        self._mask = ring.size - 1

    def put(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Write bytes, at most ``size``, that begin at a stream offset."""
        first = offset & self._mask
        count = len(data)
        end = first + count
        if end <= self.size:
            self._data[first:end] = data
        else:
            split = self.size - first
            view = memoryview(data)
            self._data[first:] = view[:split]
            self._data[:count - split] = view[split:]

    def get(self, offset: int, count: int) -> bytes:
        """Copy ``count`` bytes, at most ``size``, out of the ring."""
        first = offset & self._mask
        end = first + count
        if end <= self.size:
            return bytes(self._data[first:end])
        return (bytes(self._data[first:])
                + bytes(self._data[:end - self.size]))


def advance(what: str, old: int, new: int, limit: int) -> int:
    """By how much a position written by the other end has grown.

    :param limit: how far it can have grown
    :raises RingError: it went back or beyond ``limit``
    """
    grown = new - old
    if grown < 0 or grown > limit:
        raise errors.RingError(
            f'{what}: position {new} after {old}, at most {old + limit} '
            f'is possible')
    return grown


def jump_to(what: str, value: int) -> int:
    """Check an offset of Domain R's that the host makes its own.

    :raises RingError: it is too large
    """
    if value > wire.JUMP_MAX:
        raise errors.RingError(f'{what}: {value} is no offset')
    return value


def checksum_seed(epoch: int, position: int) -> int:
    """Where the checksum of a stream begins in an epoch."""
    return zlib.crc32(struct.pack('<QQ', epoch, position))


def pack_published(offset: int, checksum: int) -> int:
    """The PUBLISHED word; it is never 0."""
    return (offset & _LOW) << 32 | checksum | 1


#: The vector to ring after a change of a stream.
VECTOR_OF = {
    wire.Stream.CONTROL_TO_DOMAIN_R: wire.Vector.CONTROL,
    wire.Stream.CONTROL_TO_HOST: wire.Vector.CONTROL,
    wire.Stream.SERIAL0_OUT: wire.Vector.SERIAL,
    wire.Stream.SERIAL0_IN: wire.Vector.SERIAL,
    wire.Stream.INPUT0_IN: wire.Vector.INPUT,
}
