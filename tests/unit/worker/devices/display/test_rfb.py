# SPDX-License-Identifier: Apache-2.0
"""The RFB client: what it shows, and what it does about nonsense."""

import random
import socket
import struct
import unittest

import hypothesis
from hypothesis import strategies

from nova_dmore.channel import display
from nova_dmore import wire
from nova_dmore.worker.devices.display import rfb
from nova_dmore.worker.devices.display import source
from tests import examples
from tests.unit.worker import fake_loop

_HEAD = struct.Struct('>HHHHi')
GREETING = (b'RFB 003.008\n' + b'\x01\x01' + b'\x00\x00\x00\x00'
            + struct.pack('>HH', 64, 48) + bytes(16)
            + struct.pack('>I', 4) + b'QEMU')


def update(*rectangles):
    """:param rectangles: (x, y, width, height, encoding, data)"""
    return struct.pack('>BxH', 0, len(rectangles)) + b''.join(
        _HEAD.pack(*each[:5]) + each[5] for each in rectangles)


def raw(x, y, width, height, value=None):
    data = (random.Random(f'{x}{y}').randbytes(width * height * 4)
            if value is None else bytes([value]) * width * height * 4)
    return x, y, width, height, 0, data


class Screen(source.Sink):
    """A picture that is cut to 100 x 50."""

    def __init__(self):
        self.log = []
        self.size = (0, 0)
        self.pixels = bytearray()
        self.wanted = True

    def resized(self, width, height):
        self.log.append(('resized', width, height))
        self.size = min(width, 100), min(height, 50)
        self.pixels = bytearray(self.size[0] * self.size[1] * 4)

    def target(self, y, height):
        if not self.wanted:
            return None
        return memoryview(self.pixels), *self.size

    def updated(self, rectangles):
        self.log.append(('updated', rectangles))

    def cursor(self, cursor):
        self.log.append(('cursor', cursor))

    def leds(self, leds):
        self.log.append(('leds', leds))

    def size_answered(self, status):
        self.log.append(('size answered', status))

    def ended(self, reason):
        self.log.append(('ended', reason))


class RfbTest(unittest.TestCase):

    def setUp(self):
        super().setUp()
        self.begin()

    def begin(self):
        self.loop = fake_loop.FakeLoop()
        ours, self.qemu = socket.socketpair()
        self.addCleanup(self.qemu.close)
        for each in (ours, self.qemu):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 22)
        self.screen = Screen()
        self.source = rfb.RfbSource(self.loop, ours, self.screen)
        self.addCleanup(self.source.close)

    def greeted(self):
        self.gets(GREETING)
        self.sent()
        self.screen.log.clear()
        return self

    def gets(self, data):
        self.qemu.sendall(data)
        self.loop.read()

    def sent(self):
        try:
            return self.qemu.recv(1 << 16, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return b''

    def part(self, x, y, width, height):
        wide = self.screen.size[0]
        return b''.join(
            self.screen.pixels[((y + row) * wide + x) * 4:][:width * 4]
            for row in range(height))

    def test_greeting(self):
        for each in GREETING:
            self.gets(bytes([each]))
        self.assertEqual([('resized', 64, 48)], self.screen.log)
        self.assertEqual(
            b'RFB 003.008\n' b'\x01' b'\x01'
            b'\0\0\0\0' b'\x20\x18\0\x01\0\xff\0\xff\0\xff\x10\x08\0\0\0\0'
            b'\x02\0\0\x05' b'\0\0\0\0' b'\xff\xff\xff\x21'
            b'\xff\xff\xfe\xcc' b'\xff\xff\xff\x11' b'\xff\xff\xfe\xfb',
            self.sent())

    def test_lights_of_the_keyboard(self):
        self.greeted()
        self.source.request(False)
        self.gets(update((0, 0, 1, 1, -261, b'\xfe')))
        self.assertEqual([('leds', 6)], self.screen.log)
        self.assertTrue(self.source.asked)      # it was no answer

    def test_asks_for_a_size(self):
        self.greeted()
        self.source.set_size(1280, 720)
        self.assertEqual(
            b'\xfb\0\x05\0\x02\xd0\x01\0' + bytes(8)
            + b'\x05\0\x02\xd0' + bytes(4), self.sent())

    def test_extended_sizes(self):
        self.greeted()
        self.source.request(False)
        for screens in (0, 1, 255):
            self.gets(update((1, 4, 64, 48, -308, bytes([screens])
                              + bytes(3 + 16 * screens))))
            self.assertEqual([('size answered', 4)], self.screen.log)
            self.screen.log.clear()
        for reason in (0, 2):
            self.gets(update((reason, 0, 80, 60, -308, b'\1' + bytes(19))))
            self.assertEqual([('resized', 80, 60)], self.screen.log)
            self.screen.log.clear()
        self.assertTrue(self.source.asked)      # all of that is no answer
        self.source.request(False)
        self.sent()
        self.gets(update(raw(0, 0, 80, 50)))
        self.assertEqual([('updated', [(0, 0, 80, 50)])], self.screen.log)

    def test_requests(self):
        self.source.hurry()     # not yet
        self.greeted()
        self.source.request(True)
        self.assertTrue(self.source.asked)
        self.assertEqual(b'\x03\0\0\0\0\0\0\x40\0\x30', self.sent())
        self.source.request(False)
        self.assertEqual(b'\x03\x01\0\0\0\0\0\x40\0\x30', self.sent())
        self.gets(update())
        self.assertFalse(self.source.asked)
        self.source.hurry()
        self.assertEqual(b'\xff\0\0\0\0\0\xff\xe1\0\0\0\x2a', self.sent())

    @examples.settings()
    @hypothesis.given(
        strategies.lists(
            strategies.tuples(*[strategies.integers(0, 70)] * 4),
            max_size=4),
        strategies.lists(strategies.integers(1, 9000), max_size=20))
    def test_rectangles_in_pieces(self, places, cuts):
        self.begin()
        self.greeted()
        data = update(*(raw(*each) for each in places))
        for cut in cuts:
            self.gets(data[:cut])
            data = data[cut:]
        self.gets(data)
        shown = [(x, y, min(width, 64 - x), min(height, 48 - y))
                 for x, y, width, height in places
                 if width and height and x < 64 and y < 48]
        self.assertEqual([('updated', shown)], self.screen.log)
        for place, area in list(zip(
                [each for each in places if each[2] and each[3]
                 and each[0] < 64 and each[1] < 48], shown))[-1:]:
            x, y, width, height = area
            whole = raw(*place)[5]
            self.assertEqual(
                b''.join(whole[row * place[2] * 4:][:width * 4]
                         for row in range(height)), self.part(*area))
        self.source.close()
        self.qemu.close()

    def test_nothing_is_touched_beside_a_rectangle(self):
        self.greeted()
        self.gets(update(raw(3, 4, 5, 6, 0xaa)))
        self.assertEqual(5 * 6 * 4, self.screen.pixels.count(0xaa))
        self.assertEqual(b'\xaa' * 120, self.part(3, 4, 5, 6))

    def test_larger_than_what_is_shown(self):
        self.greeted()
        self.gets(update((0, 0, 300, 200, -223, b'')))
        self.assertEqual([('resized', 300, 200)], self.screen.log)
        self.gets(update(raw(0, 0, 300, 200, 1), raw(90, 40, 100, 100, 2),
                         raw(200, 0, 10, 10, 3), raw(0, 100, 300, 10, 4)))
        self.assertEqual(
            ('updated', [(0, 0, 100, 50), (90, 40, 10, 10)]),
            self.screen.log[-1])
        self.assertEqual(b'\x02' * 400, self.part(90, 40, 10, 10))
        self.assertEqual(100 * 50 * 4 - 400, self.screen.pixels.count(1))

    def test_resized_within_an_update(self):
        self.greeted()
        self.gets(update(raw(0, 0, 64, 48), (0, 0, 32, 16, -223, b''),
                         raw(0, 0, 32, 16, 7)))
        self.assertEqual([('resized', 32, 16),
                          ('updated', [(0, 0, 32, 16)])], self.screen.log)

    def test_pixels_that_nobody_wants(self):
        self.greeted()
        self.screen.wanted = False
        self.gets(update(raw(0, 0, 64, 48, 9), raw(0, 0, 0, 0)))
        self.assertEqual([('updated', [])], self.screen.log)
        self.assertNotIn(9, self.screen.pixels)

    def test_cursor(self):
        self.greeted()
        pixels = bytes(range(9 * 2 * 4))
        self.gets(update((20, 1, 9, 2, -239,
                          pixels + b'\x80\x80\x00\x00')))
        (_, cursor), = self.screen.log
        self.assertEqual((9, 2, 8, 1), (cursor.width, cursor.height,
                                        cursor.hot_x, cursor.hot_y))
        self.assertEqual(
            [0xff] + [0] * 7 + [0xff] + [0] * 9, list(cursor.pixels[3::4]))
        self.assertEqual(pixels[0::4], cursor.pixels[0::4])
        self.assertFalse(self.source.asked)

    def test_cursor_that_is_none_or_too_large(self):
        self.greeted()
        side = wire.CURSOR_SIDE_MAX + 1
        self.gets(update((0, 0, 0, 0, -239, b''),
                         (0, 0, side, 1, -239, bytes(side * 4 + 17))))
        self.assertEqual([('cursor', None)] * 2, self.screen.log)

    def test_other_messages(self):
        self.greeted()
        self.gets(b'\x02' + b'\x01\0\0\0\0\x02' + bytes(12)
                  + b'\x03\0\0\0\0\0\0\x03abc'
                  + b'\x03\0\0\0\xff\xff\xff\xfcabcd'
                  + update(raw(0, 0, 1, 1)))
        self.assertEqual([('updated', [(0, 0, 1, 1)])], self.screen.log)

    def test_listens_or_not(self):
        self.greeted()
        self.source.listen(False)
        self.gets(update(raw(0, 0, 64, 48)))
        self.assertEqual([], self.screen.log)
        self.source.listen(True)
        self.loop.read()
        self.assertEqual(1, len(self.screen.log))

    def ends(self, data):
        self.begin()
        if data[:3] != b'RFB':
            self.greeted()
        self.gets(data)
        self.assertEqual('ended', self.screen.log[-1][0])
        self.assertEqual({}, self.loop.readers)

    def test_nonsense_ends_it(self):
        for data in (b'RFB 004.000\n', b'RFB 003.008\n\x00',
                     b'RFB 003.008\n\x01\x02',
                     b'RFB 003.008\n\x01\x01\0\0\0\x01',
                     GREETING[:-8] + b'\xff\xff\xff\xff',
                     b'\x04', b'\x03\0\0\0\x7f\xff\xff\xff',
                     b'\x03\0\0\0\x80\0\0\0',
                     update((0, 0, 1, 1, 5, b'')),
                     update((0, 0, 65535, 65535, -239, b''))):
            with self.subTest(data=data):
                self.ends(data)

    def test_end_of_the_connection(self):
        self.greeted()
        self.gets(update(raw(0, 0, 64, 48))[:100])
        self.qemu.close()
        self.loop.read()
        self.assertEqual([('ended', 'QEMU closed the connection')],
                         self.screen.log)
        self.source.request(True)
        self.source.hurry()
        self.source.listen(True)

    def test_qemu_does_not_read(self):
        self.greeted()
        for _ in range(100000):
            self.source.hurry()
            if self.screen.log:
                break
        self.assertEqual([('ended', 'QEMU does not read')], self.screen.log)

    @examples.settings()
    @hypothesis.given(strategies.lists(strategies.one_of(
        strategies.binary(max_size=40),
        strategies.sampled_from([b'\0', b'\0\0\0\1', b'\xff\xff\xff\x21',
                                 b'\xff\xff\xff\x11', bytes(8), bytes(300)]),
        strategies.tuples(
            strategies.integers(0, 65535), strategies.integers(0, 65535),
            strategies.integers(0, 65535), strategies.integers(0, 65535),
            strategies.sampled_from([0, -223, -239, -308]),
            strategies.just(b'')).map(update)), max_size=10))
    def test_any_bytes(self, parts):
        self.begin()
        self.greeted()
        for each in parts:
            if self.screen.log[-1:] and self.screen.log[-1][0] == 'ended':
                break
            self.gets(each)
        self.assertEqual(self.screen.size[0] * self.screen.size[1] * 4,
                         len(self.screen.pixels))
        for kind, *rest in self.screen.log:
            if kind == 'updated':
                for x, y, width, height in rest[0]:
                    self.assertLessEqual(x + width, 100)
                    self.assertLessEqual(y + height, 50)
            elif kind == 'cursor' and rest[0] is not None:
                self.assertIsInstance(rest[0], display.Cursor)
        self.source.close()
        self.qemu.close()
