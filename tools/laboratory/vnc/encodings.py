# SPDX-License-Identifier: Apache-2.0
"""The encodings of rectangles that this client asks for (RFC 6143, 7.7, and
the registered protocol text's section on Tight)."""

import enum
import zlib
from collections.abc import Callable

import numpy

from laboratory.vnc.stream import Stream

#: One number per pixel: red << 16 | green << 8 | blue.
Pixels = numpy.ndarray

_TILE = 64
_TIGHT_MIN = 12     # shorter data is not compressed
_COPY, _PALETTE, _GRADIENT = range(3)


class Encoding(enum.IntEnum):
    """Encodings, and those that are no encodings."""

    RAW = 0
    COPY_RECT = 1
    TIGHT = 7
    ZRLE = 16
    DESKTOP_SIZE = -223
    LAST_RECT = -224
    CURSOR = -239
    #: -256 to -247 ask for a level of compression.
    COMPRESSION_2 = -254


class ProtocolError(OSError):
    """The server said something that is not understood."""


def packed(data: bytes, red_first: bool) -> Pixels:
    """Pixels of three bytes each."""
    parts = numpy.frombuffer(data, numpy.uint8).reshape(-1, 3)
    first, green, last = (parts[:, place].astype(numpy.uint32)
                          for place in range(3))
    red, blue = (first, last) if red_first else (last, first)
    return red << 16 | green << 8 | blue


def unpack_bits(data: bytes, width: int, height: int, bits: int) -> Pixels:
    """Palette indices of one, two or four bits, each row from a new byte."""
    rows = numpy.frombuffer(data, numpy.uint8).reshape(height, -1)
    shifts = numpy.arange(8 - bits, -1, -bits, dtype=numpy.uint8)
    values = rows[:, :, None] >> shifts & (1 << bits) - 1
    return values.reshape(height, -1)[:, :width]


class Decoder:
    """Decodes the rectangles of one session, whose compressed streams go on
    from one to the next."""

    def __init__(self) -> None:
        self._zrle = zlib.decompressobj()
        self._tight = [zlib.decompressobj() for _ in range(4)]

    def decode(self, stream: Stream, encoding: int, width: int, height: int
               ) -> Pixels:
        """:raises ProtocolError: it is none of these encodings
        :raises Ended: the session has ended"""
        decoders: dict[int, Callable[[Stream, int, int], Pixels]] = {
            Encoding.RAW: self._raw, Encoding.ZRLE: self._zrle_tiles,
            Encoding.TIGHT: self._tight_rectangle}
        if encoding not in decoders:
            raise ProtocolError(f'encoding {encoding} was not asked for')
        try:
            return decoders[encoding](stream, width, height)
        except (zlib.error, ValueError, IndexError) as error:
            raise ProtocolError(f'encoding {encoding}: {error}') from error

    @staticmethod
    def _raw(stream: Stream, width: int, height: int) -> Pixels:
        data = stream.read(width * height * 4)
        return (numpy.frombuffer(data, '<u4') & 0xffffff).reshape(
            height, width)

    # Tight.

    def _tight_rectangle(self, stream: Stream, width: int, height: int
                         ) -> Pixels:
        control = stream.number(1)
        for place in range(4):
            if control >> place & 1:
                self._tight[place] = zlib.decompressobj()
        if control >> 4 == 8:
            return numpy.full((height, width),
                              packed(stream.read(3), True)[0])
        if control >> 4 > 8:
            raise ValueError('JPEG was not asked for')
        inflate = self._tight[control >> 4 & 3]
        kind = stream.number(1) if control & 0x40 else _COPY
        if kind == _PALETTE:
            return self._tight_palette(stream, inflate, width, height)
        data = self._tight_data(stream, inflate, width * height * 3)
        pixels = packed(data, True).reshape(height, width)
        return _ungradient(data, width, height) if kind == _GRADIENT else (
            pixels)

    def _tight_palette(self, stream: Stream, inflate: 'zlib._Decompress',
                       width: int, height: int) -> Pixels:
        count = stream.number(1) + 1
        palette = packed(stream.read(count * 3), True)
        if count == 2:
            data = self._tight_data(stream, inflate, (width + 7) // 8 * height)
            return palette[unpack_bits(data, width, height, 1)]
        data = self._tight_data(stream, inflate, width * height)
        return palette[numpy.frombuffer(data, numpy.uint8)].reshape(
            height, width)

    @staticmethod
    def _tight_data(stream: Stream, inflate: 'zlib._Decompress', size: int
                    ) -> bytes:
        if size < _TIGHT_MIN:
            return stream.read(size)
        length = 0
        for shift in (0, 7, 14):
            part = stream.number(1)
            length |= (part & 0x7f if shift < 14 else part) << shift
            if not part & 0x80:
                break
        return _inflated(inflate, stream.read(length), size)

    # ZRLE.

    def _zrle_tiles(self, stream: Stream, width: int, height: int) -> Pixels:
        data = self._zrle.decompress(stream.read(stream.number(4)))
        tiles = Stream(iter([data, b'']).__next__)
        pixels = numpy.zeros((height, width), numpy.uint32)
        for y in range(0, height, _TILE):
            for x in range(0, width, _TILE):
                part = pixels[y:y + _TILE, x:x + _TILE]
                part[...] = _zrle_tile(tiles, part.shape[1], part.shape[0])
        return pixels


def _inflated(inflate: 'zlib._Decompress', data: bytes, size: int) -> bytes:
    result = inflate.decompress(data, size)
    if len(result) != size:
        raise ValueError(f'{len(result)} bytes instead of {size}')
    return result


def _ungradient(data: bytes, width: int, height: int) -> Pixels:
    """Each pixel is the difference to what its neighbours let expect."""
    coded = numpy.frombuffer(data, numpy.uint8).reshape(height, width, 3)
    above = numpy.zeros((width + 1, 3), numpy.int32)
    pixels = numpy.zeros((height, width, 3), numpy.uint8)
    for y in range(height):
        row = numpy.zeros((width + 1, 3), numpy.int32)
        for x in range(width):
            guess = numpy.clip(row[x] + above[x + 1] - above[x], 0, 255)
            row[x + 1] = guess + coded[y, x] & 0xff
        pixels[y] = row[1:]
        above = row
    return packed(pixels.tobytes(), True).reshape(height, width)


def _zrle_tile(stream: Stream, width: int, height: int) -> Pixels:
    kind = stream.number(1)
    size = width * height
    if kind == 0:
        return packed(stream.read(size * 3), False).reshape(height, width)
    count = kind & 0x7f
    palette = packed(stream.read(count * 3), False)
    if kind == 1:
        return numpy.full((height, width), palette[0])
    if kind <= 16:
        bits = 1 if count == 2 else 2 if count <= 4 else 4
        row = (width * bits + 7) // 8
        return palette[unpack_bits(stream.read(row * height), width, height,
                                   bits)]
    if kind < 128:
        raise ValueError(f'no kind of tile: {kind}')
    pixels = numpy.zeros(size, numpy.uint32)
    place = 0
    while place < size:
        if count:
            index = stream.number(1)
            value, run = palette[index & 0x7f], index >> 7
        else:
            value, run = packed(stream.read(3), False)[0], 1
        length = 1
        while run:
            more = stream.number(1)
            length += more
            run = more == 255
        pixels[place:place + length] = value
        place += length
    return pixels.reshape(height, width)
