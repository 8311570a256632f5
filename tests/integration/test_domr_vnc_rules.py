# SPDX-License-Identifier: Apache-2.0
"""Messages that break the rules, against the process with its sanitizers.

What was once possible, and its kind: a client must never change what an
encoder runs with, nor have one run with what it cannot.
"""

import asyncio
import struct

from tests.integration import rfb
from tests.integration import vnc_case

WIDTH, HEIGHT = 400, 300
#: Of the encodings that have pixels.
ENCODINGS = (0, 2, 4, 5, 6, 7, 9, 16)
#: Those that change what comes with the pixels.
PSEUDO = (-239, -223, -308, -224, -256, -247, -258)


def pixel_format(bits: int = 32, depth: int = 24, big_endian: int = 0,
                 true_colour: int = 1,
                 maxima: tuple[int, int, int] = (255, 255, 255),
                 shifts: tuple[int, int, int] = (16, 8, 0)) -> bytes:
    """SetPixelFormat."""
    return b'\0\0\0\0' + struct.pack('>BBBBHHHBBBxxx', bits, depth,
                                     big_endian, true_colour, *maxima,
                                     *shifts)


GOOD = (
    pixel_format(), pixel_format(big_endian=1, shifts=(24, 16, 8)),
    pixel_format(32, 32, 0, 1, (2047, 2047, 1023), (0, 11, 22)),
    pixel_format(16, 16, 0, 1, (31, 63, 31), (11, 5, 0)),
    pixel_format(16, 15, 1, 1, (31, 31, 31), (10, 5, 0)),
    pixel_format(8, 8, 0, 1, (7, 7, 3), (0, 3, 6)),
    pixel_format(8, 8, 0, 0, (0, 0, 0), (0, 0, 0)),
    pixel_format(8, 3, 0, 1, (1, 1, 1), (2, 1, 0)))


def request(x: int, y: int, width: int, height: int,
            incremental: int = 0) -> bytes:
    """FramebufferUpdateRequest."""
    return struct.pack('>BB4H', 3, incremental, x, y, width, height)


class RulesCase(vnc_case.Case):
    """A good client, beside which others break the rules."""

    SANITIZERS = 'address,undefined'

    async def asyncSetUp(self) -> None:
        await self.serve(WIDTH, HEIGHT)
        self.good = await self.view()

    async def send(self, client: rfb.Client, *parts: bytes,
                   pause: float = 0) -> None:
        """Send bytes, perhaps with pauses between the parts."""
        for part in parts:
            client.writer.write(part)
            await client.writer.drain()
            await asyncio.sleep(pause)

    async def is_cut(self, client: rfb.Client) -> None:
        """Check that a client is cut off, and the good one is not."""
        try:
            await asyncio.wait_for(client.reader.read(), 20)
        except ConnectionError:
            pass
        await self.pair.until(lambda: self.desktop.clients == 1, 20)
        await self.all_is_well()

    async def answers(self, client: rfb.Client) -> None:
        """Check that a client is served: something comes."""
        self.assertTrue(await asyncio.wait_for(client.reader.read(4), 20))

    async def all_is_well(self) -> None:
        """Check that the good client is served, by the same process."""
        self.painter.scribble()
        await self.good.update_to(self.painter.pixels, 30)
        self.assertEqual(1, len(self.processes.pids), self.processes.errors())

    def drain(self, client: rfb.Client) -> None:
        """Take what comes to a client, whatever it is."""

        async def take() -> None:
            try:
                while await client.reader.read(1 << 16):
                    pass
            except OSError:
                pass

        task = asyncio.create_task(take())
        self.addCleanup(task.cancel)


class FormatTest(RulesCase):

    async def test_format_in_two_halves_with_a_change_between(self) -> None:
        for bits in (*range(0, 8), *range(9, 16), 17, 24, 31, 33, 64, 255):
            client = await self.connect()
            await self.send(client, GOOD[1])
            client.encodings(ENCODINGS[bits % len(ENCODINGS)])
            message = pixel_format(bits, 0)
            await self.send(client, request(0, 0, WIDTH, HEIGHT, 1),
                            message[:1], pause=0.01)
            for _ in range(3):
                self.painter.scribble()
            await self.send(client, message[1:])
            await self.is_cut(client)
        self.assertEqual(1, len(self.warnings()), self.warnings())
        self.assertIn('format of pixels', self.warnings()[0])

    async def test_formats_that_cannot_be(self) -> None:
        for message in (
                pixel_format(true_colour=0), pixel_format(16, 8, 0, 0),
                pixel_format(depth=33), pixel_format(maxima=(0, 255, 255)),
                pixel_format(maxima=(254, 255, 255)),
                pixel_format(maxima=(65535, 255, 255),
                             shifts=(17, 8, 0)),
                pixel_format(shifts=(25, 8, 0)),
                pixel_format(shifts=(255, 8, 0)),
                pixel_format(shifts=(8, 8, 0)),
                pixel_format(shifts=(16, 8, 7)),
                pixel_format(16, 16), pixel_format(8, 8),
                pixel_format(16, 16, 0, 1, (31, 63, 31), (12, 5, 0))):
            client = await self.connect()
            await self.send(client, message)
            await self.is_cut(client)

    async def test_formats_change_while_updates_are_sent(self) -> None:
        for encoding in ENCODINGS:
            with self.subTest(encoding=encoding):
                client = await self.connect()
                self.drain(client)
                client.encodings(encoding, *PSEUDO)
                for turn in range(20):
                    await self.send(client, request(0, 0, WIDTH, HEIGHT),
                                    GOOD[turn % len(GOOD)])
                    client.encodings(ENCODINGS[turn % len(ENCODINGS)],
                                     *PSEUDO[turn % len(PSEUDO):])
                    self.painter.scribble()
                self.assertEqual(2, self.desktop.clients)
                await client.close()
                await self.pair.until(lambda: self.desktop.clients == 1, 20)
        await self.all_is_well()

    async def test_each_format_in_each_encoding(self) -> None:
        for message in GOOD:
            client = await self.connect()
            self.drain(client)
            await self.send(client, message)
            for encoding in ENCODINGS:
                client.encodings(encoding)
                await self.send(client, request(0, 0, WIDTH, HEIGHT))
                self.painter.scribble()
                await asyncio.sleep(0.01)
            self.assertEqual(2, self.desktop.clients)
            await client.close()
            await self.pair.until(lambda: self.desktop.clients == 1, 20)
        await self.all_is_well()


class RectangleTest(RulesCase):

    async def test_empty_and_huge_requests_in_each_encoding(self) -> None:
        for encoding in ENCODINGS:
            client = await self.connect()
            self.drain(client)
            client.encodings(encoding)
            for rectangle in (
                    (10, 10, 0, 20), (10, 10, 20, 0), (0, 0, 0, 0),
                    (65535, 65535, 0, 0), (65535, 65535, 65535, 65535),
                    (0, 0, 65535, 65535), (WIDTH, 0, 1, 1),
                    (0, HEIGHT, 1, 1), (WIDTH - 1, HEIGHT - 1, 2, 2),
                    (WIDTH - 1, 0, 1, HEIGHT), (0, 0, WIDTH, 1)):
                await self.send(client, request(*rectangle))
                await self.send(client, request(*rectangle, 1))
            self.assertEqual(2, self.desktop.clients)
            await client.close()
            await self.pair.until(lambda: self.desktop.clients == 1, 20)
        await self.all_is_well()
        self.assertEqual([], self.warnings())

    async def test_an_empty_request_is_not_answered(self) -> None:
        client = await self.view()
        await self.send(client, request(10, 10, 0, 20))
        with self.assertRaises(TimeoutError):
            await asyncio.wait_for(client.reader.read(1), 0.3)
        await self.send(client, request(0, 0, 10, 10))
        await client.update()


class StreamTest(RulesCase):

    SENT = b''.join((
        *GOOD, struct.pack('>BxH4i', 2, 4, 16, -239, -308, 12345),
        struct.pack('>BxxxI', 6, 3) + b'abc',
        struct.pack('>BxxxiI', 6, -4, 1 << 25),
        struct.pack('>BxHHBx', 251, 800, 600, 2) + bytes(32),
        struct.pack('>BBHH', 5, 0, 7, 8), struct.pack('>BBxxI', 4, 1, 97),
        struct.pack('>BBHII', 255, 0, 0, 97, 0x1e),
        request(0, 0, WIDTH, HEIGHT)))

    async def test_in_slices_of_one_byte(self) -> None:
        client = await self.connect()
        for index in range(len(self.SENT)):
            await self.send(client, self.SENT[index:index + 1], pause=0.001)
        await self.answers(client)
        await self.pair.until(lambda: len(self.pair.events) == 3)

    async def test_all_at_once(self) -> None:
        client = await self.connect()
        await self.send(client, self.SENT * 50)
        self.drain(client)
        await self.pair.until(lambda: len(self.pair.events) == 150)
        await self.all_is_well()

    async def test_partial_messages(self) -> None:
        for size in range(1, 30):
            client = await self.connect()
            await self.send(client, self.SENT[:size])
            client.writer.write_eof()
            await self.is_cut(client)
        self.assertEqual([], self.warnings())

    async def test_lists_of_encodings(self) -> None:
        client = await self.connect()
        for count in (0, 1, 1023, 1024):
            client.encodings(*[7, -258, 12345, -1063131698][:1 + count % 4]
                             * (count // (1 + count % 4)))
        await self.all_is_well()
        client.encodings(*[0] * 1025)
        await self.is_cut(client)
        self.assertIn('too many encodings', self.warnings()[0])

    async def test_stopped_while_an_update_is_being_sent(self) -> None:
        self.painter.resize(1600, 1200)
        await self.good.update_to(self.painter.pixels, 60)
        client = await self.connect()
        # More than the sockets hold; the format then waits for its end.
        await self.send(client, request(0, 0, 1600, 1200), GOOD[3],
                        pause=0.3)
        await client.close()
        await self.pair.until(lambda: self.desktop.clients == 1, 20)
        await self.all_is_well()


class MemoryTest(RulesCase):

    SANITIZERS = ''     # they need memory themselves

    async def test_requests_for_each_second_pixel(self) -> None:
        before = self.processes.memory_kib()
        client = await self.connect()
        self.drain(client)
        self.painter.paints = False
        self.painter.display.shut()     # so that nothing is answered
        for y in range(0, HEIGHT, 2):
            await self.send(client, b''.join(
                request(x, y, 1, 1) for x in range(0, WIDTH, 2)))
        await asyncio.sleep(0.5)
        # As rectangles of the library they would be some MiB.
        self.assertLess(self.processes.memory_kib() - before, 3000)
        self.painter.paints = True
        await self.all_is_well()
