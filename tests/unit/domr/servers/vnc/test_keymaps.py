# SPDX-License-Identifier: Apache-2.0
"""Keymaps: what is pressed gives what was asked for, on a model of a guest."""

import unittest

import hypothesis
from hypothesis import strategies

from nova_dmore.channel import input_event
from nova_dmore.domr.servers.vnc import keyboard
from nova_dmore.domr.servers.vnc import keymap_data
from nova_dmore.domr.servers.vnc import keymaps
from nova_dmore import wire
from tests import examples

_SHIFTS, _ALTGR, _CAPS = (0x2a, 0x36), 0xb8, 0x3a


#: What a dead key and the space bar give.
_ACCENTS = {'\u0300': '`', '\u0302': '^', '\u0303': '~'}


class Guest:
    """Types what the keys of a keymap give.

    :ivar text: a combining character is a dead key
    """

    def __init__(self, keymap: str) -> None:
        self.levels = {int(word[:2], 16): word[2:] for word in
                       keymap_data.KEYS[keymap].split(' ')}
        self.levels[keymaps.SPACE] = ' '
        self.down: set[int] = set()
        self.caps = False
        self.text = ''

    def key(self, event: input_event.Key) -> None:
        if not event.down:
            self.down.discard(event.number)
            return
        self.down.add(event.number)
        if event.number == _CAPS:
            self.caps = not self.caps
        levels = self.levels.get(event.number)
        if levels is None:
            return
        if event.number == keymaps.SPACE and self.text in _ACCENTS:
            self.text = _ACCENTS[self.text]
            return
        level = 2 * (_ALTGR in self.down)
        pair = levels[level:level + 2]
        shift = any(each in self.down for each in _SHIFTS)
        if (self.caps and len(pair) == 2 and pair[0].islower()
                and pair[1].isupper()):     # as xkb's automatic types
            shift = not shift
        self.text += levels[level + shift]


def _printable(keymap: str) -> list[str]:
    return sorted({each for word in keymap_data.KEYS[keymap].split(' ')
                   for each in word[2:] if each != '\ufffd'
                   and not '\u0300' <= each <= '\u036f'})


class KeymapsTest(unittest.TestCase):

    def test_some(self) -> None:
        for keymap, symbol, wanted in (
                ('de', ord('@'), [(0x10, False, True)]),
                ('de', ord('z'), [(0x15, False, False)]),
                ('fr', ord('1'), [(0x02, True, False)]),
                ('fr', 0xe9, [(0x03, False, False)]),
                ('es', 0xfc, [(0x28, True, False), (0x16, False, False)]),
                ('es', ord('^'), [(0x1a, True, False),
                                  (0x39, False, False)]),
                ('en-us', 0x1000000 | 0xfc, []), ('ru', 0x6c1, [
                    (0x21, False, False)]),
                ('ru', 0x1000430, [(0x21, False, False)]),
                ('de', 0x20ac, [(0x12, False, True)])):
            self.assertEqual(wanted, [
                (each.number, each.shift, each.altgr)
                for each in keymaps.find(keymap, symbol)], (keymap, symbol))

    def test_dead_keys(self) -> None:
        """What a client sends that has them, too, and tells symbols alone."""
        for keymap, symbol, wanted in (
                ('es', 0xfe51, [(0x28, False, False)]),
                ('es', 0xfe57, [(0x28, True, False)]),
                ('fr-be', 0xfe52, [(0x1a, False, False)]),
                ('pt-br', 0xfe53, [(0x28, False, False)]),
                ('en-us', 0xfe51, [])):
            self.assertEqual(wanted, [
                (each.number, each.shift, each.altgr)
                for each in keymaps.find(keymap, symbol)], (keymap, symbol))

    def test_of_several_keys_the_simplest(self) -> None:
        """xkb's keymaps have much with AltGr that no other guest has."""
        for keymap, text, wanted in (
                ('es', '<>', [(0x56, False, False), (0x56, True, False)]),
                ('de-ch', '$>', [(0x2b, False, False), (0x56, True, False)]),
                ('fr', '>\xb0', [(0x56, True, False), (0x0c, True, False)]),
                ('ja', '|', [(0x7d, True, False)]),
                ('pt-br', '{?>', [(0x1b, True, False), (0x73, True, False),
                                  (0x34, True, False)]),
                ('en-gb', '@|', [(0x28, True, False), (0x56, True, False)]),
                ('cz', '\u030c', [(0x0d, True, False)]),
                # An accent by its dead key and the space bar.
                ('pt-br', '~', [(0x28, False, False), (0x39, False, False)]),
                ('nl', '^', [(0x1a, True, False), (0x39, False, False)]),
                ('es', '~', [(0x05, False, True)]),
                # AltGr is needed, and one of them is enough.
                ('de', '@\\|', [(0x10, False, True), (0x0c, False, True),
                                (0x56, False, True)])):
            self.assertEqual(wanted, [
                (each.number, each.shift, each.altgr) for character in text
                for each in keymaps.of(keymap).strokes(character)])

    def test_latin_letters_where_a_keyboard_has_others(self) -> None:
        for name in ('ru', 'mk', 'ar', 'th'):
            self.assertEqual(
                [(0x26, False), (0x1f, False), (0x1e, True), (0x03, True)],
                [(each.number, each.shift) for character in 'lsA@'
                 for each in keymaps.find(name, ord(character))])
            self.assertNotIn(None, keymaps.typed(name, 'root'))
        # What it has itself is typed as it has it.
        self.assertEqual(keymaps.find('ru', ord('1')),
                         keymaps.of('ru').strokes('1'))
        self.assertEqual((), keymaps.find('bepo', 0x6c1))

    def test_keys_of_commands(self) -> None:
        for symbol, number in ((0x6d3, 0x2e), (0x1000421, 0x2e),
                               (0x6ca, 0x10), (0x5e4, 0x22)):
            self.assertEqual((keymaps.Stroke(number),),
                             keymaps.of_command(symbol), hex(symbol))
        for symbol in (0x20ac, 0xfe51, 0xff0d, 0):
            self.assertEqual((), keymaps.of_command(symbol))

    def test_caps_lock_of_letters_without_a_pair_in_unicode(self) -> None:
        dotted, = keymaps.of('tr').strokes('i')
        self.assertTrue(dotted.letter)

    def test_keys_that_print_nothing_are_the_same_everywhere(self) -> None:
        for name in keymap_data.KEYS:
            for symbol, number in ((0xff0d, 0x1c), (0xff96, 0x4b),
                                   (0xff65, 0x87), (0xff68, 0xc1),
                                   (0x1008ff12, 0xa0), (0xffe7, 0x38)):
                self.assertEqual((keymaps.Stroke(number),),
                                 keymaps.find(name, symbol))

    def test_keys_of_a_japanese_keyboard(self) -> None:
        """Windows and the console of Linux look for them where they are."""
        for symbol, number in ((0xff2a, 0x29), (0xff30, 0x3a)):
            self.assertEqual((keymaps.Stroke(number),),
                             keymaps.find('ja', symbol))

    def test_names(self) -> None:
        self.assertEqual(set(wire.KEYMAPS), set(keymap_data.KEYS))

    def test_text(self) -> None:
        typed = keymaps.typed('en-us', 'a\r\nb\rc\n\t\x1b\xe4')
        self.assertEqual([0x1e, 0x1c, 0x30, 0x1c, 0x2e, 0x1c, 0x0f, None],
                         [each and each[0].number for each in typed])

    def test_text_with_accents_behind_their_letters(self) -> None:
        for name in ('fr', 'es', 'en-us'):
            self.assertEqual(keymaps.typed(name, 'caf\xe9'),
                             keymaps.typed(name, 'cafe\u0301'))
        typed = keymaps.typed('es', 'x\u0301y')
        self.assertEqual([0x2d, None, 0x15],
                         [each and each[0].number for each in typed])

    @examples.settings()
    @hypothesis.given(strategies.data())
    def test_each_symbol_gives_itself(self, data) -> None:
        """Whatever a client holds, and whatever Caps Lock is."""
        keymap = data.draw(strategies.sampled_from(sorted(keymap_data.KEYS)))
        guest = Guest(keymap)
        keys = keyboard.Keyboard(guest.key, lambda: 0.0)
        keys.keymap = keymap
        if data.draw(strategies.booleans()):
            for down in (True, False):
                keys.key(0, down, 0xffe5, 0)
        held = data.draw(strategies.sets(strategies.sampled_from(
            (*_SHIFTS, _ALTGR))))
        for number in held:
            keys.key(1, True, 0, number)
        for character in data.draw(strategies.lists(
                strategies.sampled_from(_printable(keymap)), max_size=8)):
            guest.text = ''
            symbol = ord(character)
            symbol |= 0x1000000 if symbol > 0xff else 0
            for down in (True, False):
                self.assertTrue(keys.key(2, down, symbol, 0))
            self.assertEqual(character, guest.text)
            self.assertEqual(held, guest.down)

    @examples.settings()
    @hypothesis.given(
        strategies.sampled_from(sorted(keymap_data.KEYS)),
        strategies.integers(0, 0xffffffff), strategies.booleans(),
        strategies.booleans())
    def test_any_symbol(self, keymap, symbol, shift, altgr) -> None:
        for each in keymaps.find(keymap, symbol, shift, altgr):
            self.assertTrue(0 < each.number <= keyboard.NUMBER_MAX)
