# SPDX-License-Identifier: Apache-2.0
"""Pictures above 2560x1600: whole, exact, and the pointer is where it is."""

import asyncio
import contextlib
import struct

from nova_dmore.channel import display
from nova_dmore.channel import input_event
from nova_dmore import wire
from tests.integration import rfb
from tests.integration import vnc_case

#: Of the encodings that have pixels: raw, RRE, CoRRE, hextile, zlib, tight,
#: ultra, ZRLE.
ENCODINGS = (0, 2, 4, 5, 6, 7, 9, 16)
#: Each too large for a release before in another way: width, height, both.
SIZES = ((3840, 2160), (3440, 1440), (1440, 2560), (2160, 3840))
#: What the process may have of its own beside what it reads, in KiB: there is
#: no more memory in Domain R.
_MEMORY_MAX_KIB = 24 << 10


class LargePictureTest(vnc_case.Case):

    REGION_SIZE = wire.LARGE_REGION_SIZE

    async def test_sizes_with_viewers(self) -> None:
        await self.serve(640, 480)
        clients = [await self.view(encodings=(rfb.RAW, encoding))
                   for encoding in (rfb.DESKTOP_SIZE,
                                    rfb.EXTENDED_DESKTOP_SIZE)]
        for size in (*SIZES, (1, 1), (3840, 2160), (640, 480), (3840, 2160)):
            self.painter.resize(*size)
            for client in clients:
                await client.update_to(self.painter.pixels, 60)
                self.assertEqual(size, (client.width, client.height))
            self.assertEqual(size, self.desktop._screen.whole)

    async def test_damage_in_the_last_corner(self) -> None:
        await self.serve(3840, 2160)
        client = await self.view()
        for x, y in ((3839, 2159), (0, 2159), (3839, 0), (2560, 1600)):
            start = (y * 3840 + x) * 4
            for pixels in (self.painter.pixels,
                           self.painter.display.framebuffer):
                pixels[start:start + 4] = b'\x12\x34\x56\x00'
            self.painter.display.damage([(x, y, 1, 1)])
            self.pair.ring(wire.Vector.DISPLAY)
            await client.update_to(self.painter.pixels)

    async def test_nothing_is_sent_that_was_not_asked_for(self) -> None:
        await self.serve(3840, 2160)
        client = await self.view(encodings=(rfb.RAW, rfb.CURSOR))
        # One in the first slice, one in two, and one in the last of them.
        for x, y, width, height in ((8, 8, 20, 10), (3000, 540, 30, 12),
                                    (3800, 2100, 40, 60)):
            client.writer.write(struct.pack(
                '>BB4H', 3, 0, x, y, width, height))
            rows = 0
            while rows < height:
                head = await client.reader.readexactly(4)
                self.assertEqual((0, 1), struct.unpack('>BxH', head))
                left, top, wide, high, encoding = struct.unpack(
                    '>4Hi', await client.reader.readexactly(12))
                self.assertEqual((x, y + rows, width, 0),
                                 (left, top, wide, encoding))
                rows += high
                self.assertLessEqual(rows, height)
                await client.reader.readexactly(wide * high * 4)
            with self.assertRaises(TimeoutError):
                await asyncio.wait_for(client.reader.read(1), 0.3)
        # A shape of the pointer needs no pixels.
        self.painter.display.set_cursor(display.Cursor(
            3, 2, 0, 0, b'\xff' * 24))
        self.pair.ring(wire.Vector.DISPLAY)
        async with asyncio.timeout(10):
            while client.cursor is None or client.cursor[:2] != (3, 2):
                client.request()
                await client.update()

    async def test_pointer(self) -> None:
        most = input_event.POINTER_MAX
        await self.serve(640, 480)
        client = await self.view()
        for width, height in SIZES:
            self.painter.resize(width, height)
            await client.update_to(self.painter.pixels, 60)
            for x, y in ((width - 1, height - 1), (width // 2, height // 2),
                         (0, height - 1), (2600, 2000), (0, 0)):
                if x >= width or y >= height:
                    continue
                self.pair.events.clear()
                client.pointer(0, x, y)
                await self.pair.until(lambda: self.pair.events)
                # As QEMU has it (qemu_input_scale_axis in ui/input.c).
                self.assertEqual(
                    [input_event.Pointer(
                        0, x * most // width, y * most // height)],
                    self.pair.events)

    async def test_what_is_larger_still_is_cut(self) -> None:
        await self.serve(640, 480)
        client = await self.view()
        room = display.Room(self.REGION_SIZE - wire.FRAMEBUFFER_START)
        size = room.crop(5120, 2880)
        self.painter.resize(*size)
        await client.update_to(self.painter.pixels, 60)
        self.assertEqual(size, (client.width, client.height))

    async def test_each_encoding_has_enough_memory(self) -> None:
        await self.serve(3840, 2160)
        # Nothing is as long as noise, however it is encoded.
        self.painter.pixels[:] = self.painter.random.randbytes(
            len(self.painter.pixels))
        for encoding in ENCODINGS:
            client = await self.connect(encodings=(encoding,))
            client.request(incremental=False)
            received = 0
            async with asyncio.timeout(60):
                while received < 3840 * 2160 * 3:
                    received += len(await client.reader.read(1 << 20))
            self.assertLess(self.processes.memory_kib(), _MEMORY_MAX_KIB,
                            encoding)
            await client.close()
            await self.pair.until(lambda: not self.desktop.clients)
        self.assertEqual(1, len(self.processes.pids))


class CheckedLargePictureTest(vnc_case.Case):
    """The same with the sanitizers, where it is enough to go there."""

    REGION_SIZE = wire.LARGE_REGION_SIZE
    SANITIZERS = 'address,undefined'

    async def test_small_and_large_in_turn(self) -> None:
        await self.serve(640, 480)
        clients = [await self.connect(encodings=(encoding, rfb.DESKTOP_SIZE))
                   for encoding in ENCODINGS]

        async def drain(client: rfb.Client) -> None:
            with contextlib.suppress(ConnectionError):
                while await client.reader.read(1 << 20):
                    client.request()

        for client in clients:
            client.width, client.height = 0xffff, 0xffff    # all there is
            client.request(incremental=False)
            task = asyncio.create_task(drain(client))
            self.addCleanup(task.cancel)
        watching = await self.view()
        for number in range(12):
            size = (*SIZES, (640, 480), (8, 5000))[number % 6]
            self.painter.resize(*size)
            await asyncio.sleep(0.3)
        self.painter.resize(320, 200)
        await watching.update_to(self.painter.pixels, 60)
        self.assertEqual(len(clients) + 1, self.desktop.clients)
        self.assertEqual(1, len(self.processes.pids), self.processes.errors())
