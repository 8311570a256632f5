# SPDX-License-Identifier: Apache-2.0
"""The VNC server: picture, keyboard, pointer, freeze, several clients."""

import asyncio
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from nova_dmore.channel import display
from nova_dmore.channel import input_event
from nova_dmore.domr.servers.vnc import notice
from nova_dmore import wire
from tests.integration import rfb
from tests.integration import vnc_case

VNCDO = pathlib.Path(sys.executable).parent / 'vncdo'
_A = 0x1e
_SHIFT = 0x2a


def _press(*numbers: int) -> list[input_event.Key]:
    return [input_event.Key(number, down) for number in numbers
            for down in (True, False)]


class PictureTest(vnc_case.Case):

    async def test_picture_damage_and_name(self) -> None:
        await self.serve(200, 100)
        client = await self.view()
        self.assertEqual((200, 100), (client.width, client.height))
        self.assertIn('web-1 (', client.name)
        for _ in range(20):
            for _ in range(3):
                self.painter.scribble()
            await client.update_to(self.painter.pixels)

    async def test_update_of_several_rectangles_is_one_segment(self) -> None:
        await self.serve(200, 100)
        client = await self.view()
        before = vnc_case.data_segments(client)
        self.painter.display.damage([(x, x, 8, 8) for x in (0, 20, 40, 60)])
        self.pair.ring(wire.Vector.DISPLAY)
        client.request()
        await client.update()
        self.assertEqual(before + 1, vnc_case.data_segments(client))

    async def test_idle_host_paints_for_viewers_only(self) -> None:
        await self.serve()
        await asyncio.sleep(0.1)
        self.assertEqual(0, self.painter.display.viewers)
        client = await self.view()
        self.assertEqual(1, self.painter.display.viewers)
        await client.close()
        await self.pair.until(lambda: not self.painter.display.viewers)

    async def test_without_a_picture_the_desktop_says_so(self) -> None:
        await self.serve()
        self.painter.paints = False
        began = time.monotonic()
        client = await self.connect()
        self.assertLess(time.monotonic() - began, 4)
        client.request()
        await client.update()
        self.assertIn(rfb.visible(notice.blank(None)), client.visible())
        self.painter.paints = True
        client.request()
        await client.update()
        await client.update_to(self.painter.pixels)

    async def test_resize(self) -> None:
        await self.serve(640, 480)
        for encoding in (rfb.DESKTOP_SIZE, rfb.EXTENDED_DESKTOP_SIZE):
            client = await self.view(encodings=(rfb.RAW, encoding))
            for size in ((720, 400), (2560, 1600), (1, 1), (640, 480)):
                self.painter.resize(*size)
                await client.update_to(self.painter.pixels)
                self.assertEqual(size, (client.width, client.height))
            self.assertIn(encoding, [each[0] for each in client.special])
            await client.close()

    async def test_mode_changes_in_a_loop(self) -> None:
        await self.serve(640, 480)
        client = await self.view()
        for number in range(100):
            self.painter.resize(300 + number % 7 * 100, 200 + number % 5 * 99)
            client.request()
            await asyncio.sleep(0.003)
        await client.update_to(self.painter.pixels)

    async def test_cursor(self) -> None:
        await self.serve()
        client = await self.view()
        self.assertIsNone(client.cursor)    # the guest has none
        red = b'\0\0\xff\xff'
        for width, height in ((9, 2), (128, 128), (1, 1)):
            self.painter.display.set_cursor(display.Cursor(
                width, height, width - 1, 0, red * (width * height)))
            client.request()
            await client.update()
            assert client.cursor is not None
            shown = client.cursor[1]
            self.assertEqual(width, client.cursor[0])
            # A large one is cut: the library's buffer holds no more.
            self.assertEqual(min(height, 61), shown)
            self.assertEqual(rfb.visible(red * (width * shown)),
                             rfb.visible(client.cursor[2]))
            self.assertEqual((rfb.CURSOR, width - 1, 0),
                             client.special[-1][:3])
        self.painter.display.set_cursor(None)
        client.request()
        await client.update()
        self.assertEqual((0, 0, b'', b''), client.cursor)

    async def test_quickest_client_sets_the_pace(self) -> None:
        await self.serve(800, 600)
        client = await self.view()
        idle = await self.view()
        idle.request(incremental=False)
        await idle.update()
        await self.pair.until(lambda: self.painter.display.seen)
        self.painter.scribble()
        # Nobody has asked for it.
        await asyncio.sleep(0.3)
        self.assertFalse(self.painter.display.seen)
        client.request()
        await client.update()
        await self.pair.until(lambda: self.painter.display.seen)


class InputTest(vnc_case.Case):

    async def test_keys(self) -> None:
        await self.serve()
        client = await self.connect()
        client.type('aB')
        client.extended_key(ord('?'), _A, True)     # the number counts
        client.extended_key(ord('?'), _A, False)
        client.extended_key(ord('a'), 0, True)
        client.extended_key(ord('a'), 0, False)
        client.type('\u20ac')       # no US keyboard has it
        client.type('c')
        expected = [*_press(_A), input_event.Key(_SHIFT, True),
                    input_event.Key(0x30, True),
                    input_event.Key(_SHIFT, False),
                    input_event.Key(0x30, False), *_press(_A, _A, 0x2e)]
        await self.pair.until(lambda: len(self.pair.events) >= len(expected))
        self.assertEqual(expected, self.pair.events)

    async def test_extended_keys_are_confirmed(self) -> None:
        await self.serve()
        client = await self.view()
        self.assertIn((rfb.EXTENDED_KEYS, 0, 0, 0, 0), client.special)

    async def test_held_keys_and_buttons_are_let_go(self) -> None:
        await self.serve(100, 100)
        client, other = await self.connect(), await self.connect()
        client.key(0xffe3, True)
        client.key(ord('x'), True)
        client.pointer(1, 50, 50)
        await self.pair.until(lambda: len(self.pair.events) == 3)
        other.key(ord('x'), True)
        await self.pair.until(lambda: len(self.pair.events) == 4)
        await client.close()
        await self.pair.until(lambda: len(self.pair.events) == 6)
        half = 50 * 0x7fff // 100
        self.assertEqual([input_event.Key(0x1d, False),
                          input_event.Pointer(0, half, half)],
                         self.pair.events[4:])
        await other.close()
        await self.pair.until(lambda: len(self.pair.events) == 7)
        self.assertEqual(input_event.Key(0x2d, False), self.pair.events[6])

    async def test_no_key_is_lost_while_the_instance_stands(self) -> None:
        await self.serve()
        client = await self.connect()
        self.pair.taking = False
        text = 'abcdefghij' * 1000      # more than the stream keeps
        client.type(text)
        for number in range(200):
            client.pointer(0, number % 64, 7)
        await asyncio.sleep(0.5)
        self.pair.taking = True
        keys = 2 * len(text)
        await self.pair.until(
            lambda: len(self.pair.events) > keys
            and self.pair.events[-1].x == 7 * 0x7fff // 64, 20)
        numbers = {'abcdefghij'[at]: number for at, number in enumerate(
            (0x1e, 0x30, 0x2e, 0x20, 0x12, 0x21, 0x22, 0x23, 0x17, 0x24))}
        self.assertEqual(_press(*(numbers[each] for each in text)),
                         self.pair.events[:keys])
        # Of the motions those are left out that the instance was behind.
        self.assertLess(len(self.pair.events) - keys, 150)

    async def test_held_keys_live_through_an_epoch(self) -> None:
        await self.serve()
        client = await self.connect()
        client.key(0xffe1, True)
        await self.pair.until(lambda: len(self.pair.events) == 1)
        self.pair.host.freeze()
        await self.pair.until(lambda: self.pair.host.acknowledged)
        client.type('A')
        await asyncio.sleep(0.1)
        self.assertEqual(1, len(self.pair.events))
        self.pair.host.open()
        client.key(0xffe1, False)
        await self.pair.until(lambda: len(self.pair.events) == 4)
        self.assertEqual([*_press(_A), input_event.Key(_SHIFT, False)],
                         self.pair.events[1:])

    async def test_vncdotool(self) -> None:
        await self.serve(320, 200)
        with tempfile.TemporaryDirectory() as directory:
            picture = pathlib.Path(directory, 'picture.png')
            process = await asyncio.create_subprocess_exec(
                VNCDO, '-s', f'127.0.0.1::{self.port}', 'capture', picture,
                'type', 'Hi!', 'key', 'ctrl-alt-del', 'move', '10', '20',
                'click', '1', stderr=subprocess.DEVNULL)
            self.assertEqual(0, await asyncio.wait_for(process.wait(), 30))
            from PIL import Image
            with Image.open(picture) as image:
                self.assertEqual(
                    rfb.visible(self.painter.pixels),
                    rfb.visible(image.convert('RGBX').tobytes('raw', 'BGRX')))
        keys = [each for each in self.pair.events
                if isinstance(each, input_event.Key)]
        self.assertEqual([
            input_event.Key(_SHIFT, True), input_event.Key(0x23, True),
            input_event.Key(_SHIFT, False), input_event.Key(0x23, False),
            *_press(0x17), input_event.Key(_SHIFT, True),
            input_event.Key(0x02, True), input_event.Key(_SHIFT, False),
            input_event.Key(0x02, False)], keys[:10])
        self.assertEqual(
            [input_event.Key(number, True) for number in (0x1d, 0x38, 0xd3)],
            keys[10:13])
        x, y = 10 * 0x7fff // 320, 20 * 0x7fff // 200
        self.assertEqual([input_event.Pointer(buttons, x, y)
                          for buttons in (0, 1, 0)],
                         [each for each in self.pair.events
                          if isinstance(each, input_event.Pointer)][-3:])


class FreezeTest(vnc_case.Case):

    async def _freeze(self) -> None:
        self.pair.host.freeze()
        await self.pair.until(lambda: self.pair.host.acknowledged)

    async def _nothing_comes(self, client: rfb.Client) -> None:
        with self.assertRaises(TimeoutError):
            await asyncio.wait_for(client.reader.read(1), 0.3)

    async def test_no_pixel_leaves_until_the_picture_is_good(self) -> None:
        await self.serve()
        client = await self.view()
        await self._freeze()
        self.painter.paints = False
        # What arrives with Domain R is of any age.
        self.painter.display.framebuffer[:100] = bytes(100)
        client.request(incremental=False)
        await self._nothing_comes(client)
        self.pair.host.open()
        await self.pair.until(
            lambda: self.pair.agent._end.epoch == self.pair.host.epoch)
        await self._nothing_comes(client)
        self.painter.paints = True
        self.painter.paint()
        await client.update()
        await client.update_to(self.painter.pixels)

    async def _sees_lights(self, client: rfb.Client) -> None:
        """Wait until the thread that sends has done with what it has sent, and
        not only the client with what it was sent: a freeze before that has
        everything sent anew. The lights it sends in its next turn."""
        self.desktop._sessions.set_leds(1)
        while not client.lights:
            self.assertFalse(await client._message())

    async def test_only_what_differs_is_sent(self) -> None:
        await self.serve()
        client = await self.view(encodings=(
            rfb.RAW, rfb.DESKTOP_SIZE, rfb.QEMU_LEDS))
        await self._sees_lights(client)
        self.painter.paints = False
        client.request()
        await self._freeze()
        self.pair.host.open()
        await self.pair.until(
            lambda: self.pair.agent._end.epoch == self.pair.host.epoch)
        self.painter.pixels[0] ^= 0xff
        self.painter.paint([(0, 0, 16, 16)])
        began = client.pixels[:]
        client.pixels[:] = bytes(len(began))
        await client.update()
        self.assertEqual(
            rfb.visible(self.painter.pixels[:64]), client.visible()[:64])
        self.assertEqual(bytes(64), client.visible()[-64:])

    async def test_update_in_progress_is_sent_anew(self) -> None:
        await self.serve(2560, 1600)
        client = await self.connect()
        client.request(incremental=False)   # 16 MB: it waits for the client
        await self.pair.until(lambda: self.painter.display.is_open)
        await asyncio.sleep(0.3)
        await self._freeze()
        self.painter.paints = False
        self.pair.host.open()
        await self.pair.until(
            lambda: self.pair.agent._end.epoch == self.pair.host.epoch)
        self.painter.pixels[:] = bytes(len(self.painter.pixels))
        self.painter.paint([])      # nothing differs, the host believes
        await client.update()
        client.request()
        await client.update()
        self.assertEqual(self.painter.pixels, client.visible())

    async def test_moved_without_a_freeze_everything_is_sent(self) -> None:
        await self.serve()
        client = await self.view()
        self.painter.paints = False
        self.painter.display.framebuffer[:64] = bytes(64)
        self.pair.host.open()
        await self.pair.until(
            lambda: self.pair.agent._end.epoch == self.pair.host.epoch)
        self.painter.paint([])
        client.pixels[:] = bytes(len(client.pixels))
        client.request()
        await client.update()
        self.assertEqual(rfb.visible(self.painter.pixels), client.visible())

    async def test_freeze_is_acknowledged_at_once(self) -> None:
        await self.serve(1920, 1080)
        clients = [await self.connect() for _ in range(4)]
        for client in clients:
            client.request(incremental=False)
        await asyncio.sleep(0.1)
        took = []
        for _ in range(10):
            await self.pair.until(
                lambda: self.pair.host.state.name == 'OPEN')
            began = time.monotonic()
            self.pair.host.freeze()
            while not self.pair.host.acknowledged:
                self.pair.host.poll()
                await asyncio.sleep(0)
            took.append(time.monotonic() - began)
            self.pair.host.open()
        # Not the longest: other programs run on this machine.
        self.assertLess(statistics.median(took), wire.FREEZE_TIMEOUT_S / 2)


class SharingTest(vnc_case.Case):

    async def test_clients_share_unless_one_wants_it_alone(self) -> None:
        await self.serve()
        clients = [await self.view() for _ in range(3)]
        self.painter.scribble()
        for client in clients:
            await client.update_to(self.painter.pixels)
        await self.pair.until(
            lambda: self.pair.said(wire.SERVING)[-1]['vnc'] == 3)
        alone = await self.view(shared=False)
        for client in clients:
            self.assertEqual(b'', await client.reader.read())
        await self.pair.until(lambda: self.desktop.clients == 1)
        await alone.update_to(self.painter.pixels)

    async def test_or_one_types_and_the_others_type_nothing(self) -> None:
        await self.serve(exclusive='control')
        first = await self.view()
        alone = await self.view(shared=False)
        first.type('b')
        first.request(incremental=False)
        await first.update()        # so it was read
        alone.type('a')
        await self.pair.until(lambda: len(self.pair.events) == 2)
        self.assertEqual([0x1e, 0x1e],
                         [each.number for each in self.pair.events])
        for symbol in (0xffe3, 0xffe9, ord('o')):
            first.key(symbol, True)
        for symbol in (ord('o'), 0xffe9, 0xffe3):
            first.key(symbol, False)
        first.type('b')
        await self.pair.until(lambda: len(self.pair.events) == 8)
        self.assertEqual([0x1d, 0x38, 0x38, 0x1d, 0x30, 0x30],
                         [each.number for each in self.pair.events[2:]])
        # Both see the picture, when it says no more who types.
        self.painter.scribble()
        for client in (first, alone):
            await client.update_to(self.painter.pixels)
