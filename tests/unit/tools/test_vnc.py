# SPDX-License-Identifier: Apache-2.0
"""The VNC client of the measurements: what it decodes, and what it reads."""

import pathlib
import socket
import struct
import tempfile
import threading
import unittest
import zlib

import numpy

from tests.unit import tools  # noqa: F401  (finds the imports below)
from guest import protocol
from laboratory.vnc import encodings
from laboratory.vnc import picture
from laboratory.vnc import rfb
from laboratory.vnc import stream

_CHANCE = numpy.random.default_rng(3)


def colours(count: int) -> numpy.ndarray:
    return _CHANCE.integers(0, 1 << 24, count, numpy.uint32)


def tpixels(values: numpy.ndarray) -> bytes:
    """Red first, as Tight has it."""
    return b''.join(int(value).to_bytes(3, 'big') for value in values.flat)


def cpixels(values: numpy.ndarray) -> bytes:
    """Blue first, as ZRLE has it."""
    return b''.join(int(value).to_bytes(3, 'little') for value in values.flat)


def compact(length: int) -> bytes:
    """A length as Tight writes it."""
    if length < 0x80:
        return bytes([length])
    if length < 0x4000:
        return bytes([length & 0x7f | 0x80, length >> 7])
    return bytes([length & 0x7f | 0x80, length >> 7 & 0x7f | 0x80,
                  length >> 14])


class EncodingTest(unittest.TestCase):

    def setUp(self):
        super().setUp()
        self.deflate = zlib.compressobj()
        self.decoder = encodings.Decoder()

    def packed(self, data: bytes) -> bytes:
        return (self.deflate.compress(data)
                + self.deflate.flush(zlib.Z_SYNC_FLUSH))

    def check(self, expected: numpy.ndarray, encoding: int, *messages: bytes
              ) -> None:
        """Each of the messages is the same picture."""
        parts = iter([part for message in messages
                      for part in (message[:7], message[7:])])
        source = stream.Stream(lambda: next(parts, b''))
        height, width = expected.shape
        for _ in messages:
            numpy.testing.assert_array_equal(expected, self.decoder.decode(
                source, encoding, width, height))

    def tight(self, head: bytes, data: bytes) -> bytes:
        data = self.packed(data)
        return head + compact(len(data)) + data

    def test_raw(self):
        pixels = colours(6 * 5).reshape(5, 6)
        self.check(pixels, encodings.Encoding.RAW, pixels.tobytes())

    def test_tight_of_one_colour(self):
        self.check(numpy.full((3, 9), 0x123456), encodings.Encoding.TIGHT,
                   b'\x80\x12\x34\x56')

    def test_tight_of_many_colours(self):
        pixels = colours(80 * 70).reshape(70, 80)
        self.check(pixels, encodings.Encoding.TIGHT, *(
            self.tight(b'\0', tpixels(pixels)) for _ in range(3)))

    def test_tight_of_two_colours(self):
        palette = colours(2)
        bits = _CHANCE.integers(0, 2, (40, 13), numpy.uint8)
        data = numpy.packbits(bits, axis=1).tobytes()
        head = b'\x50\x01\x01' + tpixels(palette)
        self.check(palette[bits], encodings.Encoding.TIGHT,
                   self.tight(head, data), self.tight(head, data))

    def test_tight_of_a_palette(self):
        palette = colours(200)
        indices = _CHANCE.integers(0, 200, (20, 30), numpy.uint8)
        head = b'\x40\x01\xc7' + tpixels(palette)
        self.check(palette[indices], encodings.Encoding.TIGHT,
                   self.tight(head, indices.tobytes()))

    def test_tight_of_little_is_not_compressed(self):
        pixels = colours(3).reshape(1, 3)
        self.check(pixels, encodings.Encoding.TIGHT, b'\0' + tpixels(pixels))

    def test_tight_of_a_gradient(self):
        ramp = numpy.arange(20, dtype=numpy.uint32)
        pixels = (ramp[None] + ramp[:15, None] * 3) * 0x010101
        coded = numpy.zeros((15, 20, 3), numpy.uint8)
        coded[0, 1:], coded[1:, 0] = 1, 3
        self.check(pixels, encodings.Encoding.TIGHT,
                   self.tight(b'\x40\x02', coded.tobytes()))

    def zrle(self, *tiles: bytes) -> bytes:
        data = self.packed(b''.join(tiles))
        return struct.pack('>I', len(data)) + data

    def test_zrle(self):
        palette = colours(100)
        pixels = numpy.zeros((70, 130), numpy.uint32)
        tiles = []
        # A tile of each kind, from the upper left on.
        pixels[:64, :64] = colours(4096).reshape(64, 64)
        tiles.append(b'\0' + cpixels(pixels[:64, :64]))
        pixels[:64, 64:128] = palette[0]
        tiles.append(b'\1' + cpixels(palette[:1]))
        bits = _CHANCE.integers(0, 2, (64, 2), numpy.uint8)
        pixels[:64, 128:] = palette[bits]
        tiles.append(b'\2' + cpixels(palette[:2])
                     + numpy.packbits(bits, axis=1).tobytes())
        pixels[64:, :64] = palette[1]
        tiles.append(b'\x80' + cpixels(palette[1:2]) + b'\xff\x80')
        pixels[64:, 64:128] = palette[99]
        pixels[64, 64] = palette[4]
        tiles.append(bytes([128 + 100]) + cpixels(palette) + b'\4'
                     + bytes([128 + 99]) + b'\xff\x7f')
        indices = _CHANCE.integers(0, 16, (6, 2), numpy.uint8)
        pixels[64:, 128:] = palette[indices]
        tiles.append(bytes([16]) + cpixels(palette[:16]) + bytes(
            row[0] << 4 | row[1] for row in indices.tolist()))
        self.check(pixels, encodings.Encoding.ZRLE, self.zrle(*tiles),
                   self.zrle(*tiles))

    def test_nonsense(self):
        for encoding, data in ((encodings.Encoding.TIGHT, b'\x90'),
                               (encodings.Encoding.TIGHT, b'\0\x02xy'),
                               (encodings.Encoding.ZRLE, b'\0\0\0\2\xff\xff'),
                               (99, b'')):
            source = stream.Stream(iter([data, b'']).__next__)
            with self.assertRaises(encodings.ProtocolError):
                encodings.Decoder().decode(source, encoding, 10, 10)

    def test_the_end(self):
        source = stream.Stream(iter([b'abc', b'']).__next__)
        with self.assertRaises(stream.Ended):
            source.read(4)


class ConnectionTest(unittest.TestCase):

    def test_a_session(self):
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        pixels = colours(12).reshape(3, 4)
        rectangle = struct.Struct('>HHHHi')
        says = (b'RFB 003.008\n' + b'\1\1' + b'\0\0\0\0'
                + struct.pack('>HH16xI', 2, 2, 2) + b'it'
                # A bell, text, and then a larger picture in two messages.
                + b'\2' + struct.pack('>BxxxI', 3, 2) + b'hi'
                + struct.pack('>BxH', 0, 2) + rectangle.pack(
                    0, 0, 4, 3, encodings.Encoding.DESKTOP_SIZE)
                + rectangle.pack(0, 0, 4, 3, encodings.Encoding.RAW)
                + pixels.tobytes()
                + struct.pack('>BxH', 0, 0xffff) + rectangle.pack(
                    1, 0, 2, 2, encodings.Encoding.COPY_RECT) + b'\0\0\0\1'
                + rectangle.pack(0, 0, 0, 0, encodings.Encoding.LAST_RECT))
        heard = bytearray()

        def listen():
            while data := theirs.recv(4096):
                heard.extend(data)

        listener = threading.Thread(target=listen)
        listener.start()
        theirs.sendall(says)
        made = rfb.Connection(lambda: ours.recv(5), ours.sendall)
        self.assertEqual(b'it', made.name)
        self.assertEqual(12, made.update().area)
        numpy.testing.assert_array_equal(pixels, made.picture)
        self.assertEqual(4, made.update().area)
        numpy.testing.assert_array_equal(pixels[1:, :2], made.picture[:2, 1:3])
        self.assertEqual(len(says), made.received)
        made.press(ord('a'))
        ours.shutdown(socket.SHUT_WR)
        listener.join(10)
        self.assertTrue(bytes(heard).endswith(
            # All of the larger picture, its changes, and the key.
            struct.pack('>BBHHHH', 3, 0, 0, 0, 4, 3)
            + struct.pack('>BBHHHH', 3, 1, 0, 0, 4, 3)
            + b'\4\1\0\0\0\0\0a\4\0\0\0\0\0\0a'))

    def test_a_server_that_refuses(self):
        says = iter([b'RFB 003.008\n', b'\0\0\0\0\3no!', b''])
        with self.assertRaisesRegex(encodings.ProtocolError, 'no!'):
            rfb.Connection(says.__next__, lambda data: None)


class PictureTest(unittest.TestCase):

    def test_wrong_pixels(self):
        right = colours(20).reshape(4, 5)
        shown = right.copy()
        self.assertEqual(0, picture.wrong_pixels(shown, right))
        shown[1, 1:3] ^= 1
        self.assertEqual(2, picture.wrong_pixels(shown, right))
        self.assertEqual(20, picture.wrong_pixels(shown[:3], right))

    def test_files(self):
        pixels = colours(20).reshape(4, 5)
        with tempfile.TemporaryDirectory() as folder:
            for name in ('it.png', 'it.ppm'):
                path = pathlib.Path(folder) / name
                picture.save(pixels, path)
                numpy.testing.assert_array_equal(pixels, picture.load(path))
            path.write_text('no picture')
            self.assertRaises(OSError, picture.load, path)

    def screen(self, rows: dict[int, bytes], width: int) -> numpy.ndarray:
        """A picture of text in a font that nobody knows."""
        font = _CHANCE.integers(0, 2, (128, 16, 8), numpy.uint32) * 0xaaaaaa
        made = numpy.zeros((400, 80 * width), numpy.uint32)
        for row, text in rows.items():
            for column, value in enumerate(text):
                made[(row - 1) * 16:row * 16,
                     column * width:column * width + 8] = font[value]
        return made

    def test_text(self):
        numbers = [1, 40, 39, 1, 0, 0, 0x7fffffff]
        rows = {1: protocol.SCREEN_RULER + b'  dmore-screen',
                protocol.SCREEN_NEXT_ROW: protocol.screen_row(
                    protocol.SCREEN_NEXT_ROW, [41]),
                protocol.SCREEN_LEDGER_ROW: protocol.screen_row(
                    protocol.SCREEN_LEDGER_ROW, numbers)}
        for width in (8, 9):
            screen = picture.Screen(self.screen(rows, width))
            self.assertEqual(41, screen.next())
            self.assertEqual(dict(zip(protocol.SCREEN_LEDGER, numbers)),
                             screen.ledger())

    def test_text_that_is_not_all_there(self):
        rows = {1: protocol.SCREEN_RULER, protocol.SCREEN_NEXT_ROW:
                protocol.screen_row(protocol.SCREEN_NEXT_ROW, [41])}
        made = self.screen(rows, 9)
        self.assertIsNone(picture.Screen(made).ledger())
        # One digit is another one.
        made[16:32, :8] = made[0:16, 9:17]
        self.assertIsNone(picture.Screen(made).next())
        self.assertIsNone(picture.Screen(numpy.zeros((400, 720),
                                                     numpy.uint32)).next())
