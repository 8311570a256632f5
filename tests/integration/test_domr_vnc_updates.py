# SPDX-License-Identifier: Apache-2.0
"""What one update is: all that was asked for, and no more; and what changes
while it is being sent is not lost."""

import asyncio
import pathlib
import struct
import subprocess
import sys
import tempfile

from nova_dmore.channel import display
from nova_dmore.domr.servers.vnc import notice
from nova_dmore.domr.servers.vnc import protocol
from nova_dmore import wire
from tests.integration import rfb
from tests.integration import vnc_case

State = wire.InstanceState
VNCDO = pathlib.Path(sys.executable).parent / 'vncdo'
#: More than the sockets hold.
WIDTH, HEIGHT = 2560, 1600
SHAPE = display.Cursor(16, 16, 0, 0, (b'\1\2\3\xff' + b'\4\5\6\0') * 128)


class UpdatesCase(vnc_case.Case):

    SANITIZERS = 'address,undefined'

    def tell(self, state: State) -> None:
        """Say what the instance does."""
        self.pair.send({'type': wire.STATE, 'state': state})
        self.pair.ring(wire.Vector.CONTROL)

    async def told(self, state: State) -> None:
        """Say it, and wait until it is known."""
        self.tell(state)
        await self.pair.until(lambda: self.pair.agent.instance.now is state)

    def draw(self, x: int, y: int, pixel: bytes) -> None:
        """The guest changes one pixel."""
        at = (y * self.painter.width + x) * 4
        for pixels in (self.painter.pixels, self.painter.display.framebuffer):
            pixels[at:at + 4] = pixel
        self.painter.display.damage([(x, y, 1, 1)])
        self.pair.ring(wire.Vector.DISPLAY)

    def shown(self, banner: str | None = None,
              pointer: tuple[int, int] | None = None) -> bytes:
        """The guest's picture with what lies over it."""
        wanted = bytearray(self.painter.pixels)
        row = self.painter.width * 4
        if pointer is not None:
            for index in range(SHAPE.width * SHAPE.height):
                pixel = SHAPE.pixels[index * 4:index * 4 + 4]
                if pixel[3]:
                    at = ((pointer[1] + index // 16) * row
                          + (pointer[0] + index % 16) * 4)
                    wanted[at:at + 4] = pixel
        rows, _, left = notice.strip(banner, self.painter.width)
        for at in range(0, len(rows), row):
            wanted[at + left * 4:at + row] = rows[at + left * 4:at + row]
        return rfb.visible(wanted)

    async def pointed(self, client: rfb.Client, x: int, y: int) -> None:
        """Move the pointer, and wait until the client sees it there."""
        self.painter.display.set_cursor(SHAPE)
        self.pair.ring(wire.Vector.DISPLAY)
        client.pointer(0, x, y)
        await client.update_to(self.shown(pointer=(x, y)))


class WholeTest(UpdatesCase):
    """A client may take the first update for all that it has asked for."""

    async def capture(self) -> bytes:
        """What vncdotool makes a file of."""
        with tempfile.TemporaryDirectory() as directory:
            picture = pathlib.Path(directory, 'picture.png')
            process = await asyncio.create_subprocess_exec(
                VNCDO, '-s', f'127.0.0.1::{self.port}', 'capture', picture,
                stderr=subprocess.DEVNULL)
            self.assertEqual(0, await asyncio.wait_for(process.wait(), 60))
            from PIL import Image
            with Image.open(picture) as image:
                return rfb.visible(
                    image.convert('RGBX').tobytes('raw', 'BGRX'))

    async def covered(self):
        """-> a client that is shown a banner and a pointer, and what."""
        await self.serve(640, 480)
        client = await self.view(encodings=(rfb.RAW, rfb.DESKTOP_SIZE))
        await self.pointed(client, 100, 200)
        await self.told(State.PAUSED)
        banner = notice.banner(State.PAUSED, False)
        shown = self.shown(banner, (100, 200))
        await client.update_to(shown)
        return client, shown

    async def test_capture_with_a_banner_and_a_pointer(self) -> None:
        client, shown = await self.covered()
        self.assertEqual(shown, await self.capture())

    async def test_one_update_with_a_banner_and_a_pointer(self) -> None:
        client, shown = await self.covered()
        client.pixels[:] = bytes(len(client.pixels))
        client.request(incremental=False)
        await client.update()
        self.assertEqual(shown, client.visible())

    async def test_more_rectangles_than_it_can_say(self) -> None:
        """It has 16 bits for their number."""
        await self.serve(130, 2050)
        client = await self.view(encodings=(rfb.RAW,))
        sessions = self.desktop._sessions
        sessions.freeze(False)
        rows = range(0, 2 * protocol.RECTANGLES_MAX, 2)
        for y in rows:
            for pixels in (self.painter.pixels,
                           self.painter.display.framebuffer):
                pixels[y * 520:y * 520 + 520] = bytes(520)
        sessions.damage([(0, y, 130, 1) for y in rows])
        for x in range(0, 128, 2):
            client.writer.write(struct.pack('>BBHHHH', 3, 1, x, 0, 1, 2050))
        client.key(0x61, True)
        await self.pair.until(lambda: self.desktop._hands._keyboard.held(
            min(self.desktop._clients)))
        sessions.open()
        await client.update()
        await client.update_to(self.painter.pixels, 60)

    async def test_only_what_was_asked_for(self) -> None:
        """Elsewhere a client may have no room for pixels."""
        await self.serve(320, 200)
        client = await self.connect(encodings=(rfb.RAW,))
        client.request(incremental=False)
        await client.update()
        other = await self.view()
        self.painter.resize(640, 480)
        self.painter.display.set_cursor(SHAPE)
        await other.update_to(self.painter.pixels)
        other.pointer(0, 500, 300)
        await self.told(State.PAUSED)
        await other.update_to(
            self.shown(notice.banner(State.PAUSED, False)))
        seen = []
        rectangle = client._rectangle

        async def note(*place: int) -> None:
            seen.append(place[:4])
            await rectangle(*place)

        client._rectangle = note
        for _ in range(5):
            self.draw(3, 3, self.painter.random.randbytes(4))
            client.request(incremental=False)
            await client.update()
        for x, y, width, height in seen:
            self.assertLessEqual(x + width, 320)
            self.assertLessEqual(y + height, 200)


class LargeTest(UpdatesCase):

    REGION_SIZE = wire.LARGE_REGION_SIZE
    SANITIZERS = ''

    async def test_a_large_picture_is_one_update(self) -> None:
        await self.serve(3840, 2160)
        client = await self.view(encodings=(rfb.RAW, rfb.DESKTOP_SIZE))
        client.pixels[:] = bytes(len(client.pixels))
        client.request(incremental=False)
        await client.update()
        self.assertEqual(self.shown(), client.visible())


class MeanwhileTest(UpdatesCase):
    """What happens while a client is slow to take an update."""

    SANITIZERS = ''     # it takes long enough

    async def asyncSetUp(self) -> None:
        await self.serve(WIDTH, HEIGHT)
        self.client = await self.view(encodings=(rfb.RAW, rfb.DESKTOP_SIZE))
        self.other = await self.view()

    async def begin(self) -> None:
        """Have an update begin whose end is not sent yet."""
        self.client.request(incremental=False)
        await asyncio.sleep(0.5)

    async def test_damage_under_the_pointer(self) -> None:
        await self.pointed(self.client, 100, 200)
        await self.begin()
        self.draw(101, 200, b'\x11\x22\x33\0')  # where it is transparent
        await self.other.update_to(self.painter.pixels)
        await self.client.update()
        await self.client.update_to(self.shown(pointer=(100, 200)))

    async def test_end_of_a_banner(self) -> None:
        await self.told(State.PAUSED)
        await self.client.update_to(
            self.shown(notice.banner(State.PAUSED, False)))
        await self.begin()
        await self.told(State.RUNNING)
        await self.other.update_to(self.painter.pixels)
        await self.client.update()
        await self.client.update_to(self.painter.pixels)

    async def test_another_request(self) -> None:
        await self.told(State.PAUSED)
        await self.client.update_to(
            self.shown(notice.banner(State.PAUSED, False)))
        await self.begin()
        self.client.writer.write(struct.pack(
            '>BB4H', 3, 0, 8, 1000, 10, 10))
        await asyncio.sleep(0.2)
        before = bytes(40)
        at = (1000 * WIDTH + 8) * 4
        await self.client.update()
        self.client.pixels[at:at + 40] = before
        async with asyncio.timeout(5):
            while bytes(self.client.pixels[at:at + 40]) == before:
                await self.client.update()
