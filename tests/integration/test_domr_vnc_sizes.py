# SPDX-License-Identifier: Apache-2.0
"""Clients that ask for another size of the desktop, with the real process."""

import asyncio
import socket
import struct

from nova_dmore import wire
from tests.integration import rfb
from tests.integration import vnc_case

Answer = wire.SizeAnswer
ENCODINGS = rfb.RAW, rfb.EXTENDED_DESKTOP_SIZE


class SizesTest(vnc_case.Case):

    SANITIZERS = 'address,undefined'

    async def asyncSetUp(self) -> None:
        await self.serve(640, 480, exclusive='control')
        self.last = 0

    async def asked(self) -> tuple[int, int]:
        """Wait for what the host is asked, as the worker finds it."""
        def find() -> bool:
            self.wanted = self.painter.display.wanted_size(
                self.pair.host.epoch)
            return (self.wanted is not None
                    and self.wanted.number != self.last)
        await self.pair.until(find)
        assert self.wanted is not None
        self.last = self.wanted.number
        return self.wanted.width, self.wanted.height

    def answer(self, answer: Answer) -> None:
        """As the worker does it."""
        self.painter.display.answer_size(self.last, answer,
                                         self.pair.host.epoch)
        self.pair.ring(wire.Vector.DISPLAY)

    async def answers(self, client: rfb.Client, count: int = 1) -> list[int]:
        """What a client is told: it needs not have asked for an update."""
        async with asyncio.timeout(20):
            while len(client.answers) < count:
                await client._message()
        found, client.answers = client.answers, []
        return found

    async def test_guest_that_follows(self) -> None:
        client = await self.view(encodings=ENCODINGS)
        other = await self.view(encodings=ENCODINGS)
        answers = []
        for number, size in enumerate(((800, 600), (1024, 768), (640, 480))):
            client.ask_for_size(*size)
            self.assertEqual(size, await self.asked())
            self.answer(Answer.FORWARDED)
            if number != 1:     # else both come at once
                answers += await self.answers(client)
            self.painter.resize(*size)
            for each in (client, other):
                await each.update_to(self.painter.pixels)
                self.assertEqual(size, (each.width, each.height))
            # To neither it is the answer to something.
            for each in (client, other):
                self.assertEqual((0, 0, *size), next(
                    shown[1:] for shown in reversed(each.special)
                    if shown[1] == 0))
        answers += await self.answers(client, 3 - len(answers))
        self.assertEqual([4, 4, 4], answers)
        self.assertEqual([], other.answers)
        self.assertEqual([], self.warnings())

    async def test_guest_that_cannot(self) -> None:
        client = await self.view(encodings=ENCODINGS)
        for answer in Answer:
            client.ask_for_size(800, 600)
            await self.asked()
            self.answer(answer)
            self.assertEqual([answer], await self.answers(client))
            self.assertEqual(
                (rfb.EXTENDED_DESKTOP_SIZE, 1, answer, 640, 480),
                client.special[-1])

    async def test_no_screens_and_many(self) -> None:
        client = await self.view(encodings=ENCODINGS)
        for screens in (0, 1, 2, 255):
            client.writer.write(struct.pack(
                '>BxHHBx', 251, 800, 600, screens) + bytes(16 * screens))
            self.assertEqual((800, 600), await self.asked())
            self.answer(Answer.INVALID)
            self.assertEqual([3], await self.answers(client))

    async def test_sizes_that_cannot_be(self) -> None:
        client = await self.view(encodings=ENCODINGS)
        for size in ((0, 0), (0, 600), (800, 0)):
            client.ask_for_size(*size)
            self.assertEqual([Answer.INVALID], await self.answers(client))
        self.assertEqual(0, self.last)

    async def test_host_of_an_earlier_release(self) -> None:
        """It knows nothing of it, and does not answer."""
        client = await self.view(encodings=ENCODINGS)
        client.ask_for_size(800, 600)
        self.assertEqual([Answer.PROHIBITED], await self.answers(client))
        await client.update_to(self.painter.pixels)

    async def test_client_that_is_view_only(self) -> None:
        watcher = await self.watcher()
        watcher.ask_for_size(800, 600)
        self.assertEqual([Answer.PROHIBITED], await self.answers(watcher))
        self.assertIsNone(self.painter.display.wanted_size(
            self.pair.host.epoch))

    async def watcher(self) -> rfb.Client:
        """A client that is view-only, as its password says."""
        ours, its = socket.socketpair()
        its.setblocking(False)
        await self.desktop.add(its, client='views 127.0.0.1 port 1',
                               name='x', view_only=True, shared=True)
        watcher = rfb.Client(*await asyncio.open_connection(sock=ours))
        self.addAsyncCleanup(watcher.close)
        await watcher.server_init()
        watcher.encodings(*ENCODINGS)
        return watcher

    async def test_client_that_is_excluded(self) -> None:
        client = await self.view(encodings=ENCODINGS)
        holder = await self.view(encodings=ENCODINGS, shared=False)
        client.ask_for_size(800, 600)
        self.assertEqual([Answer.PROHIBITED], await self.answers(client))
        holder.ask_for_size(1024, 768)
        self.assertEqual((1024, 768), await self.asked())

    async def test_storm_of_several_clients(self) -> None:
        clients = [await self.view(encodings=ENCODINGS) for _ in range(3)]
        for number in range(300):
            for client in clients:
                client.ask_for_size(700 + number, 600)
        await asyncio.gather(*(each.writer.drain() for each in clients))
        asked = 0
        async with asyncio.timeout(20):
            while True:
                size = await self.asked()
                asked += 1
                self.answer(Answer.FORWARDED)
                if size == (999, 600):
                    break
        self.assertLess(asked, 100)
        for client in clients:
            self.assertIn(4, await self.answers(client))
            await client.update_to(self.painter.pixels)

    async def test_client_that_leaves_while_it_waits(self) -> None:
        client = await self.view(encodings=ENCODINGS)
        client.ask_for_size(800, 600)
        await self.asked()
        await client.close()
        await self.pair.until(lambda: self.desktop.clients == 0)
        other = await self.view(encodings=ENCODINGS)    # of the same number
        self.answer(Answer.FORWARDED)
        self.painter.scribble()
        await other.update_to(self.painter.pixels)
        other.ask_for_size(900, 600)
        self.assertEqual((900, 600), await self.asked())
        self.assertEqual([], other.answers)

    async def test_client_that_was_told_of_no_sizes(self) -> None:
        """It asks all the same: nothing comes that it does not know."""
        client = await self.view(encodings=(rfb.RAW,))
        client.ask_for_size(800, 600)
        await self.asked()
        self.answer(Answer.FORWARDED)
        self.painter.scribble()
        await client.update_to(self.painter.pixels)
        self.assertEqual([], client.special)

    async def test_new_epoch_before_the_answer(self) -> None:
        client = await self.view(encodings=ENCODINGS)
        client.ask_for_size(800, 600)
        await self.asked()
        self.pair.host.open()
        self.last = 0
        self.assertEqual((800, 600), await self.asked())
        self.answer(Answer.FORWARDED)
        self.assertEqual([4], await self.answers(client))
