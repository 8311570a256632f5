# SPDX-License-Identifier: Apache-2.0
"""What all VNC clients share, without the process of the sessions."""

import asyncio
import dataclasses
import socket
import unittest
from unittest import mock

from nova_dmore.channel.domr import display as domr_display
from nova_dmore.channel import input_event
from nova_dmore.domr import config as config_module
from nova_dmore.domr import instance_state
from nova_dmore.domr import sessions as sessions_module
from nova_dmore.domr.servers import rms
from nova_dmore.domr.servers.vnc import desktop as desktop_module
from nova_dmore.domr.servers.vnc import keymaps
from nova_dmore.domr.servers.vnc import notice
from nova_dmore.domr.servers.vnc import paste
from nova_dmore.domr.servers.vnc import protocol
from nova_dmore.domr.servers.vnc import sessions
from nova_dmore import wire
from tests.unit.domr import pair

State = wire.InstanceState
_CONTROL, _ALT, _V, _U, _A, _ESCAPE = 0x1d, 0x38, 0x2f, 0x16, 0x1e, 0x01


class Screen:
    """A picture of 64 x 48, of which all is shown."""

    def __init__(self) -> None:
        self.viewer = None
        self.good = True
        self.size = self.whole = 64, 48
        self.framebuffer_size = 64 * 48 * 4
        self.lights: int | None = None

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


class DesktopTest(unittest.IsolatedAsyncioTestCase):

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
        self.addCleanup(self._hang_up)
        self.client = await self._add()

    def _hang_up(self) -> None:
        self._say(*(protocol.Gone(each, protocol.Reason.CLOSED)
                    for each in list(self.desktop._clients)))

    async def _add(self, shared: bool = True,
                   client: str = 'VNC client 192.0.2.7 port 7',
                   view_only: bool = False) -> int:
        ours, its = socket.socketpair()
        its.close()
        self.addCleanup(ours.close)
        await self.desktop.add(ours, client=client, name='n',
                               view_only=view_only, shared=shared)
        return self.sessions.count

    async def test_the_host_is_told_of_sessions(self) -> None:
        other = await self._add(client='VNC client fe80::7%ens3 port 8',
                                view_only=True)
        self.assertEqual(
            [('192.0.2.7', 7, False), ('fe80::7', 8, True)],
            [tuple(each['session'][name]
                   for name in ('address', 'port', 'view_only'))
             for each in self.said])
        self.context.sessions.end(self.said[1]['session']['number'])
        self.assertEqual([other], self.sessions.ended)
        self._say(protocol.Gone(other, protocol.Reason.CLOSED))
        self.assertEqual(
            {'type': wire.SESSION_ENDED, 'server': 'vnc', 'number': 2},
            self.said[-1])

    def _configure(self, **changes: object) -> None:
        config = self.context.config
        self.context.config = dataclasses.replace(
            config, vnc=dataclasses.replace(config.vnc, **changes))

    def _say(self, *events: protocol.Input) -> None:
        self.sessions.coming += events
        self.desktop._woken()

    def _press(self, *numbers: int) -> None:
        for number in numbers:
            self._say(protocol.Key(self.client, True, 0, number))

    def _copy(self, text: str) -> None:
        parts = [text[at:at + 4] for at in range(0, len(text), 4)]
        self._say(*(protocol.Text(self.client, part, part is not parts[-1])
                    for part in parts))

    def _keys(self) -> list[tuple[int, bool]]:
        found = [(each.number, each.down) for each in self.input.sent]
        self.input.sent.clear()
        return found

    def _tell(self, state: State) -> None:
        self.instance.told({'type': wire.STATE, 'state': state})

    def _typed(self) -> str:
        """What a US keyboard types, of letters."""
        names = {keymaps.of('en-us').strokes(each)[0].number: each
                 for each in 'abcdefghijklmnopqrstuvwxyz'}
        return ''.join(names[number] for number, down in self._keys()
                       if down and number in names)

    async def _pasted(self) -> None:
        async with asyncio.timeout(5):
            while self.desktop._paste.is_typing:
                await asyncio.sleep(0)

    # -- an instance that takes nothing

    async def test_keys_of_a_paused_instance_are_dropped(self) -> None:
        self._press(_CONTROL)
        self._keys()
        for state in wire.STATES_WITHOUT_INPUT:
            self._tell(state)
            self._press(_A)
            self._say(protocol.Key(self.client, False, 0, _A))
            self.assertEqual([], self._keys())
        self._say(protocol.Key(self.client, False, 0, _CONTROL))
        self.assertEqual([(_CONTROL, False)], self._keys())
        self._tell(State.RUNNING)
        self._press(_A)
        self.assertEqual([(_A, True)], self._keys())

    async def test_an_instance_that_is_off_has_no_picture(self) -> None:
        self._tell(State.OFF)
        self.assertEqual([(0, 0)], self.sessions.sizes)
        self.assertEqual(notice.blank(State.OFF), self.sessions.drawn[0])
        self._tell(State.RUNNING)
        self.assertEqual([(0, 0), (64, 48)], self.sessions.sizes)

    async def test_its_picture_comes_with_its_start(self) -> None:
        self.screen.good = False
        self._tell(State.OFF)
        self._tell(State.RUNNING)
        self.assertEqual([(0, 0)], self.sessions.sizes)
        self.desktop.show(domr_display.DisplayChanges(opened=True),
                          self.screen)
        self.assertEqual((64, 48), self.sessions.sizes[-1])

    async def test_nobody_waits_for_the_picture_of_one_that_is_off(self
                                                                   ) -> None:
        self.screen.good = False
        self._tell(State.OFF)
        async with asyncio.timeout(1):
            await self._add()

    async def test_banner(self) -> None:
        self.assertEqual(0, self.sessions.drawn[2])
        for state in (State.PAUSED, State.MIGRATING, State.REBOOTING,
                      State.CRASHED):
            self._tell(state)
            self.assertEqual(
                notice.strip(notice.banner(state, False), 64),
                self.sessions.drawn[1:])
        self._tell(State.RUNNING)
        self.assertEqual(0, self.sessions.drawn[2])
        self._configure(banner=False)
        self._tell(State.PAUSED)
        self.assertEqual(0, self.sessions.drawn[2])

    async def test_state_is_kept_while_an_epoch_begins(self) -> None:
        with mock.patch.object(desktop_module, '_STATE_S', 0):
            self._tell(State.PAUSED)
            self.instance.forget()
            self.assertGreater(self.sessions.drawn[2], 0)
            await asyncio.sleep(0.01)
            self.assertEqual(0, self.sessions.drawn[2])

    async def test_locks_after_a_reset(self) -> None:
        self._press(0x3a)
        self._tell(State.REBOOTING)
        self._say(protocol.Key(self.client, True, ord('a'), _A))
        self.assertEqual([(0x3a, True), (_A, True)], self._keys())

    # -- lights, pointer

    async def test_lights(self) -> None:
        self.screen.lights = 4
        self.desktop.show(domr_display.DisplayChanges(leds=True),
                          self.screen)
        self.assertEqual([4], self.sessions.lights)
        self._say(protocol.Key(self.client, True, ord('a'), _A))
        self.assertEqual([(0x3a, True), (0x3a, False), (_A, True)],
                         self._keys())
        self._say(protocol.Key(self.client, True, ord('a'), 0x30, True))
        self.assertEqual([(0x30, True)], self._keys())

    async def test_pointer_in_a_picture_that_is_cut(self) -> None:
        self.screen.whole = 128, 96
        self._say(protocol.Pointer(self.client, 0, 32, 24, 64, 48),
                  protocol.Pointer(self.client, 0, 50, 25, 100, 100))
        self.assertEqual([input_event.Pointer(0, 0x7fff // 4, 0x7fff // 4),
                          input_event.Pointer(0, 0x7fff // 2, 0x7fff // 4)],
                         self.input.sent)

    # -- paste

    async def test_paste(self) -> None:
        self._copy('hello world')
        self.assertEqual([], self._keys())
        self._press(_CONTROL, _ALT, _V)
        self.assertNotIn(_V, [number for number, _ in self._keys()])
        self.assertGreater(self.sessions.drawn[2], 0)
        await self._pasted()
        self.assertEqual('helloworld', self._typed())
        self.assertEqual(0, self.sessions.drawn[2])
        self._press(_V)     # what it held with it was let go
        self.assertEqual([(_V, True)], self._keys())

    async def test_paste_waits_for_the_instance(self) -> None:
        self._copy('ab')
        self.input.untaken = 1
        self._press(_CONTROL, _ALT, _V)
        self._keys()
        for _ in range(5):
            await asyncio.sleep(0)
        self.assertEqual('', self._typed())
        self.input.untaken = 0
        await self._pasted()
        self.assertEqual('ab', self._typed())

    async def test_what_ends_a_paste(self) -> None:
        for ends in (lambda: self._press(_ESCAPE), lambda: self._copy('b'),
                     lambda: self._tell(State.OFF)):
            self._copy('aaaa')
            self._press(_CONTROL, _ALT, _V)
            ends()
            self._keys()
            self.assertFalse(self.desktop._paste.is_typing)
            await asyncio.sleep(0)
            self._tell(State.RUNNING)
            self.assertEqual([], self._keys())

    async def test_paste_in_another_keymap(self) -> None:
        self._configure(keymap='fr')
        self._copy('a\u20ac')
        self._press(_CONTROL, _ALT, _V)
        self._keys()
        await self._pasted()
        self.assertEqual([(0x10, True), (0x10, False), (0xb8, True),
                          (0x12, True), (0x12, False), (0xb8, False)],
                         self._keys())

    async def test_paste_at_once_or_not_at_all(self) -> None:
        self._configure(paste=config_module.Paste.AT_ONCE)
        self._copy('a')
        self._keys()
        await self._pasted()
        self.assertEqual('a', self._typed())
        self._configure(paste=config_module.Paste.OFF)
        self._copy('a')
        self._press(_CONTROL, _ALT, _V)
        self.assertIn((_V, True), self._keys())

    # -- keys that are held

    async def test_all_keys_are_let_go(self) -> None:
        self._press(_A, _CONTROL, _ALT)
        self._keys()
        self._press(_U)
        keys = self._keys()
        self.assertNotIn((_U, True), keys)
        self.assertLessEqual({(each, False) for each in (
            _A, _CONTROL, _ALT, 0x2a, 0x36, 0xb8)}, set(keys))

    async def test_a_client_that_fell_silent(self) -> None:
        self._press(0x2a, _A)
        self._say(protocol.Pointer(self.client, 1, 0, 0, 64, 48))
        self.input.sent.clear()
        self.desktop._heard[self.client] -= desktop_module.SILENT_S - 5
        self.desktop._on_silence()
        self.assertEqual([], self.input.sent)
        self.desktop._heard[self.client] -= 5
        self.desktop._on_silence()
        self.desktop._on_silence()
        self.assertEqual([
            input_event.Key(_A, False), input_event.Key(0x2a, False),
            input_event.Pointer(0, 0, 0)], self.input.sent)
        self.input.sent.clear()
        self._press(0x30)       # it was there all the time
        self.assertEqual([(0x2a, True), (0x30, True)], self._keys())

    # -- who wants to be alone

    async def test_who_wants_to_be_alone(self) -> None:
        self._configure(exclusive=config_module.Exclusive.SHARE)
        await self._add(shared=False)
        self.assertEqual([], self.sessions.ended)
        self._configure(exclusive=config_module.Exclusive.CUT)
        await self._add(shared=False)
        self.assertEqual([1, 2], self.sessions.ended)
