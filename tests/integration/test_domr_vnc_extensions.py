# SPDX-License-Identifier: Apache-2.0
"""What clients ask for besides a picture and keys, with the real process."""

import asyncio
import dataclasses
import struct
import zlib

from nova_dmore.channel import display
from nova_dmore.channel import input_event
from nova_dmore.domr import config as config_module
from nova_dmore.domr.servers.vnc import notice
from nova_dmore.domr.servers.vnc import protocol
from nova_dmore import wire
from tests.integration import rfb
from tests.integration import vnc_case

State = wire.InstanceState
_TEXT, _CAPS, _REQUEST, _NOTIFY, _PROVIDE = (
    1 << each for each in (0, 24, 25, 27, 28))


class ExtensionsCase(vnc_case.Case):

    SANITIZERS = 'address,undefined'

    async def asyncSetUp(self) -> None:
        await self.serve(320, 200)

    def light(self, leds: int) -> None:
        """As the worker does it."""
        self.painter.display.set_leds(leds)
        self.pair.ring(wire.Vector.DISPLAY)

    def tell(self, state: State) -> None:
        """Say what the instance does."""
        self.pair.send({'type': wire.STATE, 'state': state})
        self.pair.ring(wire.Vector.CONTROL)

    async def updates(self, client: rfb.Client, condition) -> None:
        """Take updates until something holds."""
        async with asyncio.timeout(20):
            while not condition():
                client.request()
                await client.update()


class LightsTest(ExtensionsCase):

    async def test_lights_of_the_keyboard(self) -> None:
        for encoding in (rfb.QEMU_LEDS, rfb.VMWARE_LEDS):
            self.light(2)
            client = await self.view(encodings=(
                rfb.RAW, rfb.DESKTOP_SIZE, rfb.EXTENDED_KEYS, encoding))
            self.light(6)
            self.painter.scribble()
            await client.update_to(self.painter.pixels)
            self.light(4)
            self.painter.scribble()
            await client.update_to(self.painter.pixels)
            self.assertEqual(4, client.lights[-1])
            self.assertIn(6, client.lights)
            # It sees to the locks itself.
            client.extended_key(ord('a'), 0x1e, True)
            await self.pair.until(lambda: self.pair.events)
            self.assertEqual([input_event.Key(0x1e, True)], self.pair.events)
            await client.close()
            await self.pair.until(lambda: len(self.pair.events) == 2)
            self.pair.events.clear()

    async def test_client_that_was_not_told(self) -> None:
        client = await self.view()
        client.extended_key(ord('A'), 0x1e, True)
        await self.pair.until(lambda: len(self.pair.events) == 3)
        self.assertEqual([
            input_event.Key(0x3a, True), input_event.Key(0x3a, False),
            input_event.Key(0x1e, True)], self.pair.events)


class ButtonsTest(ExtensionsCase):

    async def test_more_buttons(self) -> None:
        client = await self.view(encodings=(
            rfb.RAW, rfb.DESKTOP_SIZE, rfb.EXTENDED_BUTTONS))
        self.assertIn(rfb.EXTENDED_BUTTONS,
                      [each[0] for each in client.special])
        for buttons in (0x001, 0x101, 0x180, 0x060, 0):
            more = bytes([buttons >> 7]) if buttons >> 7 else b''
            client.pointer(buttons & 0x7f | (0x80 if more else 0), 5, 5)
            client.writer.write(more)
        await self.pair.until(lambda: len(self.pair.events) == 5)
        self.assertEqual([0x001, 0x101, 0x180, 0x060, 0],
                         [each.buttons for each in self.pair.events])

    async def test_client_that_was_not_told_of_them(self) -> None:
        client = await self.view()
        client.pointer(0x81, 5, 5)
        client.pointer(0, 5, 5)
        await self.pair.until(lambda: len(self.pair.events) == 2)
        self.assertEqual(0x81, self.pair.events[0].buttons)


class DrawnPointerTest(ExtensionsCase):

    async def test_client_that_draws_no_pointer(self) -> None:
        shape = display.Cursor(3, 2, 1, 1, b'\1\2\3\xff\4\5\6\0' * 3)
        self.painter.display.set_cursor(shape)
        client = await self.view(encodings=(rfb.RAW, rfb.DESKTOP_SIZE))
        other = await self.view()

        def shown(x: int, y: int) -> bool:
            wanted = bytearray(self.painter.pixels)
            for index in range(6):
                place = (x - 1 + index % 3, y - 1 + index // 3)
                pixel = shape.pixels[index * 4:index * 4 + 4]
                if pixel[3] and 0 <= place[0] < 320 and 0 <= place[1] < 200:
                    at = (place[1] * 320 + place[0]) * 4
                    wanted[at:at + 4] = pixel
            return client.visible() == rfb.visible(wanted)
        for mover, x, y in ((client, 5, 7), (other, 0, 0), (client, 319, 199),
                            (other, 100, 100)):
            mover.pointer(0, x, y)
            await self.updates(client, lambda: shown(x, y))
        self.painter.scribble()
        await self.updates(client, lambda: shown(100, 100))
        # What is dropped moves no pointer: another one has control, of which
        # the process knows when it sends the next damage.
        self.desktop._sessions.set_control(1)
        self.painter.scribble()
        await self.updates(client, lambda: shown(100, 100))
        client.pointer(1, 7, 9)
        await self.pair.until(lambda: any(
            getattr(event, 'buttons', 0) for event in self.pair.events), 20)
        self.painter.scribble()
        await self.updates(client, lambda: shown(100, 100))
        other.pointer(0, 50, 60)
        await self.updates(client, lambda: shown(50, 60))
        await other.update_to(self.painter.pixels)
        self.painter.display.set_cursor(None)
        self.pair.ring(wire.Vector.DISPLAY)
        await client.update_to(self.painter.pixels)


class ClipboardTest(ExtensionsCase):

    async def paste(self, client: rfb.Client) -> None:
        """Have it typed."""
        for number in (0x1d, 0x38, 0x2f):
            client.extended_key(0, number, True)

    async def typed(self, numbers: list[int]) -> None:
        """Wait until these keys were pressed, after what else was."""
        def pressed() -> list[int]:
            return [each.number for each in self.pair.events
                    if isinstance(each, input_event.Key) and each.down]
        await self.pair.until(
            lambda: pressed()[-len(numbers):] == numbers, 20)

    async def test_latin_1(self) -> None:
        client = await self.view()
        client.copy('abc' * 20)
        await self.paste(client)
        await self.typed([0x1e, 0x30, 0x2e] * 20)

    async def test_extended(self) -> None:
        client = await self.view(encodings=(
            rfb.RAW, rfb.DESKTOP_SIZE, rfb.EXTENDED_CLIPBOARD))
        caps, size = struct.unpack('>II', client.clipboard[0])
        self.assertEqual((_TEXT | _CAPS | _NOTIFY | _PROVIDE, 0),
                         (caps, size))
        client.extended_clipboard(_TEXT | _CAPS | _NOTIFY, bytes(4))
        client.extended_clipboard(_TEXT | _NOTIFY)
        self.painter.scribble()
        await client.update_to(self.painter.pixels)
        await self.updates(client, lambda: len(client.clipboard) > 1
                           or self.painter.scribble())
        self.assertEqual(struct.pack('>I', _TEXT | _REQUEST),
                         client.clipboard[1])
        text = 'cab'.encode() + b'\0'
        client.extended_clipboard(_TEXT | _PROVIDE, zlib.compress(
            struct.pack('>I', len(text)) + text))
        await self.paste(client)
        await self.typed([0x2e, 0x1e, 0x30])

    async def test_what_is_no_text(self) -> None:
        client = await self.view(encodings=(
            rfb.RAW, rfb.DESKTOP_SIZE, rfb.EXTENDED_CLIPBOARD))
        for data in (b'x', bytes(1000), zlib.compress(bytes(1 << 22)),
                     zlib.compress(b'\0\0\0\1\xff')):
            client.copy('before')
            client.extended_clipboard(_TEXT | _PROVIDE, data)
            await self.paste(client)
        client.extended_clipboard(_TEXT | _PROVIDE, b'')
        client.copy('before')
        client.copy('x' * (protocol.TEXT_MAX + 1))
        await self.paste(client)
        client.writer.write(struct.pack('>Bxxxi', 6, -2) + b'ab')
        client.copy('a')
        await self.paste(client)
        await self.typed([0x1e])

    async def test_a_large_text_is_thrown_away(self) -> None:
        """It was copied for another program; the client sends it by itself.
        """
        client = await self.view(encodings=(
            rfb.RAW, rfb.DESKTOP_SIZE, rfb.EXTENDED_CLIPBOARD))
        large = self.painter.random.randbytes(3 << 20)
        for send in (lambda: client.extended_clipboard(
                _TEXT | _PROVIDE, zlib.compress(
                    struct.pack('>I', len(large)) + large.hex().encode())),
                     lambda: client.copy(large.decode('latin-1'))):
            client.copy('before')
            send()
            await client.writer.drain()
            await self.paste(client)
        client.copy('a')
        await self.paste(client)
        await self.typed([0x1e])
        self.assertEqual([], self.warnings())

    async def test_it_is_not_offered_to_who_does_not_know_it(self) -> None:
        client = await self.view()
        self.assertEqual([], client.clipboard)

    async def test_it_is_not_offered_where_nothing_is_typed(self) -> None:
        context = self.desktop._context
        config = context.config
        context.config = dataclasses.replace(config, vnc=dataclasses.replace(
            config.vnc, paste=config_module.Paste.OFF))
        client = await self.view(encodings=(
            rfb.RAW, rfb.DESKTOP_SIZE, rfb.EXTENDED_CLIPBOARD))
        self.assertEqual([], client.clipboard)
        client.extended_clipboard(_TEXT | _NOTIFY)
        self.painter.scribble()
        await client.update_to(self.painter.pixels)
        self.assertEqual([], client.clipboard)
        # The option may be another one by now.
        context.config = config
        client.copy('a')
        await self.paste(client)
        await self.typed([0x1e])


class StateTest(ExtensionsCase):

    def is_blank(self, client: rfb.Client, state: State | None) -> bool:
        """Whether a client sees what stands for a picture."""
        rows = notice.blank(state)
        start = (protocol.BLANK_SIZE - len(rows)) // 2
        return ((client.width, client.height) == (640, 400)
                and client.visible()[start:start + len(rows)]
                == rfb.visible(rows))

    async def test_new_client_of_an_instance_without_a_picture(self) -> None:
        self.painter.paints = False
        client = await self.connect()
        client.request(incremental=False)
        async with asyncio.timeout(5):
            await client.update()
        self.assertTrue(self.is_blank(client, None))
        self.painter.paints = True
        await self.updates(client, lambda: client.width == 320)
        await client.update_to(self.painter.pixels)

    async def test_new_client_while_there_is_no_picture_any_more(self
                                                                 ) -> None:
        old = await self.view()
        self.painter.paints = False
        self.painter.display.shut()
        self.pair.ring(wire.Vector.DISPLAY)
        client = await self.connect()
        client.request(incremental=False)
        async with asyncio.timeout(5):
            while not self.is_blank(client, None):
                client.request()
                await client.update()
        self.painter.paints = True
        await self.updates(client, lambda: client.width == 320)
        await client.update_to(self.painter.pixels)
        await old.update_to(self.painter.pixels)

    async def test_off_and_on(self) -> None:
        client = await self.view()
        self.painter.paints = False
        self.painter.display.shut()
        self.tell(State.OFF)
        await self.updates(client, lambda: self.is_blank(client, State.OFF))
        self.painter.paints = True
        self.tell(State.RUNNING)
        await self.updates(client, lambda: client.width == 320)
        await client.update_to(self.painter.pixels)

    async def test_banner(self) -> None:
        client = await self.view()
        rows, _, left = notice.strip(notice.banner(State.PAUSED, False), 320)

        def shown() -> bool:
            wanted = bytearray(self.painter.pixels)
            for at in range(0, len(rows), 1280):
                wanted[at + left * 4:at + 1280] = rows[at + left * 4:
                                                       at + 1280]
            return client.visible() == rfb.visible(wanted)
        self.tell(State.PAUSED)
        await self.updates(client, shown)
        self.painter.scribble()
        await self.updates(client, shown)
        self.tell(State.RUNNING)
        await client.update_to(self.painter.pixels)
