# SPDX-License-Identifier: Apache-2.0
"""One client types, and the others are excluded."""

import asyncio
from unittest import mock

from nova_dmore.channel import input_event
from nova_dmore.domr import config as config_module
from nova_dmore.domr.servers.vnc import control
from nova_dmore.domr.servers.vnc import notice
from nova_dmore.domr.servers.vnc import protocol
from nova_dmore.domr.servers.vnc import shown
from nova_dmore import wire
from tests.unit.domr.servers.vnc import desktop_case

_CONTROL, _ALT = desktop_case.CONTROL, desktop_case.ALT
_A, _B, _O, _U = (desktop_case.KEY_A, desktop_case.KEY_B, desktop_case.KEY_O,
                  desktop_case.KEY_U)


class ControlTest(desktop_case.Case):
    """One client was there, and another one has come that wants to be alone.
    """

    async def asyncSetUp(self) -> None:
        await super().asyncSetUp()
        self.configure(exclusive=config_module.Exclusive.CONTROL)
        self.press(_A)
        self.say(self._button(self.client, 1))
        self.input.sent.clear()
        self.other = await self.add(shared=False)
        self.arrival = list(self.input.sent)
        self.input.sent.clear()

    @staticmethod
    def _button(client: int, buttons: int) -> protocol.Pointer:
        return protocol.Pointer(client, buttons, 0, 0, 64, 48)

    def _types(self, client: int) -> bool:
        """Whether what a client types reaches the instance."""
        self.press(_B, client=client)
        self.press(_B, client=client, down=False)
        typed = (_B, True) in self.keys()
        self.say(self._button(client, 2), self._button(client, 0))
        moved = input_event.Pointer(2, 0, 0) in self.input.sent
        self.input.sent.clear()
        self.assertEqual(typed, moved)
        return typed

    def _ask(self, client: int, last: int) -> None:
        self.press(_CONTROL, _ALT, last, client=client)
        self.press(last, _ALT, _CONTROL, client=client, down=False)

    def _banner(self) -> bool:
        return self.sessions.drawn[1:] == notice.strip(
            notice.banner(None, False, control._TEXT), 64)

    async def test_nobody_is_cut_and_the_last_one_types(self) -> None:
        self.assertEqual([], self.sessions.ended)
        # What the first one held was let go.
        self.assertEqual([input_event.Key(_A, False),
                          input_event.Pointer(0, 0, 0)], self.arrival)
        self.press(_A, down=False)
        self.assertEqual([], self.keys())
        self.assertFalse(self._types(self.client))
        self.assertTrue(self._types(self.other))

    async def test_whose_pointer_is_drawn(self) -> None:
        self.assertEqual(self.other, self.sessions.controls)
        self._ask(self.client, _O)
        self.assertEqual(self.client, self.sessions.controls)
        self._ask(self.client, _U)
        self.assertIsNone(self.sessions.controls)
        self._ask(self.other, _O)
        self.assertEqual(self.other, self.sessions.controls)
        self.configure(exclusive=config_module.Exclusive.CUT)
        self.say(self._button(self.client, 0))
        self.assertIsNone(self.sessions.controls)
        self.configure(exclusive=config_module.Exclusive.CONTROL)
        self.say(self._button(self.client, 0))
        self.assertEqual(self.other, self.sessions.controls)
        self.say(protocol.Gone(self.other, protocol.Reason.CLOSED))
        self.assertIsNone(self.sessions.controls)

    async def test_all_type_when_it_has_gone(self) -> None:
        late = await self.add()
        self.assertFalse(self._types(late))
        self.say(protocol.Gone(self.other, protocol.Reason.CLOSED))
        self.assertTrue(self._types(self.client))
        self.assertTrue(self._types(late))
        self.assertEqual(0, self.sessions.drawn[2])

    async def test_another_one_that_wants_to_be_alone(self) -> None:
        last = await self.add(shared=False)
        self.assertFalse(self._types(self.other))
        self.say(protocol.Gone(self.other, protocol.Reason.CLOSED))
        self.assertFalse(self._types(self.client))
        self.assertTrue(self._types(last))

    async def test_who_is_view_only_takes_nothing(self) -> None:
        await self.add(shared=False, view_only=True)
        self.assertTrue(self._types(self.other))

    async def test_an_excluded_client_takes_control_by_a_key(self) -> None:
        self._ask(self.client, _U)
        self.assertFalse(self._types(self.client))
        self.press(_CONTROL, _ALT)
        self.assertEqual([], self.keys())
        self.press(_O)
        # They are held, for the instance too; a key that repeats is no text.
        self.assertEqual([(_CONTROL, True), (_ALT, True)], self.keys())
        self.press(_O)
        self.press(_O, _ALT, _CONTROL, down=False)
        self.assertEqual([(_ALT, False), (_CONTROL, False)], self.keys())
        self.assertTrue(self._types(self.client))
        self.assertFalse(self._types(self.other))

    async def test_a_client_that_tells_symbols(self) -> None:
        for symbol in (0xffe3, 0xffe9, ord('o')):
            self.say(protocol.Key(self.client, True, symbol, 0))
        self.keys()
        for symbol in (ord('o'), 0xffe9, 0xffe3):
            self.say(protocol.Key(self.client, False, symbol, 0))
        self.assertEqual([(_ALT, False), (_CONTROL, False)], self.keys())
        self.assertTrue(self._types(self.client))

    async def test_modifiers_that_were_let_go_do_not_count(self) -> None:
        self.press(_CONTROL, _ALT)
        self.press(_ALT, down=False)
        self.press(_O)
        self.assertTrue(self._types(self.other))

    async def test_one_of_several_takes_control_and_gives_it_up(self) -> None:
        self.say(protocol.Gone(self.other, protocol.Reason.CLOSED))
        other = await self.add()
        self._ask(self.client, _O)
        self.assertNotIn((_O, True), self.keys())
        self.assertFalse(self._types(other))
        for paste in config_module.Paste:
            self.configure(paste=paste)
            self._ask(self.client, _O)
            self.assertFalse(self._types(other))
            self._ask(self.client, _U)
            self.keys()
            self.assertTrue(self._types(other))

    async def test_paste_of_one_who_loses_control_ends(self) -> None:
        self.copy('aaaa')
        self._ask(self.client, _O)
        self.press(_CONTROL, _ALT, desktop_case.KEY_V)
        self.assertTrue(self.desktop._hands.is_pasting)
        # The clipboard of an excluded client, and its Escape, stop nothing.
        self.say(protocol.Text(self.other, 'b', False))
        self.press(desktop_case.ESCAPE, client=self.other)
        self.assertTrue(self.desktop._hands.is_pasting)
        self._ask(self.other, _O)
        self.assertFalse(self.desktop._hands.is_pasting)

    async def test_a_command_of_one_who_loses_control(self) -> None:
        self._ask(self.client, _O)
        self.copy('a')
        self.press(_CONTROL, _ALT, desktop_case.KEY_V)
        self._ask(self.other, _O)
        self.press(desktop_case.KEY_V, _ALT, _CONTROL, down=False)
        self._ask(self.other, _U)
        self.keys()
        self.press(desktop_case.KEY_V)
        self.assertEqual([(desktop_case.KEY_V, True)], self.keys())

    async def test_it_is_said_when_it_begins_and_who_types_in_vain(self
                                                                   ) -> None:
        self.assertTrue(self._banner())
        with mock.patch.object(shown, 'SHOWN_S', 0):
            self.press(_A)
            self.assertTrue(self._banner())
            async with asyncio.timeout(5):
                while self.desktop._hands.controlled:
                    await asyncio.sleep(0)
        self.press(_A, client=self.other)
        self.assertFalse(self._banner())
        self.press(_A)
        self.assertTrue(self._banner())

    async def test_with_another_option_all_type(self) -> None:
        for each in config_module.Exclusive:
            if each is not config_module.Exclusive.CONTROL:
                self.configure(exclusive=each)
                self.assertTrue(self._types(self.client))
                self._ask(self.client, _O)
                self.assertIn((_O, True), self.keys())

    async def test_while_the_instance_takes_nothing(self) -> None:
        self.tell(wire.InstanceState.PAUSED)
        self._ask(self.client, _O)
        self.assertEqual([], self.keys())
        self.tell(wire.InstanceState.RUNNING)
        self.assertTrue(self._types(self.client))
