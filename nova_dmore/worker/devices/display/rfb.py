# SPDX-License-Identifier: Apache-2.0
"""A client of QEMU's VNC server: RFB 3.8, security None, raw pixels.

Written from RFC 6143, and ui/vnc.c of QEMU 7.2 for its peculiarities. All
that is received is checked, for the guest has some control over it.
"""

import socket
import struct
from collections.abc import Generator
from typing import TypeAlias

from nova_dmore.channel import display
from nova_dmore.posix import loop as loop_module
from nova_dmore import wire
from nova_dmore.worker.devices.display import source

_VERSION = b'RFB 003.008\n'
_SECURITY_NONE = 1

#: 32 bits per pixel, depth 24, little-endian true colour: blue, green, red,
#: unused. It is QEMU's own, so nothing is converted.
_PIXEL_FORMAT = struct.pack('>BBBBHHHBBBxxx', 32, 24, 0, 1,
                            255, 255, 255, 16, 8, 0)
_RAW = 0
_DESKTOP_SIZE = -223
_RICH_CURSOR = -239
_LED_STATE = -261
_EXTENDED_DESKTOP_SIZE = -308

#: Of an extended size: it is the answer to what this client asked for.
_ANSWER = 1
_SCREEN_SIZE = 16

_FRAMEBUFFER_UPDATE, _COLOUR_MAP, _BELL, _CUT_TEXT = range(4)

_TEXT_MAX = 1 << 20
_CURSOR_MAX = 1 << 24
#: For each byte of a cursor's mask the fourth bytes of eight pixels.
_MASKS = [bytes(0xff if byte << bit & 0x80 else 0 for bit in range(8))
          for byte in range(256)]

#: Bytes read at a time, and at most before others have their turn.
_CHUNK = 1 << 16
_TURN = 1 << 22

#: A rectangle that is not as wide as the picture goes through a buffer: a
#: row of the widest picture at least.
_SCRATCH = 1 << 18

#: QEMU's extended key event: the left shift key, which is not down, goes up.
#: QEMU ignores it; but any message of a type above 3 makes it refresh the
#: guest's display every 30 ms again, where it slows down to 3 s by itself.
#: Cut text of no length would do as well, if it left the clipboard alone.
_HURRY = struct.pack('>BBHII', 255, 0, 0, 0xffe1, 0x2a)

#: Yields each buffer that is to be filled.
_Steps: TypeAlias = Generator[memoryview, None, None]


class RfbError(Exception):
    """QEMU sent what cannot be."""


class RfbSource(source.Source):
    """See :class:`source.Source`.

    :param sock: connected; it becomes this object's.
    """

    def __init__(self, loop: loop_module.Loop, sock: socket.socket,
                 sink: source.Sink) -> None:
        sock.setblocking(False)
        self._loop = loop
        self._sock: socket.socket | None = sock
        self._sink = sink
        self._listening = False
        self._ready = False
        self._size = (0, 0)
        self._received = memoryview(bytearray(_CHUNK))
        self._first = self._last = 0    # what is left in it
        self._scratch = memoryview(bytearray(_SCRATCH))
        self._parser = self._parse()
        self._wanted = next(self._parser)
        self._filled = 0
        self._unsent = b''
        self.listen(True)

    # -- source.Source

    def listen(self, on: bool) -> None:
        """See :class:`source.Source`."""
        if self._sock is None or on == self._listening:
            return
        self._listening = on
        if on:
            self._loop.add_reader(self._sock, self._readable)
        else:
            self._loop.remove_reader(self._sock)

    def request(self, everything: bool) -> None:
        """See :class:`source.Source`."""
        self.asked = True
        self._send(struct.pack('>BBHHHH', 3, 0 if everything else 1, 0, 0,
                               *self._size))

    def set_size(self, width: int, height: int) -> None:
        """See :class:`source.Source`."""
        # One screen, which is all of the desktop; QEMU reads none of that.
        self._send(struct.pack('>BxHHBxIHHHHI', 251, width, height, 1,
                               0, 0, 0, width, height, 0))

    def hurry(self) -> None:
        """See :class:`source.Source`."""
        if self._ready:
            self._send(_HURRY)

    def close(self) -> None:
        """See :class:`source.Source`."""
        if self._sock is not None:
            self._loop.remove_reader(self._sock)
            self._loop.remove_writer(self._sock)
            self._sock.close()
            self._sock = None

    # -- bytes

    def _end(self, reason: str) -> None:
        if self._sock is not None:
            self.close()
            self._sink.ended(reason)

    def _send(self, data: bytes) -> None:
        """Send some tens of bytes; QEMU reads them at once, normally."""
        if self._sock is None:
            return
        if self._unsent:
            if len(self._unsent) > _CHUNK:
                self._end('QEMU does not read')
                return
            self._unsent += data
            return
        self._unsent = data
        self._writable()

    def _writable(self) -> None:
        sock = self._sock
        assert sock is not None     # ``close`` ends these calls
        try:
            sent = sock.send(self._unsent)
        except BlockingIOError:
            sent = 0
        except OSError as e:
            # From the loop: the caller is not prepared for the end.
            self._loop.call_soon(self._end, str(e))
            sent = len(self._unsent)
        self._unsent = self._unsent[sent:]
        if self._unsent:
            self._loop.add_writer(sock, self._writable)
        else:
            self._loop.remove_writer(sock)

    def _readable(self) -> None:
        left = _TURN
        try:
            while left > 0 and self._listening and self._sock is not None:
                count = self._receive(self._sock)
                if count == 0:
                    self._end('QEMU closed the connection')
                    return
                left -= count
        except BlockingIOError:
            pass
        except (OSError, RfbError) as e:
            self._end(str(e))

    def _receive(self, sock: socket.socket) -> int:
        """Receive once, and parse -> number of bytes, 0 at the end."""
        wanted, filled = self._wanted, self._filled
        if len(wanted) - filled >= _CHUNK:
            count = sock.recv_into(wanted[filled:])
            self._filled += count
            if count:
                self._advance()
            return count
        count = sock.recv_into(self._received)
        self._first, self._last = 0, count
        while self._first < self._last and self._sock is not None:
            taken = min(len(self._wanted) - self._filled,
                        self._last - self._first)
            self._wanted[self._filled:self._filled + taken] = (
                self._received[self._first:self._first + taken])
            self._first += taken
            self._filled += taken
            self._advance()
        return count

    def _advance(self) -> None:
        while self._filled == len(self._wanted):
            self._filled = 0
            self._wanted = self._parser.send(None)

    # -- the protocol: each ``yield`` is a buffer that comes back full

    def _parse(self) -> _Steps:
        head = memoryview(bytearray(256))
        yield head[:12]
        if not bytes(head[:8]) == _VERSION[:8]:
            raise RfbError('this is no RFB 3 server')
        self._send(_VERSION)
        yield head[:1]
        count = head[0]
        if not count:
            raise RfbError('no connection is wanted')
        yield head[:count]
        if _SECURITY_NONE not in head[:count]:
            raise RfbError('QEMU wants a password')
        self._send(bytes([_SECURITY_NONE]))
        yield head[:4]
        if any(head[:4]):
            raise RfbError('QEMU refused')
        self._send(b'\x01')     # shared with others
        yield head[:24]
        width, height = struct.unpack_from('>HH', head)
        yield from self._text(struct.unpack_from('>I', head, 20)[0])
        self._send(b'\x00\x00\x00\x00' + _PIXEL_FORMAT + struct.pack(
            '>BxHiiiii', 2, 5, _RAW, _DESKTOP_SIZE, _EXTENDED_DESKTOP_SIZE,
            _RICH_CURSOR, _LED_STATE))
        self._ready = True
        self._resized(width, height)
        while True:
            yield head[:1]
            kind = head[0]
            if kind == _FRAMEBUFFER_UPDATE:
                yield head[:3]
                yield from self._update(
                    head, struct.unpack_from('>xH', head)[0])
            elif kind == _COLOUR_MAP:
                yield head[:5]
                yield from self._skip(
                    6 * struct.unpack_from('>3xH', head)[0])
            elif kind == _CUT_TEXT:
                yield head[:7]
                yield from self._text(
                    abs(struct.unpack_from('>3xi', head)[0]))
            elif kind != _BELL:
                raise RfbError(f'QEMU sent a message of type {kind}')

    def _text(self, count: int) -> _Steps:
        if count > _TEXT_MAX:
            raise RfbError(f'QEMU sent a text of {count} bytes')
        return self._skip(count)

    def _skip(self, count: int) -> _Steps:
        while count:
            part = self._scratch[:min(count, _SCRATCH)]
            yield part
            count -= len(part)

    def _update(self, head: memoryview, count: int) -> _Steps:
        written: list[display.Rectangle] = []
        answer = not count
        for _ in range(count):
            yield head[:12]
            x, y, width, height, encoding = struct.unpack_from(
                '>HHHHi', head)
            if encoding == _RAW:
                answer = True
                area = yield from self._raw(x, y, width, height)
                if area is not None:
                    written.append(area)
            elif encoding in (_DESKTOP_SIZE, _EXTENDED_DESKTOP_SIZE):
                answered = False
                if encoding == _EXTENDED_DESKTOP_SIZE:
                    yield head[:4]
                    yield from self._skip(head[0] * _SCREEN_SIZE)
                    answered = x == _ANSWER
                if answered:
                    # Its size is the one that this client was told last.
                    self._sink.size_answered(y)
                else:
                    # What was written so far is of the old size.
                    written.clear()
                    self._resized(width, height)
            elif encoding == _RICH_CURSOR:
                yield from self._rich_cursor(x, y, width, height)
            elif encoding == _LED_STATE:
                yield head[:1]
                self._sink.leds(head[0] & 7)
            else:
                raise RfbError(f'QEMU sent the encoding {encoding}')
        if answer:
            self.asked = False
            self._sink.updated(written)

    def _resized(self, width: int, height: int) -> None:
        self._size = width, height
        self._sink.resized(width, height)

    def _raw(self, x: int, y: int, width: int, height: int
             ) -> Generator[memoryview, None, display.Rectangle | None]:
        """Take a rectangle -> what of it was written, or None."""
        size = width * display.PIXEL_SIZE
        target = (self._sink.target(y, height) if size and height else None)
        pixels, right, bottom = target or (memoryview(b''), 0, 0)
        if target and x == 0 and width == right and y + height <= bottom:
            yield pixels[y * size:(y + height) * size]
            return x, y, width, height
        stride = right * display.PIXEL_SIZE
        cut = max(0, min(width, right - x)) * display.PIXEL_SIZE
        rows = _SCRATCH // size if size else 0
        done = 0
        while size and done < height:
            count = min(rows, height - done)
            part = self._scratch[:count * size]
            yield part
            shown = min(count, bottom - y - done) if cut else 0
            to = (y + done) * stride + x * display.PIXEL_SIZE
            for start in range(0, shown * size, size):
                pixels[to:to + cut] = part[start:start + cut]
                to += stride
            done += count
        height = min(height, bottom - y)
        if not cut or height <= 0:
            return None
        return x, y, cut // display.PIXEL_SIZE, height

    def _rich_cursor(self, hot_x: int, hot_y: int, width: int, height: int
                     ) -> _Steps:
        stride = (width + 7) // 8
        if max(width, height) > wire.CURSOR_SIDE_MAX or not width * height:
            size = width * height * display.PIXEL_SIZE + stride * height
            if size > _CURSOR_MAX:
                raise RfbError(f'QEMU sent a cursor of {width}x{height}')
            yield from self._skip(size)
            self._sink.cursor(None)
            return
        pixels = bytearray(width * height * display.PIXEL_SIZE)
        yield memoryview(pixels)
        mask = bytearray(stride * height)
        yield memoryview(mask)
        row = width * display.PIXEL_SIZE
        for line in range(height):
            shown = b''.join(_MASKS[each] for each in mask[
                line * stride:(line + 1) * stride])[:width]
            pixels[line * row + 3:(line + 1) * row:display.PIXEL_SIZE] = shown
        self._sink.cursor(display.Cursor(
            width, height, min(hot_x, width - 1), min(hot_y, height - 1),
            bytes(pixels)))
