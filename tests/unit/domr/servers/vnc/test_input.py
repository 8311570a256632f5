# SPDX-License-Identifier: Apache-2.0
"""Keys and pointer of several clients, without the library."""

import string
import unittest

from nova_dmore.channel import input_event
from nova_dmore.domr.servers.vnc import keyboard
from nova_dmore.domr.servers.vnc import pointer

_A, _B, _ONE, _SHIFT, _CAPS = 0x1e, 0x30, 0x02, 0x2a, 0x3a
_NUM, _ALTGR = 0x45, 0xb8
_SHIFT_SYMBOL, _CAPS_SYMBOL = 0xffe1, 0xffe5


def _down(number: int) -> input_event.Key:
    return input_event.Key(number, True)


def _up(number: int) -> input_event.Key:
    return input_event.Key(number, False)


class NumberTest(unittest.TestCase):

    def test_all_that_can_be_printed_has_a_key(self) -> None:
        for character in string.printable[:-5]:
            self.assertIsNotNone(keyboard.number_of(ord(character)), character)

    def test_some_keys(self) -> None:
        for symbol, number in (
                (ord('a'), _A), (ord('A'), _A), (ord('!'), _ONE),
                (0xff0d, 0x1c), (0xff8d, 0x9c), (0xffe4, 0x9d),
                (0xff51, 0xcb), (0xff96, 0x4b), (0xffff, 0xd3),
                (0xffc9, 0x58), (0xfe03, 0xb8), (0xff13, 0xc6),
                (ord('\\'), 0x2b), (ord('_'), 0x0c)):
            self.assertEqual(number, keyboard.number_of(symbol), hex(symbol))
        for symbol in (0, 0x20ac, 0xe4, 0x1000000 | 0x20ac, 0xffffffff):
            self.assertIsNone(keyboard.number_of(symbol))

    def test_numbers_fit_a_record(self) -> None:
        for symbol in range(0x10000):
            number = keyboard.number_of(symbol)
            if number is not None:
                record = input_event.pack(_down(number))
                self.assertEqual(_down(number), input_event.unpack(record))


class KeyboardTest(unittest.TestCase):

    def setUp(self) -> None:
        self.sent: list[input_event.Event] = []
        self.keyboard = keyboard.Keyboard(self.sent.append)

    def _type(self, symbol: int | str, client: int = 0,
              number: int = 0) -> None:
        if isinstance(symbol, str):
            symbol = ord(symbol)
        for down in (True, False):
            self.keyboard.key(client, down, symbol, number)

    def test_shift_is_added_for_who_has_none(self) -> None:
        self._type('A')
        self.assertEqual([_down(_SHIFT), _down(_A), _up(_SHIFT), _up(_A)],
                         self.sent)

    def test_shift_of_the_client_is_enough(self) -> None:
        self.keyboard.key(0, True, _SHIFT_SYMBOL, 0)
        self._type('A')
        self._type('!')
        self.keyboard.key(0, False, _SHIFT_SYMBOL, 0)
        self.assertEqual([_down(_SHIFT), _down(_A), _up(_A), _down(_ONE),
                          _up(_ONE), _up(_SHIFT)], self.sent)

    def test_caps_lock_makes_capitals(self) -> None:
        self._type(_CAPS_SYMBOL)
        self._type('A')
        self._type('a')     # shift undoes it
        self._type('1')
        self._type(_CAPS_SYMBOL)
        self._type('a')
        self.assertEqual([
            _down(_CAPS), _up(_CAPS), _down(_A), _up(_A),
            _down(_SHIFT), _down(_A), _up(_SHIFT), _up(_A),
            _down(_ONE), _up(_ONE), _down(_CAPS), _up(_CAPS), _down(_A),
            _up(_A)], self.sent)

    def test_number_counts_whatever_the_symbol(self) -> None:
        self._type('z', number=_A)      # a German keyboard, say
        self._type(0x20ac, number=0x12)
        self.assertEqual([_down(_A), _up(_A), _down(0x12), _up(0x12)],
                         self.sent)

    def test_locks_that_are_on_at_the_client_only(self) -> None:
        """As QEMU does it; for a client that was not told the locks."""
        caps = [_down(_CAPS), _up(_CAPS)]
        num = [_down(_NUM), _up(_NUM)]
        a, seven = [_down(_A), _up(_A)], [_down(0x47), _up(0x47)]
        for symbol, number, wanted in (
                ('A', _A, caps + a), ('A', _A, a), ('a', _A, caps + a),
                (0xffb7, 0x47, num + seven), (0xffb7, 0x47, seven),
                (0xff95, 0, num + seven), (0xffb7, 0, num + seven),
                (0xffab, 0x4e, [_down(0x4e), _up(0x4e)])):
            self._type(symbol, number=number)
            self.assertEqual(wanted, self.sent, symbol)
            del self.sent[:]

    def test_caps_lock_of_a_japanese_keyboard(self) -> None:
        """It takes Shift; alone the key is Eisu."""
        self.keyboard.keymap = 'ja'
        self._type(0xff30)
        self._type('a', number=_A)
        self.assertEqual([_down(_CAPS), _up(_CAPS), _down(_A), _up(_A)],
                         self.sent)
        del self.sent[:]
        self._type('A', number=_A)
        self._type('A', number=_A)
        self.assertEqual([_down(_SHIFT), _down(_CAPS), _up(_CAPS), _up(_SHIFT),
                          *[_down(_A), _up(_A)] * 2], self.sent)
        del self.sent[:]
        self.keyboard.key(0, True, _SHIFT_SYMBOL, _SHIFT)
        self._type(_CAPS_SYMBOL, number=_CAPS)
        self.keyboard.key(0, False, _SHIFT_SYMBOL, _SHIFT)
        self._type('a', number=_A)
        self.assertEqual([_down(_A), _up(_A)], self.sent[-2:])
        self.assertEqual(6, len(self.sent))

    def test_locks_of_a_client_that_sees_to_them(self) -> None:
        self.keyboard.key(0, True, ord('A'), _A, knows_locks=True)
        self.keyboard.key(0, True, 0xffb7, 0x47, knows_locks=True)
        self.assertEqual([_down(_A), _down(0x47)], self.sent)

    def test_shift_and_the_clients_caps_lock(self) -> None:
        self.keyboard.key(0, True, _SHIFT_SYMBOL, _SHIFT)
        self._type('A', number=_A)      # no Caps Lock
        self._type('a', number=_A)      # Caps Lock
        self.assertEqual([_down(_SHIFT), _down(_A), _up(_A), _down(_CAPS),
                          _up(_CAPS), _down(_A), _up(_A)], self.sent)

    def test_symbols_of_another_keymap(self) -> None:
        self.keyboard.keymap = 'fr'
        self._type('1')
        self._type('@')
        self.assertEqual([
            _down(_SHIFT), _down(_ONE), _up(_SHIFT), _up(_ONE),
            _down(_ALTGR), _down(0x0b), _up(_ALTGR), _up(0x0b)], self.sent)

    def test_what_a_symbol_does_not_need_is_let_go_for_it(self) -> None:
        self.keyboard.key(0, True, 0xfe03, 0)
        self._type('@')     # of a German keyboard; the guest's is American
        self.assertEqual([
            _down(_ALTGR), _down(_SHIFT), _up(_ALTGR), _down(0x03),
            _down(_ALTGR), _up(_SHIFT), _up(0x03)], self.sent)

    def test_commands_keep_their_modifiers(self) -> None:
        self.keyboard.key(0, True, 0xffe3, 0)
        self.keyboard.key(0, True, _SHIFT_SYMBOL, 0)
        self._type('t')
        self.assertEqual([_down(0x1d), _down(_SHIFT), _down(0x14),
                          _up(0x14)], self.sent)

    def test_commands_of_a_keyboard_with_other_letters(self) -> None:
        """Control+C of a Russian keyboard is that key of every other one."""
        self.keyboard.key(0, True, 0xffe3, 0)
        self.keyboard.key(0, True, 0x6d3, 0)
        self.keyboard.key(0, False, 0xffe3, 0)
        self.keyboard.key(0, False, 0x6d3, 0)
        self.assertEqual([_down(0x1d), _down(0x2e), _up(0x1d), _up(0x2e)],
                         self.sent)
        self.assertFalse(self.keyboard.key(0, True, 0x6d3, 0))

    def test_commands_while_a_lock_is_on(self) -> None:
        """Control+C is no Control+Shift+C, wherever Caps Lock is on."""
        self.keyboard.key(0, True, 0xffe3, 0)
        self._type('A')
        self._type(_CAPS_SYMBOL)
        self._type('a')
        self._type('A')
        a = [_down(_A), _up(_A)]
        self.assertEqual([_down(0x1d), *a, _down(_CAPS), _up(_CAPS), *a, *a],
                         self.sent)
        self._type('!')     # on a keyboard that has it without Shift
        self.assertEqual([_down(_SHIFT), _down(_ONE), _up(_SHIFT), _up(_ONE)],
                         self.sent[-4:])

    def test_shift_that_is_let_go_before_its_letter(self) -> None:
        self.keyboard.keymap = 'fr'
        self.keyboard.key(0, True, _SHIFT_SYMBOL, 0)
        self.keyboard.key(0, True, ord('1'), 0)
        self.keyboard.key(0, False, _SHIFT_SYMBOL, 0)
        self.keyboard.key(0, False, ord('&'), 0)
        self.assertEqual(_up(_ONE), self.sent[-1])

    def test_the_same_where_that_is_another_key(self) -> None:
        """The client's keyboard is German, and the guest's American."""
        self.keyboard.key(0, True, _SHIFT_SYMBOL, 0)
        self.keyboard.key(0, True, ord('('), 0)
        self.keyboard.key(0, False, _SHIFT_SYMBOL, 0)
        self.keyboard.key(0, False, ord('8'), 0)
        self.assertEqual([_up(_SHIFT), _up(0x0a)], self.sent[-2:])
        self.assertEqual(0, self.keyboard.held(0))
        self._type('8')
        self.keyboard.key(0, True, 0xffe3, 0)
        self.keyboard.key(0, False, 0x20ac, 0)      # of no key at all
        self.assertEqual(1, self.keyboard.held(0))

    def test_wrong_number_is_as_none(self) -> None:
        self._type('a', number=0x100)
        self.assertEqual([_down(_A), _up(_A)], self.sent)

    def test_unknown_symbol(self) -> None:
        self.assertFalse(self.keyboard.key(0, True, 0x20ac, 0))
        self.assertEqual([], self.sent)

    def test_key_that_was_not_pressed(self) -> None:
        self.assertTrue(self.keyboard.key(0, False, ord('a'), 0))
        self.assertEqual([], self.sent)

    def test_repeated_key(self) -> None:
        for _ in range(3):
            self.keyboard.key(0, True, ord('a'), 0)
        self.keyboard.key(0, False, ord('a'), 0)
        self.assertEqual([_down(_A)] * 3 + [_up(_A)], self.sent)

    def test_key_of_two_clients(self) -> None:
        for client in (1, 2):
            self.keyboard.key(client, True, ord('a'), 0)
        self.keyboard.key(1, False, ord('a'), 0)
        self.assertEqual([_down(_A)] * 2, self.sent)
        self.keyboard.key(2, False, ord('a'), 0)
        self.assertEqual(_up(_A), self.sent[-1])

    def test_what_was_let_go_for_a_silent_client(self) -> None:
        for symbol, number in ((0xffeb, 0), (0xffeb, 0xdb), (0, 0xdb)):
            self.keyboard.key(0, True, symbol, number)
            self.keyboard.key(0, True, 0, _SHIFT)
            self.keyboard.suspend(0)
            del self.sent[:]
            # It lets Super go itself: Shift alone is held from now on.
            self.keyboard.key(0, False, symbol, number)
            self.assertEqual([_down(_SHIFT)], self.sent)
            self.keyboard.key(0, False, 0, _SHIFT)
            self.assertEqual({}, self.keyboard._holders)

    def test_release(self) -> None:
        self.keyboard.key(1, True, _SHIFT_SYMBOL, 0)
        self.keyboard.key(1, True, ord('a'), 0)
        self.keyboard.key(2, True, ord('a'), 0)
        self.keyboard.key(1, True, ord('b'), 0)
        self.assertEqual(3, self.keyboard.held(1))
        del self.sent[:]
        self.keyboard.release(1)
        self.assertEqual([_up(_B), _up(_SHIFT)], self.sent)
        self.keyboard.release(1)
        self.keyboard.release(2)
        self.assertEqual(_up(_A), self.sent[-1])
        self.assertEqual(3, len(self.sent))
        self.assertEqual({}, self.keyboard._holders)


class PointerTest(unittest.TestCase):

    def setUp(self) -> None:
        self.sent: list[input_event.Event] = []
        self.behind = False
        self.pointer = pointer.Pointer(self.sent.append, lambda: self.behind)

    def test_scale(self) -> None:
        self.assertEqual(0, pointer.scale(0, 1024))
        self.assertEqual(512 * 0x7fff // 1024, pointer.scale(512, 1024))
        self.assertEqual(0x7fff, pointer.scale(5000, 1024))
        self.assertEqual(0x3fff, pointer.scale(1, 0))

    def test_every_motion_while_the_instance_keeps_up(self) -> None:
        for x in range(3):
            self.pointer.move(0, 0, x, 0)
        self.assertEqual([input_event.Pointer(0, x, 0) for x in range(3)],
                         self.sent)

    def test_last_motion_while_it_does_not(self) -> None:
        self.behind = True
        for x in range(3):
            self.pointer.move(0, 0, x, 0)
        self.assertEqual([], self.sent)
        self.assertTrue(self.pointer.waits)
        self.pointer.move(0, 1, 3, 0)       # a button never waits
        self.pointer.move(0, 0, 3, 0)
        self.pointer.move(0, 0, 9, 0)
        self.pointer.flush()
        self.pointer.flush()
        self.assertEqual([
            input_event.Pointer(0, 2, 0), input_event.Pointer(1, 3, 0),
            input_event.Pointer(0, 3, 0), input_event.Pointer(0, 9, 0)],
            self.sent)

    def test_buttons_of_two_clients(self) -> None:
        self.pointer.move(1, 1, 5, 5)
        self.pointer.move(2, 4, 6, 6)
        self.pointer.move(2, 0, 7, 7)
        self.pointer.release(1)
        self.pointer.release(1)
        self.pointer.release(2)
        self.assertEqual([
            input_event.Pointer(1, 5, 5), input_event.Pointer(5, 6, 6),
            input_event.Pointer(1, 7, 7), input_event.Pointer(0, 7, 7)],
            self.sent)

    def test_events_fit_a_record(self) -> None:
        self.pointer.move(0, 0xff, pointer.scale(1 << 16, 1),
                          pointer.scale(0, 1))
        self.assertEqual(self.sent[0], input_event.unpack(
            input_event.pack(self.sent[0])))
