# SPDX-License-Identifier: Apache-2.0
"""What all VNC clients share, without the process of the sessions."""

import asyncio
from unittest import mock

from nova_dmore.channel.domr import display as domr_display
from nova_dmore.channel import input_event
from nova_dmore.domr import config as config_module
from nova_dmore.domr.servers.vnc import desktop as desktop_module
from nova_dmore.domr.servers.vnc import hands
from nova_dmore.domr.servers.vnc import locks
from nova_dmore.domr.servers.vnc import notice
from nova_dmore.domr.servers.vnc import protocol
from nova_dmore.domr.servers.vnc import shown
from nova_dmore import wire
from tests.unit.domr.servers.vnc import desktop_case

State = wire.InstanceState
_CONTROL, _ALT, _ESCAPE = (desktop_case.CONTROL, desktop_case.ALT,
                           desktop_case.ESCAPE)
_A, _U, _V = desktop_case.KEY_A, desktop_case.KEY_U, desktop_case.KEY_V


class DesktopTest(desktop_case.Case):

    async def test_the_host_is_told_of_sessions(self) -> None:
        other = await self.add(client='VNC client fe80::7%ens3 port 8',
                                view_only=True)
        self.assertEqual(
            [('192.0.2.7', 7, False), ('fe80::7', 8, True)],
            [tuple(each['session'][name]
                   for name in ('address', 'port', 'view_only'))
             for each in self.said])
        self.context.sessions.end(self.said[1]['session']['number'])
        self.assertEqual([other], self.sessions.ended)
        self.say(protocol.Gone(other, protocol.Reason.CLOSED))
        self.assertEqual(
            {'type': wire.SESSION_ENDED, 'server': 'vnc', 'number': 2},
            self.said[-1])

    # -- an instance that takes nothing

    async def test_keys_of_a_paused_instance_are_dropped(self) -> None:
        self.press(_CONTROL)
        self.keys()
        for state in wire.STATES_WITHOUT_INPUT:
            self.tell(state)
            self.press(_A)
            self.say(protocol.Key(self.client, False, 0, _A))
            self.assertEqual([], self.keys())
        self.say(protocol.Key(self.client, False, 0, _CONTROL))
        self.assertEqual([(_CONTROL, False)], self.keys())
        self.tell(State.RUNNING)
        self.press(_A)
        self.assertEqual([(_A, True)], self.keys())

    async def test_an_instance_that_is_off_has_no_picture(self) -> None:
        self.tell(State.OFF)
        self.assertEqual([(0, 0)], self.sessions.sizes)
        self.assertEqual(notice.blank(State.OFF), self.sessions.drawn[0])
        self.tell(State.RUNNING)
        self.assertEqual([(0, 0), (64, 48)], self.sessions.sizes)

    async def test_its_picture_comes_with_its_start(self) -> None:
        self.screen.good = False
        self.tell(State.OFF)
        self.tell(State.RUNNING)
        self.assertEqual([(0, 0)], self.sessions.sizes)
        self.desktop.show(domr_display.DisplayChanges(opened=True),
                          self.screen)
        self.assertEqual((64, 48), self.sessions.sizes[-1])

    async def test_a_display_of_one_that_is_off_is_not_shown(self) -> None:
        """A QEMU that has not begun yet, or whose guest has ended, has one."""
        self.tell(State.OFF)
        self.desktop.show(domr_display.DisplayChanges(
            opened=True, resized=True), self.screen)
        self.assertEqual((0, 0), self.sessions.sizes[-1])
        self.tell(State.RUNNING)
        self.assertEqual((64, 48), self.sessions.sizes[-1])

    async def test_nobody_waits_for_the_picture_of_one_that_is_off(self
                                                                   ) -> None:
        self.screen.good = False
        self.tell(State.OFF)
        async with asyncio.timeout(1):
            await self.add()

    async def test_banner(self) -> None:
        self.assertEqual(0, self.sessions.drawn[2])
        for state in (State.PAUSED, State.MIGRATING, State.REBOOTING,
                      State.CRASHED):
            self.tell(state)
            self.assertEqual(
                notice.strip(notice.banner(state, False), 64),
                self.sessions.drawn[1:])
        self.tell(State.RUNNING)
        self.assertEqual(0, self.sessions.drawn[2])
        self.configure(banner=False)
        self.tell(State.PAUSED)
        self.assertEqual(0, self.sessions.drawn[2])

    async def test_state_is_kept_while_an_epoch_begins(self) -> None:
        with mock.patch.object(desktop_module, '_STATE_S', 0):
            self.tell(State.PAUSED)
            self.instance.forget()
            self.assertGreater(self.sessions.drawn[2], 0)
            await asyncio.sleep(0.01)
            self.assertEqual(0, self.sessions.drawn[2])

    async def test_locks_after_a_reset(self) -> None:
        self.press(0x3a)
        self.tell(State.REBOOTING)
        self.say(protocol.Key(self.client, True, ord('a'), _A))
        self.assertEqual([(0x3a, True), (_A, True)], self.keys())

    async def test_locks_of_an_instance_that_is_behind(self) -> None:
        """It is migrated, say: its light comes late."""
        for lights in (0, 4, 0):        # it uses them
            self.screen.lights = lights
            self.desktop.show(domr_display.DisplayChanges(leds=True),
                              self.screen)
        with mock.patch.object(locks, 'LIGHT_DELAY_S', 0.05):
            self.press(0x3a)
            self.press(0x3a, down=False)
            self.keys()
            self.input.untaken = 2
            await asyncio.sleep(0.1)
            self.say(protocol.Key(self.client, True, ord('A'), _A))
            self.assertEqual([(_A, True)], self.keys())
            self.input.untaken = 0
            await asyncio.sleep(0.1)    # it made nothing of the key
            self.say(protocol.Key(self.client, True, ord('A'), _A))
            self.assertIn((0x3a, True), self.keys())

    # -- lights, pointer

    async def test_lights(self) -> None:
        self.screen.lights = 4
        self.desktop.show(domr_display.DisplayChanges(leds=True),
                          self.screen)
        self.assertEqual([4], self.sessions.lights)
        self.say(protocol.Key(self.client, True, ord('a'), _A))
        self.assertEqual([(0x3a, True), (0x3a, False), (_A, True)],
                         self.keys())
        self.say(protocol.Key(self.client, True, ord('a'), 0x30, True))
        self.assertEqual([(0x30, True)], self.keys())

    async def test_pointer_in_a_picture_that_is_cut(self) -> None:
        self.screen.whole = 128, 96
        self.say(protocol.Pointer(self.client, 0, 32, 24, 64, 48),
                  protocol.Pointer(self.client, 0, 50, 25, 100, 100))
        self.assertEqual([input_event.Pointer(0, 0x7fff // 4, 0x7fff // 4),
                          input_event.Pointer(0, 0x7fff // 2, 0x7fff // 4)],
                         self.input.sent)

    # -- paste

    async def test_paste(self) -> None:
        self.copy('hello world')
        self.assertEqual([], self.keys())
        self.press(_CONTROL, _ALT, _V)
        self.assertNotIn(_V, [number for number, _ in self.keys()])
        self.assertGreater(self.sessions.drawn[2], 0)
        await self.pasted()
        self.assertEqual('helloworld', self.typed())
        self.assertEqual(0, self.sessions.drawn[2])
        self.press(_V, down=False)
        self.press(_V)     # what it held with it was let go
        self.assertEqual([(_V, True)], self.keys())

    async def test_what_is_left_out_of_a_paste_is_said(self) -> None:
        """A password that lacks a character is a wrong one."""
        self.copy('p\u20acss\u4e2d')
        with mock.patch.object(shown, 'SHOWN_S', 3600):
            self.press(_CONTROL, _ALT, _V)
        left_out = '2 characters left out: they are on no key'
        self.assertEqual(self._banner(True, left_out),
                         self.sessions.drawn[1:])
        await self.pasted()
        self.assertEqual('pss', self.typed())
        self.assertEqual(self._banner(False, left_out),
                         self.sessions.drawn[1:])
        self.press(_V, _ALT, _CONTROL, down=False)
        with mock.patch.object(shown, 'SHOWN_S', 0):
            self.press(_CONTROL, _ALT, _V)
        while self.sessions.drawn[2]:
            await asyncio.sleep(0.01)

    async def test_a_clipboard_that_cannot_be_pasted(self) -> None:
        self.copy('')
        self.press(_CONTROL, _ALT, _V)
        self.assertEqual(
            self._banner(False, 'nothing pasted: no text, or more than 10000 '
                         'characters'), self.sessions.drawn[1:])
        self.assertIn((_V, True), self.keys())      # it may be the guest's

    @staticmethod
    def _banner(pasting: bool, pasted: str) -> tuple[bytes, int, int]:
        return notice.strip(notice.banner(None, pasting, pasted=pasted), 64)

    async def test_a_command_whose_key_is_held(self) -> None:
        """A client's keyboard repeats it, also when Control is up."""
        for symbols in (False, True):
            key = [(0, number) for number in (_CONTROL, _ALT, _V, _A)]
            escape, release = (0, _ESCAPE), (0, _U)
            if symbols:
                key = [(symbol, 0) for symbol in (0xffe3, 0xffe9, 0x76, 0x61)]
                escape, release = (0xff1b, 0), (0x75, 0)
            for command in (key[2], release):
                self.copy('bb')
                self._events(True, *key[:2], command, command)
                self._events(False, *key[:2])
                self._events(True, command, command)
                self._events(False, command)
                await self.pasted()
                self.assertEqual('bb' if command is key[2] else '',
                                 self.typed())
                self._events(True, command)
                self._events(False, command)
                self.assertEqual('v' if command is key[2] else 'u',
                                 self.typed())
            self._events(True, *key[:3])
            self._events(True, escape, escape)
            self.assertFalse(self.desktop._hands.is_pasting)
            self.assertNotIn((_ESCAPE, True), self.keys())
            self._events(True, key[3], escape)
            self.assertIn((_ESCAPE, True), self.keys())
            self._events(False, *key, escape)
            self.keys()

    def _events(self, down: bool, *keys: tuple[int, int]) -> None:
        self.say(*(protocol.Key(self.client, down, symbol, number)
                   for symbol, number in keys))

    async def test_commands_on_a_keyboard_of_another_layout(self) -> None:
        """Dvorak has V where an American keyboard has the full stop, and K
        where that has V; Cyrillic letters are told by their place."""
        self.copy('a')
        modifiers = (0xffe3, _CONTROL), (0xffe9, _ALT)
        for pressed, pastes in (((0x76, 0x34), True), ((0x6b, _V), False),
                                ((0x6cd, _V), True)):
            self._events(True, *modifiers, pressed)
            self.assertIs(pastes, self.desktop._hands.is_pasting, pressed)
            self._events(False, pressed, *modifiers)
            await self.pasted()

    async def test_paste_waits_for_the_instance(self) -> None:
        self.copy('ab')
        self.input.untaken = 1
        self.press(_CONTROL, _ALT, _V)
        self.keys()
        for _ in range(5):
            await asyncio.sleep(0)
        self.assertEqual('', self.typed())
        self.input.untaken = 0
        await self.pasted()
        self.assertEqual('ab', self.typed())

    async def test_what_ends_a_paste(self) -> None:
        for ends in (lambda: self.press(_ESCAPE), lambda: self.copy('b'),
                     lambda: self.copy(''), lambda: self.tell(State.OFF),
                     lambda: self.tell(State.REBOOTING)):
            self.copy('aaaa')
            self.press(_CONTROL, _ALT, _V)
            ends()
            self.keys()
            self.assertFalse(self.desktop._hands.is_pasting)
            await asyncio.sleep(0)
            self.tell(State.RUNNING)
            self.assertEqual([], self.keys())

    async def test_what_another_client_copies_does_not_end_a_paste(
            self) -> None:
        other = await self.add(client='VNC client 192.0.2.9 port 9')
        for choice in (config_module.Paste.KEY, config_module.Paste.AT_ONCE):
            self.configure(paste=choice)
            self.copy('abab')
            if choice is config_module.Paste.KEY:
                self.press(_CONTROL, _ALT, _V)
            self.say(protocol.Text(other, 'unre', True))
            self.say(protocol.Text(other, 'lated', False))
            self.keys()
            await self.pasted()
            self.assertEqual('abab', self.typed())

    async def test_a_text_that_is_gone_is_not_typed(self) -> None:
        self.copy('secret')
        self.copy('')
        self.press(_CONTROL, _ALT, _V)
        self.assertFalse(self.desktop._hands.is_pasting)
        self.assertIn((_V, True), self.keys())

    async def test_paste_in_another_keymap(self) -> None:
        self.configure(keymap='fr')
        self.copy('a\u20ac')
        self.press(_CONTROL, _ALT, _V)
        self.keys()
        await self.pasted()
        self.assertEqual([(0x10, True), (0x10, False), (0xb8, True),
                          (0x12, True), (0x12, False), (0xb8, False)],
                         self.keys())

    async def test_paste_at_once_or_not_at_all(self) -> None:
        self.configure(paste=config_module.Paste.AT_ONCE)
        self.copy('a')
        self.keys()
        await self.pasted()
        self.assertEqual('a', self.typed())
        self.configure(paste=config_module.Paste.OFF)
        self.copy('a')
        self.press(_CONTROL, _ALT, _V)
        self.assertIn((_V, True), self.keys())

    # -- keys that are held

    async def test_all_keys_are_let_go(self) -> None:
        self.press(_A, _CONTROL, _ALT)
        self.keys()
        self.press(_U)
        keys = self.keys()
        self.assertNotIn((_U, True), keys)
        self.assertLessEqual({(each, False) for each in (
            _A, _CONTROL, _ALT, 0x2a, 0x36, 0xb8)}, set(keys))

    async def test_a_client_that_fell_silent(self) -> None:
        self.press(0x2a, _A)
        self.say(protocol.Pointer(self.client, 1, 0, 0, 64, 48))
        self.input.sent.clear()
        self.desktop._hands._heard[self.client] -= hands.SILENT_S - 5
        self.desktop._hands._on_silence()
        self.assertEqual([], self.input.sent)
        self.desktop._hands._heard[self.client] -= 5
        self.desktop._hands._on_silence()
        self.desktop._hands._on_silence()
        self.assertEqual([
            input_event.Key(_A, False), input_event.Key(0x2a, False),
            input_event.Pointer(0, 0, 0)], self.input.sent)
        self.input.sent.clear()
        self.press(0x30)       # it was there all the time
        self.assertEqual([(0x2a, True), (0x30, True)], self.keys())

    # -- who wants to be alone

    async def test_who_wants_to_be_alone(self) -> None:
        self.configure(exclusive=config_module.Exclusive.SHARE)
        await self.add(shared=False)
        self.assertEqual([], self.sessions.ended)
        self.configure(exclusive=config_module.Exclusive.CUT)
        await self.add(shared=False)
        self.assertEqual([1, 2], self.sessions.ended)
