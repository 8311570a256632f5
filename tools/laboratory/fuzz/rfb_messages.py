# SPDX-License-Identifier: Apache-2.0
"""What a hostile QEMU says as a VNC server, for the parts of ``rfb``."""

import struct

from laboratory.fuzz import reader as reader_module

GREETING = (b'RFB 003.008\n' + b'\x01\x01' + b'\x00\x00\x00\x00')
_ENCODINGS = (0, 0, 0, -223, -239, 1, 5, 7, 16, -224, -308, 255)
_SIDES = (0, 1, 2, 7, 8, 16, 64, 127, 128, 129, 640, 2160, 2561, 3840,
          65535)
#: Bytes of pixels that one message brings at most.
_PIXELS_MAX = 1 << 19


def init(reader: reader_module.Reader) -> bytes:
    """The ServerInit message."""
    width, height = side(reader), side(reader)
    name = reader.byte() % 8
    length = reader.word() % (1 << 32) if reader.byte() > 200 else name
    return struct.pack('>HH16xI', width, height, length) + bytes(name)


def side(reader: reader_module.Reader) -> int:
    """A width, a height, or a place."""
    kind = reader.byte()
    return (kind % 100 if kind < 128 else reader.pick(_SIDES)
            if kind < 230 else reader.number(0xffff))


def message(reader: reader_module.Reader) -> bytes:
    """Any message, most often one that a server might send."""
    kind = reader.byte() % 8
    if kind < 5:
        count = 1 + reader.byte() % 4
        said = count if reader.byte() < 240 else reader.number(0xffff)
        return struct.pack('>BxH', 0, said) + b''.join(
            _rectangle(reader) for _ in range(count))
    if kind == 5:
        count = reader.byte() % 40
        return struct.pack('>BxHH', 1, reader.number(0xffff),
                           count) + bytes(6 * count)
    if kind == 6:
        length = reader.word() % (1 << 32) - (1 << 31)
        return struct.pack('>Bxxxi', 3, length) + bytes(
            min(abs(length), 1 << 10))
    return b'\x02' if reader.byte() & 1 else reader.take(reader.byte())


def _rectangle(reader: reader_module.Reader) -> bytes:
    encoding = reader.pick(_ENCODINGS)
    x, y, width, height = (side(reader) for _ in range(4))
    if encoding == 0 and reader.byte() & 1:
        x = y = 0
    size = 0
    if encoding == 0:
        size = width * height * 4
    elif encoding == -239:
        size = width * height * 4 + (width + 7) // 8 * height
    if encoding == -308:
        # Most often an answer, with as many screens as it says.
        x = 1 if reader.byte() < 160 else x
        screens = reader.byte() % 4
        return struct.pack('>HHHHiBxxx', x, y, width, height, encoding,
                           screens) + bytes(16 * screens)
    size = min(size, _PIXELS_MAX)
    pixels = reader.take(reader.byte() % 16)[:size]
    return (struct.pack('>HHHHi', x, y, width, height, encoding) + pixels
            + bytes([reader.byte()]) * (size - len(pixels)))
