# SPDX-License-Identifier: Apache-2.0
"""The client of QEMU's VNC server, alone."""

import struct

from laboratory.fuzz import loop as loop_module
from laboratory.fuzz import oracle, reader as reader_module, rfb_messages
from nova_dmore.channel import display
from nova_dmore import wire
from nova_dmore.worker.devices.display import rfb
from nova_dmore.worker.devices.display import source

_INIT = struct.pack('>HH16xI', 40, 30, 4) + b'QEMU'
_UPDATE = struct.pack('>BxHHHHHi', 0, 1, 0, 0, 4, 2, 0) + bytes(32)

SEEDS = [
    b'\x00' + rfb_messages.GREETING + _INIT + _UPDATE,
    b'\x00' + rfb_messages.GREETING + _INIT + struct.pack(
        '>BxHHHHHi', 0, 1, 3, 4, 9, 2, -239) + bytes(72 + 4) + b'\x02',
    b'\x00' + rfb_messages.GREETING + _INIT + struct.pack(
        '>BxHHHHHi', 0, 2, 0, 0, 80, 60, -223) + struct.pack(
        '>HHHHi', 70, 50, 20, 20, 0) + bytes(1600) + struct.pack(
        '>Bxxxi', 3, -4) + bytes(4),
    b'\x00' + rfb_messages.GREETING + _INIT + struct.pack(
        '>BxHHHHHiB', 0, 1, 0, 0, 1, 1, -261, 6),
    b'\x00' + rfb_messages.GREETING + _INIT + struct.pack(
        '>BxHHHHHi', 0, 2, 1, 4, 40, 30, -308) + b'\1' + bytes(
        19) + struct.pack('>HHHHi', 0, 0, 80, 60, -308) + b'\0' * 4,
    b'\x01' + bytes(range(256)),
    b'\x01\x28\x00\x1e\x00\x04\x00' + bytes(range(8)) * 20,
    b'RFB 003.008\n\x00\x00\x00\x00\x03bye',
]


class _Screen(source.Sink):
    """A picture that is cut to 100 x 50."""

    def __init__(self) -> None:
        self.size = (0, 0)
        self.pixels = bytearray()
        self.wanted = True
        self.over = False

    def resized(self, width, height):
        oracle.check(not self.over, 'resized after the end')
        oracle.check(0 <= width <= 0xffff and 0 <= height <= 0xffff,
                     'resized to %r x %r', width, height)
        self.size = min(width, 100), min(height, 50)
        self.pixels = bytearray(self.size[0] * self.size[1] * 4)

    def target(self, y, height):
        oracle.check(not self.over, 'pixels after the end')
        return ((memoryview(self.pixels), *self.size)
                if self.wanted else None)

    def updated(self, rectangles):
        oracle.check(not self.over, 'updated after the end')
        for x, y, width, height in rectangles:
            oracle.check(
                0 <= x < x + width <= self.size[0]
                and 0 <= y < y + height <= self.size[1],
                '%dx%d at %d,%d of %r', width, height, x, y, self.size)

    def leds(self, leds):
        oracle.check(0 <= leds <= 7, 'lights %r', leds)

    def size_answered(self, status):
        oracle.check(not self.over, 'answered after the end')
        oracle.check(0 <= status <= 0xffff, 'answered %r', status)

    def cursor(self, cursor):
        if cursor is not None:
            oracle.check(
                0 <= cursor.hot_x < cursor.width <= wire.CURSOR_SIDE_MAX
                and 0 <= cursor.hot_y < cursor.height <= wire.CURSOR_SIDE_MAX
                and len(cursor.pixels) == (
                    cursor.width * cursor.height * display.PIXEL_SIZE),
                'a cursor of %dx%d', cursor.width, cursor.height)

    def ended(self, reason):
        oracle.check(not self.over, 'ended twice')
        self.over = True


def run(data: bytes) -> None:
    """QEMU sends any bytes, or messages that are almost good."""
    reader = reader_module.Reader(data)
    loop = loop_module.Loop()
    connection = loop_module.Connection()
    screen = _Screen()
    client = rfb.RfbSource(loop, connection, screen)
    if reader.byte() & 1:
        connection.feed(rfb_messages.GREETING + rfb_messages.init(reader))
        for _ in reader.steps(12):
            _anything(reader, client, connection, screen)
            connection.feed(rfb_messages.message(reader))
            loop_module.deliver(loop, connection)
            loop.run()
    else:
        size = 1 + reader.byte() % 64 if data[:1] > b'\x80' else len(data)
        while not reader.done:
            connection.feed(reader.take(size))
        loop_module.deliver(loop, connection)
    connection.over = True
    loop_module.deliver(loop, connection)
    loop.run()
    oracle.check(screen.over or connection not in loop.readers,
                 'the end of the connection was not seen')
    client.close()


def _anything(reader, client, connection, screen) -> None:
    """What the device may do at any time."""
    kind = reader.byte()
    screen.wanted = bool(kind & 1)
    connection.full = kind & 6 == 6
    if kind & 8:
        client.request(bool(kind & 16))
    if kind & 32:
        client.hurry()
    if kind & 0x30 == 0x30:
        client.set_size(1 + reader.byte(), 1 + reader.byte())
    client.listen(kind & 0xc0 != 0xc0)
