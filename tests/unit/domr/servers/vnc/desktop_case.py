# SPDX-License-Identifier: Apache-2.0
"""The desktop without the process of the sessions, for tests."""

import asyncio
import dataclasses
import socket
import unittest
from unittest import mock

from nova_dmore.channel import input_event
from nova_dmore.domr import config as config_module
from nova_dmore.domr import instance_state
from nova_dmore.domr import sessions as sessions_module
from nova_dmore.domr.servers import rms
from nova_dmore.domr.servers.vnc import desktop as desktop_module
from nova_dmore.domr.servers.vnc import keymaps
from nova_dmore.domr.servers.vnc import paste
from nova_dmore.domr.servers.vnc import protocol
from nova_dmore.domr.servers.vnc import sessions
from nova_dmore import wire
from tests.unit.domr import pair

State = wire.InstanceState
#: Numbers of keys.
CONTROL, ALT = 0x1d, 0x38
KEY_A, KEY_B, KEY_O, KEY_U, KEY_V, ESCAPE = 0x1e, 0x30, 0x18, 0x16, 0x2f, 0x01


class Screen:
    """A picture of 64 x 48, of which all is shown."""

    def __init__(self) -> None:
        self.viewer = None
        self.good = True
        self.size = self.whole = 64, 48
        self.framebuffer_size = 64 * 48 * 4
        self.lights: int | None = None
        self.wanted: list[tuple[int, int] | None] = []
        self.answer: wire.SizeAnswer | None = None

    def ask_size(self, width: int, height: int) -> None:
        self.wanted.append((width, height))

    def forget_size(self) -> None:
        self.wanted.append(None)

    def size_answer(self) -> wire.SizeAnswer | None:
        answer, self.answer = self.answer, None
        return answer

    def leds(self) -> int | None:
        return self.lights

    def set_viewers(self, count: int) -> None:
        """Nobody paints here."""

    def acknowledge(self) -> None:
        """Nobody waits for it."""

    def cursor(self) -> None:
        """The guest draws it."""


class Sessions:
    """The sessions' process: takes what it is told, gives what is put in."""

    most = 16
    taken = True

    def __init__(self, *ignored: object) -> None:
        self.coming: list[protocol.Input] = []
        self.sizes: list[tuple[int, int]] = []
        self.lights: list[int] = []
        self.ended: list[int] = []
        self.answers: list[tuple[int, wire.SizeAnswer]] = []
        self.controls: int | None = None
        self.drawn = b'', b'', 0, 0
        self.count = 0

    def add(self, *ignored: object) -> int:
        self.count += 1
        return self.count

    def end(self, session: int) -> None:
        self.ended.append(session)

    def events(self, most: int) -> list[protocol.Input]:
        events, self.coming = self.coming, []
        return events

    def resize(self, width: int, height: int) -> None:
        self.sizes.append((width, height))

    def set_leds(self, leds: int) -> None:
        self.lights.append(leds)

    def set_control(self, session: int | None) -> None:
        self.controls = session

    def answer_size(self, session: int, answer: wire.SizeAnswer) -> None:
        self.answers.append((session, answer))

    def draw(self, drawn) -> None:
        self.drawn = drawn()

    def damage(self, rectangles: object) -> None:
        """Everything is taken at once."""

    def open(self) -> None:
        """Likewise."""

    def close(self) -> None:
        """Likewise."""


class Input:
    """The stream of events, which an instance takes when it is told to."""

    def __init__(self) -> None:
        self.sent: list[input_event.Event] = []
        self.untaken = 0

    def room(self) -> int:
        return 5000

    def waiting(self) -> int:
        return self.untaken

    def send(self, event: input_event.Event) -> None:
        self.sent.append(event)


class Case(unittest.IsolatedAsyncioTestCase):
    """A desktop with one client."""

    async def asyncSetUp(self) -> None:
        for target, name, value in (
                (sessions, 'Sessions', Sessions), (paste, 'INTERVAL_S', 0)):
            patch = mock.patch.object(target, name, value)
            patch.start()
            self.addCleanup(patch.stop)
        self.screen, self.input = Screen(), Input()
        self.instance = instance_state.InstanceState()
        self.said: list[dict] = []      # to the host, of sessions
        self.context = rms.Context(
            config_module.parse(pair.config(vnc=pair.vnc())), mock.Mock(),
            self.screen, self.input, mock.Mock(), mock.Mock(), mock.Mock(),
            sessions_module.Sessions(self.said.append), self.instance)
        self.desktop = desktop_module.Desktop(self.context)
        self.sessions: Sessions = self.desktop._sessions
        self.addAsyncCleanup(self.desktop.close)
        self.addCleanup(self.hang_up)
        self.client = await self.add()

    def hang_up(self) -> None:
        self.say(*(protocol.Gone(each, protocol.Reason.CLOSED)
                   for each in list(self.desktop._clients)))

    async def add(self, shared: bool = True,
                  client: str = 'VNC client 192.0.2.7 port 7',
                  view_only: bool = False) -> int:
        ours, its = socket.socketpair()
        its.close()
        self.addCleanup(ours.close)
        await self.desktop.add(ours, client=client, name='n',
                               view_only=view_only, shared=shared)
        return self.sessions.count

    def configure(self, **changes: object) -> None:
        config = self.context.config
        self.context.config = dataclasses.replace(
            config, vnc=dataclasses.replace(config.vnc, **changes))

    def say(self, *events: protocol.Input) -> None:
        self.sessions.coming += events
        self.desktop._woken()

    def press(self, *numbers: int, client: int | None = None,
              down: bool = True) -> None:
        for number in numbers:
            self.say(protocol.Key(
                self.client if client is None else client, down, 0, number))

    def copy(self, text: str) -> None:
        parts = [text[at:at + 4] for at in range(0, len(text), 4)] or ['']
        self.say(*(protocol.Text(self.client, part, part is not parts[-1])
                   for part in parts))

    def keys(self) -> list[tuple[int, bool]]:
        found = [(each.number, each.down) for each in self.input.sent]
        self.input.sent.clear()
        return found

    def tell(self, state: State) -> None:
        self.instance.told({'type': wire.STATE, 'state': state})

    def typed(self) -> str:
        """What a US keyboard types, of letters."""
        names = {keymaps.of('en-us').strokes(each)[0].number: each
                 for each in 'abcdefghijklmnopqrstuvwxyz'}
        return ''.join(names[number] for number, down in self.keys()
                       if down and number in names)

    async def pasted(self) -> None:
        async with asyncio.timeout(5):
            while self.desktop._hands.is_pasting:
                await asyncio.sleep(0)
