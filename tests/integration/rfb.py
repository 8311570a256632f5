# SPDX-License-Identifier: Apache-2.0
"""A VNC client for tests: knows raw pixels, and shows what it was told.

A second one beside :mod:`laboratory.vnc`, which can only behave well: it makes
the whole handshake at once, and sends nothing but keys and requests. Tests of
a server against hostile and odd clients need each message by itself: one that
is cut off, has a wrong length, comes too early or too often, or asks for what
no client knows; and they need to leave unread what the server sends.
"""

import asyncio
import struct
from collections.abc import Sequence

RAW = 0
CURSOR = -239
DESKTOP_SIZE = -223
EXTENDED_DESKTOP_SIZE = -308
EXTENDED_KEYS = -258
QEMU_LEDS = -261
VMWARE_LEDS = 0x574d5668
EXTENDED_BUTTONS = -316
EXTENDED_CLIPBOARD = 0xc0a1e5ce - (1 << 32)

#: What comes unasked.
_UNASKED = (EXTENDED_KEYS, QEMU_LEDS, VMWARE_LEDS, EXTENDED_BUTTONS)


class Refused(Exception):
    """The server does not let the client in; its reason."""


class Client:
    """One connection.

    :ivar pixels: blue, green, red, unused of each pixel
    :ivar updates: updates that came
    :ivar special: rectangles that are no pixels: encoding, x, y, w, h
    :ivar lights: of the keyboard, as they were told
    :ivar answers: to the sizes that it has asked for
    :ivar clipboard: messages of the extended clipboard
    """

    def __init__(self, reader: asyncio.StreamReader,
                 writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.updates = 0
        self.special: list[tuple[int, int, int, int, int]] = []
        self.cursor: tuple[int, int, bytes, bytes] | None = None
        self.lights: list[int] = []
        self.answers: list[int] = []
        self.clipboard: list[bytes] = []

    async def start(self, shared: bool = True) -> 'Client':
        """Pass the security handshake with None, and ClientInit."""
        await self.version()
        count = (await self.reader.readexactly(1))[0]
        if count == 0:
            raise Refused(await self._reason())
        types = await self.reader.readexactly(count)
        assert 1 in types, types
        self.writer.write(b'\1')
        await self.result()
        await self.init(shared)
        return self

    async def version(self) -> None:
        """Exchange versions."""
        assert await self.reader.readexactly(12) == b'RFB 003.008\n'
        self.writer.write(b'RFB 003.008\n')

    async def result(self) -> None:
        """Take the result of the security handshake."""
        if struct.unpack('>I', await self.reader.readexactly(4))[0]:
            raise Refused(await self._reason())

    async def _reason(self) -> str:
        length, = struct.unpack('>I', await self.reader.readexactly(4))
        return (await self.reader.readexactly(length)).decode()

    async def init(self, shared: bool = True) -> None:
        """Send ClientInit, take ServerInit."""
        self.writer.write(bytes([shared]))
        await self.server_init()

    async def server_init(self) -> None:
        """Take ServerInit."""
        self.width, self.height, _, length = struct.unpack(
            '>HH16sI', await self.reader.readexactly(24))
        self.name = (await self.reader.readexactly(length)).decode()
        self.pixels = bytearray(self.width * self.height * 4)

    # -- to the server

    def encodings(self, *numbers: int) -> None:
        """Say what the client understands, the best first."""
        self.writer.write(struct.pack(f'>BxH{len(numbers)}i', 2,
                                      len(numbers), *numbers))

    def request(self, incremental: bool = True) -> None:
        """Ask for an update of everything."""
        self.writer.write(struct.pack('>BB4H', 3, incremental, 0, 0,
                                      self.width, self.height))

    def ask_for_size(self, width: int, height: int) -> None:
        """Ask the server to change the desktop's size."""
        self.writer.write(struct.pack('>BxHHBx', 251, width, height, 1)
                          + struct.pack('>IHHHHI', 1, 0, 0, width, height, 0))

    def key(self, symbol: int, down: bool) -> None:
        """Press or let go a key."""
        self.writer.write(struct.pack('>BBxxI', 4, down, symbol))

    def extended_key(self, symbol: int, number: int, down: bool) -> None:
        """The same, in QEMU's way."""
        self.writer.write(struct.pack('>BBHII', 255, 0, down, symbol, number))

    def type(self, text: str) -> None:
        """Press and let go the keys of a text."""
        for character in text:
            self.key(ord(character), True)
            self.key(ord(character), False)

    def pointer(self, buttons: int, x: int, y: int) -> None:
        """Move the pointer."""
        self.writer.write(struct.pack('>BBHH', 5, buttons, x, y))

    def copy(self, text: str) -> None:
        """Put a text on the clipboard, in Latin-1."""
        data = text.encode('latin-1')
        self.writer.write(struct.pack('>BxxxI', 6, len(data)) + data)

    def extended_clipboard(self, word: int, data: bytes = b'') -> None:
        """A message of the extended clipboard."""
        self.writer.write(struct.pack('>BxxxiI', 6, -4 - len(data), word)
                          + data)

    # -- from the server

    async def update(self) -> None:
        """Take one update that was asked for; other messages are not."""
        while not await self._message():
            pass

    async def _message(self) -> bool:
        kind = (await self.reader.readexactly(1))[0]
        if kind == 3:       # text for the clipboard
            _, length = struct.unpack('>3si', await self.reader.readexactly(7))
            data = await self.reader.readexactly(abs(length))
            if length < 0:
                self.clipboard.append(data)
            return False
        assert kind == 0, kind
        _, count = struct.unpack('>BH', await self.reader.readexactly(3))
        asked = False
        for _ in range(count):
            header = struct.unpack('>4Hi', await self.reader.readexactly(12))
            await self._rectangle(*header)
            asked |= not (header[4] in _UNASKED or _is_answer(header))
        self.updates += asked
        return asked

    async def _rectangle(self, x: int, y: int, width: int, height: int,
                         encoding: int) -> None:
        if encoding == RAW:
            data = await self.reader.readexactly(width * height * 4)
            for row in range(height):
                start = ((y + row) * self.width + x) * 4
                self.pixels[start:start + width * 4] = (
                    data[row * width * 4:(row + 1) * width * 4])
            return
        self.special.append((encoding, x, y, width, height))
        if encoding == CURSOR:
            self.cursor = (
                width, height, await self.reader.readexactly(
                    width * height * 4),
                await self.reader.readexactly((width + 7) // 8 * height))
        elif encoding == QEMU_LEDS:
            self.lights += await self.reader.readexactly(1)
        elif encoding == VMWARE_LEDS:
            self.lights += struct.unpack(
                '>I', await self.reader.readexactly(4))
        elif encoding in (DESKTOP_SIZE, EXTENDED_DESKTOP_SIZE):
            if encoding == EXTENDED_DESKTOP_SIZE:
                screens = (await self.reader.readexactly(4))[0]
                await self.reader.readexactly(16 * screens)
            if _is_answer((x, y, width, height, encoding)):
                self.answers.append(y)
                return
            self.width, self.height = width, height
            self.pixels = bytearray(width * height * 4)

    async def update_to(self, wanted: bytes | memoryview,
                        seconds: float = 10) -> None:
        """Ask for updates until the picture is the one that is wanted.

        :raises TimeoutError: it does not become so
        """
        async with asyncio.timeout(seconds):
            while self.visible() != visible(wanted):
                self.request()
                await self.update()

    def visible(self) -> bytes:
        """The pixels without their unused bytes."""
        return visible(self.pixels)

    async def close(self) -> None:
        """Cut the connection."""
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except OSError:
            pass    # the server was first


def _is_answer(header: tuple[int, int, int, int, int]) -> bool:
    """Whether a rectangle tells what has become of a size that was asked for.
    """
    return header[4] == EXTENDED_DESKTOP_SIZE and header[0] == 1


def visible(pixels: bytes | bytearray | memoryview) -> bytes:
    """Pixels with their unused bytes set to 0."""
    data = bytearray(pixels)
    data[3::4] = bytes(len(data) // 4)
    return bytes(data)


async def connect(port: int, host: str = '127.0.0.1', shared: bool = True,
                  encodings: Sequence[int] = (
                      RAW, DESKTOP_SIZE, CURSOR, EXTENDED_KEYS)) -> Client:
    """A client that is in."""
    client = Client(*await asyncio.open_connection(host, port))
    try:
        await client.start(shared)
    except BaseException:
        await client.close()
        raise
    client.encodings(*encodings)
    return client
