# SPDX-License-Identifier: Apache-2.0
"""Clients that ask for another size of the desktop."""

import asyncio
from unittest import mock

from nova_dmore.domr import config as config_module
from nova_dmore.domr.servers.vnc import protocol
from nova_dmore import wire
from tests.unit.domr.servers.vnc import desktop_case

Answer = wire.SizeAnswer


class ResizingTest(desktop_case.Case):

    def ask(self, *size: int, client: int | None = None) -> None:
        self.say(protocol.SizeWanted(
            self.client if client is None else client, *size))

    def answer(self, answer: Answer) -> None:
        """The host answers, and the region is polled."""
        self.screen.answer = answer
        self.desktop.flush()

    def told(self) -> list[tuple[int, Answer]]:
        found, self.sessions.answers = self.sessions.answers, []
        return found

    async def test_the_hosts_answer(self) -> None:
        for answer in Answer:
            self.ask(800, 600)
            self.desktop.flush()
            self.assertEqual([], self.told())
            self.answer(answer)
            self.assertEqual([(self.client, answer)], self.told())
        self.assertEqual([(800, 600)] * 4, self.screen.wanted)

    async def test_only_the_last_of_a_storm(self) -> None:
        other = await self.add()
        for width in range(1, 500):
            self.ask(width, 600, client=(self.client, other)[width % 2])
        self.assertEqual([(1, 600)], self.screen.wanted)
        self.answer(Answer.FORWARDED)
        self.assertEqual([(other, Answer.FORWARDED)], self.told())
        self.assertEqual([(1, 600), (499, 600)], self.screen.wanted)
        self.answer(Answer.INVALID)
        self.assertEqual([(self.client, Answer.INVALID),
                          (other, Answer.INVALID)], self.told())
        self.assertEqual(2, len(self.screen.wanted))

    async def test_sizes_that_cannot_be(self) -> None:
        for size in ((0, 0), (0, 600), (800, 0)):
            self.ask(*size)
            self.assertEqual([(self.client, Answer.INVALID)], self.told())
        self.assertEqual([], self.screen.wanted)

    async def test_host_that_does_not_answer(self) -> None:
        with mock.patch.object(wire, 'SIZE_PATIENCE_S', 0.02):
            self.ask(800, 600)
            self.ask(900, 600)
            await asyncio.sleep(0.1)
        self.assertEqual([(self.client, Answer.PROHIBITED)] * 2, self.told())
        self.assertEqual([(800, 600), None, (900, 600), None],
                         self.screen.wanted)
        self.answer(Answer.FORWARDED)       # too late
        self.assertEqual([], self.told())

    async def test_client_that_has_gone(self) -> None:
        other = await self.add()
        self.ask(800, 600)
        self.ask(900, 600)
        self.ask(900, 600, client=other)
        self.say(protocol.Gone(self.client, protocol.Reason.CLOSED))
        self.answer(Answer.FORWARDED)
        self.assertEqual([], self.told())
        self.answer(Answer.FORWARDED)
        self.assertEqual([(other, Answer.FORWARDED)], self.told())

    async def test_client_that_is_excluded(self) -> None:
        self.configure(exclusive=config_module.Exclusive.CONTROL)
        holder = await self.add(shared=False)
        self.ask(800, 600)
        self.assertEqual([(self.client, Answer.PROHIBITED)], self.told())
        self.assertEqual([], self.screen.wanted)
        self.ask(800, 600, client=holder)
        self.answer(Answer.FORWARDED)
        self.assertEqual([(holder, Answer.FORWARDED)], self.told())
