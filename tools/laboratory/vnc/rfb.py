# SPDX-License-Identifier: Apache-2.0
"""The conversation with a VNC server (RFC 6143), security type None."""

import dataclasses
import struct
import threading
from collections.abc import Callable, Sequence

import numpy

from laboratory.vnc import encodings
from laboratory.vnc.encodings import Encoding, Pixels, ProtocolError
from laboratory.vnc.stream import Stream

#: As noVNC asks, but nothing that changes a pixel.
USUAL = (Encoding.COPY_RECT, Encoding.TIGHT, Encoding.ZRLE, Encoding.RAW,
         Encoding.COMPRESSION_2)
_ALWAYS = (Encoding.DESKTOP_SIZE, Encoding.LAST_RECT, Encoding.CURSOR)
_VERSION = b'RFB 003.008\n'
_NONE = 1
#: 32 bits, 24 of colour, little-endian; blue is the first byte.
_PIXEL_FORMAT = struct.pack('>BBBBHHHBBB3x', 32, 24, 0, 1, 255, 255, 255,
                            16, 8, 0)
_TEXT_MAX = 1 << 20

CONTROL = 0xffe3
RETURN = 0xff0d


@dataclasses.dataclass(frozen=True)
class Update:
    """One message with changes of the picture, all of it received.

    :param area: pixels that it brought, those copied included
    """

    area: int


class Connection:
    """A session with a server.

    :param receive: waits for some bytes; none when the session has ended
    :param send: sends bytes; raises OSError when it has
    :ivar picture: what the server shows; one thread calls ``update``
    :raises OSError: it ended, or the server wants something else
    """

    def __init__(self, receive: Callable[[], bytes],
                 send: Callable[[bytes], object],
                 asked: Sequence[int] = USUAL) -> None:
        self._stream = Stream(receive)
        self._send_bytes = send
        self._sending = threading.Lock()
        self._decoder = encodings.Decoder()
        self._begin()
        self._set_size(self._stream.number(2), self._stream.number(2))
        self._stream.read(16)
        self.name = self._stream.read(self._stream.number(4))
        wanted = [*asked, *_ALWAYS]
        self._send(b'\0\0\0\0' + _PIXEL_FORMAT)
        self._send(struct.pack(f'>BxH{len(wanted)}i', 2, len(wanted), *wanted))
        self.ask(incremental=False)

    @property
    def received(self) -> int:
        """How many bytes have come."""
        return self._stream.received

    def ask(self, incremental: bool = True) -> None:
        """Ask for what changes, or for all there is."""
        height, width = self.picture.shape
        self._send(struct.pack('>BBHHHH', 3, incremental, 0, 0, width, height))

    def key(self, down: bool, symbol: int) -> None:
        """Press a key, or let it go.

        :param symbol: an X11 keysym; of ASCII, it is the character
        """
        self._send(struct.pack('>BBxxI', 4, down, symbol))

    def press(self, symbol: int) -> None:
        """A key, down and up."""
        self._send(struct.pack('>BBxxIBBxxI', 4, 1, symbol, 4, 0, symbol))

    def update(self) -> Update:
        """Wait for the next message that changes the picture, and ask for
        more.

        :raises OSError: the session has ended
        """
        stream = self._stream
        while True:
            kind = stream.number(1)
            if kind == 0:
                return Update(self._rectangles())
            if kind == 1:
                stream.read(3)
                stream.read(stream.number(2) * 6)
            elif kind == 3:
                stream.read(3)
                length = stream.number(4)
                if length > _TEXT_MAX:
                    raise ProtocolError(f'text of {length} bytes')
                stream.read(length)
            elif kind != 2:
                raise ProtocolError(f'no message of the server: {kind}')

    def _begin(self) -> None:
        stream = self._stream
        version = stream.read(12)
        if version != _VERSION:
            raise ProtocolError(f'version {version!r}')
        self._send(_VERSION)
        kinds = stream.read(stream.number(1))
        if _NONE not in kinds:
            raise ProtocolError(
                f'security types {list(kinds)}: '
                f'{stream.read(stream.number(4)) if not kinds else ""!r}')
        self._send(bytes([_NONE]))
        if stream.number(4):
            raise ProtocolError(repr(stream.read(stream.number(4))))
        self._send(b'\1')   # others may watch, too

    def _send(self, data: bytes) -> None:
        with self._sending:
            self._send_bytes(data)

    def _set_size(self, width: int, height: int) -> None:
        self.picture: Pixels = numpy.zeros((height, width), numpy.uint32)

    def _rectangles(self) -> int:
        stream = self._stream
        stream.read(1)
        area = 0
        resized = False
        for _ in range(stream.number(2)):
            x, y, width, height, encoding = struct.unpack(
                '>HHHHi', stream.read(12))
            if encoding == Encoding.LAST_RECT:
                break
            if encoding == Encoding.DESKTOP_SIZE:
                self._set_size(width, height)
                resized = True
            elif encoding == Encoding.CURSOR:
                stream.read(width * height * 4 + (width + 7) // 8 * height)
            else:
                area += width * height
                self._paint(x, y, width, height, encoding)
        self.ask(incremental=not resized)
        return area

    def _paint(self, x: int, y: int, width: int, height: int, encoding: int
               ) -> None:
        part = self.picture[y:y + height, x:x + width]
        if part.shape != (height, width):
            raise ProtocolError(f'{width}x{height} at {x},{y} is outside')
        if encoding == Encoding.COPY_RECT:
            from_x, from_y = struct.unpack('>HH', self._stream.read(4))
            part[...] = self.picture[from_y:from_y + height,
                                     from_x:from_x + width].copy()
        else:
            part[...] = self._decoder.decode(self._stream, encoding, width,
                                             height)
