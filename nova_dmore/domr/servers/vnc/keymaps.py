# SPDX-License-Identifier: Apache-2.0
"""What to press on a keyboard of some keymap, so that it gives a symbol.

Pure, and driven by ``keymap_data``. A keymap has the name that QEMU gives it
(``de-ch``); it is the one that the guest has set.
"""

import dataclasses
import functools
import unicodedata

from nova_dmore.domr.servers.vnc import keysyms
from nova_dmore.domr.servers.vnc import keymap_data

DEFAULT = 'en-us'

SPACE = 0x39
ENTER = 0x1c
TAB = 0x0f

#: What a level that prints nothing has in ``keymap_data``.
_NOTHING = '\ufffd'
#: Symbols from here on are characters of Unicode.
_UNICODE = 0x1000000
#: Accents that are typed by a dead key and the space bar.
_ALONE = {'`': '\u0300', '\xb4': '\u0301', '^': '\u0302', '~': '\u0303',
          '\xa8': '\u0308', '\xb8': '\u0327'}
#: Those of them that the space bar gives in every guest.
_EVERYWHERE = frozenset('`^~')
#: Symbols of dead keys, from ``dead_grave`` on -> what they put on the next
#: letter.
_DEAD = {
    0xfe50: '\u0300', 0xfe51: '\u0301', 0xfe52: '\u0302', 0xfe53: '\u0303',
    0xfe54: '\u0304', 0xfe55: '\u0306', 0xfe56: '\u0307', 0xfe57: '\u0308',
    0xfe58: '\u030a', 0xfe59: '\u030b', 0xfe5a: '\u030c', 0xfe5b: '\u0327',
    0xfe5c: '\u0328', 0xfe60: '\u0323', 0xfe61: '\u0309', 0xfe62: '\u031b',
    0xfe6e: '\u0326'}
#: Keys that print nothing and that QEMU's keymap does not name: the symbols
#: of key pads and of other keyboards.
_MORE = {
    0xffaa: 0x37,       # KP_Multiply
    0xffac: 0x7e,       # KP_Separator
    0xff67: 0xdd,       # Menu
    0xff6b: 0xc6,       # Break
    0xff7e: 0xb8,       # Mode_switch
    0xffe7: 0x38,       # Meta_L
    0xffe8: 0xb8,       # Meta_R
    0xffeb: 0xdb,       # Super_L
    0xffec: 0xdc,       # Super_R
}
#: The same where a keymap has another key, as QEMU's.
_OF_KEYMAP = {
    ('ja', 0xff2a): 0x29,       # Zenkaku_Hankaku
    ('ja', 0xff30): 0x3a,       # Eisu_toggle
}
#: Keymaps with other letters than those of Latin.
_ALPHABETS = ('ru', 'mk', 'ar', 'th')


@dataclasses.dataclass(frozen=True, slots=True)
class Stroke:
    """A key, and what has to be held with it.

    :ivar number: QEMU's number of the key
    :ivar shift: None: it does not matter
    :ivar altgr: likewise
    :ivar letter: Caps Lock does what Shift does
    """

    number: int
    shift: bool | None = None
    altgr: bool | None = None
    letter: bool = False


class Keymap:
    """One keymap; see ``of``."""

    def __init__(self, name: str) -> None:
        """:raises KeyError: there is no such keymap"""
        self._strokes: dict[str, list[Stroke]] = {}
        for word in keymap_data.KEYS[name].split(' '):
            number, levels = int(word[:2], 16), word[2:]
            for level, character in enumerate(levels):
                if character == _NOTHING:
                    continue
                pair = (levels + _NOTHING)[level & 2:(level & 2) + 2]
                self._strokes.setdefault(character, []).append(Stroke(
                    number, bool(level & 1), bool(level & 2),
                    pair[0].islower() and pair[1].isupper()))
        self._strokes[' '] = [Stroke(SPACE, False, False)]
        for strokes in self._strokes.values():
            # What AltGr gives is xkb's in part, which neither Linux' own
            # console nor Windows knows: what is printed on the keys counts.
            strokes.sort(key=lambda each: (each.altgr, each.shift))
        self._has_latin = 'a' in self._strokes

    def strokes(self, character: str, shift: bool = False,
                altgr: bool = False) -> tuple[Stroke, ...]:
        """What types a character: a stroke, or a dead key's and another.

        :param shift: whether Shift is held; of several keys the one counts
            that needs what is held, or the least
        :param altgr: likewise
        :returns: nothing if the keymap does not have it
        """
        if (character.isascii() and character not in self._strokes
                and not self._has_latin):
            # Who has such a keyboard switches it to one with Latin letters
            # for a name, a password or a command.
            return of(DEFAULT).strokes(character, shift, altgr)
        direct = self._strokes.get(character, ())
        fitting = next((each for each in direct if each.shift == shift
                        and each.altgr == altgr), None)
        if fitting is not None:
            return (fitting,)
        by_dead = self._by_dead(character)
        # An accent that is printed on its dead key counts as above.
        if direct and not (character in _EVERYWHERE and by_dead
                           and direct[0].altgr and not by_dead[0].altgr):
            return (direct[0],)
        return by_dead

    def _by_dead(self, character: str) -> tuple[Stroke, ...]:
        """A dead key's stroke and another that type a character, if any."""
        parts = unicodedata.normalize('NFD', character)
        if character in _ALONE:
            parts = ' ' + _ALONE[character]
        if len(parts) == 2:
            base, dead = (self._strokes.get(each) for each in parts)
            if base and dead:
                return dead[0], base[0]
        return ()


@functools.cache
def of(name: str) -> Keymap:
    """The keymap of a name.

    :raises KeyError: there is none
    """
    return Keymap(name)


def character_of(symbol: int) -> str | None:
    """What an X11 key symbol prints; None if it is a key's that does not.

    A dead key's is a combining character.
    """
    if _UNICODE <= symbol <= _UNICODE + 0x10ffff:
        symbol -= _UNICODE
    elif symbol > 0xff:
        return _DEAD.get(symbol) or _legacy().get(symbol)
    if symbol < 0x20 or 0x7f <= symbol < 0xa0 or 0xd800 <= symbol < 0xe000:
        return None
    return chr(symbol)


@functools.cache
def _legacy() -> dict[int, str]:
    return {int(word[:4], 16): word[4:]
            for word in keymap_data.LEGACY.split(' ')}


def find(name: str, symbol: int, shift: bool = False, altgr: bool = False
         ) -> tuple[Stroke, ...]:
    """What gives an X11 key symbol; see ``Keymap.strokes``.

    :param name: of a keymap that there is
    """
    character = character_of(symbol)
    if character is not None and character != ' ':
        return of(name).strokes(character, shift, altgr)
    number = _OF_KEYMAP.get((name, symbol))
    if number is None:
        numbers = keymap_data.OTHERS.get(symbol)
        number = numbers[0] if numbers else (
            _MORE.get(symbol) or keysyms.QEMU_NUMBER.get(symbol))
    return () if number is None else (Stroke(number),)


def of_command(symbol: int) -> tuple[Stroke, ...]:
    """The key of a letter of another alphabet on a keyboard that has it.

    With Control it is the key that counts for a guest, whatever its keymap.

    :param symbol: X11's key symbol
    """
    character = character_of(symbol)
    if character is not None and character.isalpha():
        for name in _ALPHABETS:
            strokes = of(name).strokes(character)
            if strokes:
                return (Stroke(strokes[-1].number),)
    return ()


def typed(name: str, text: str) -> list[tuple[Stroke, ...] | None]:
    """What types a text, for each character; None: the keymap has it not.

    Line ends of each kind are the Enter key; other control characters but the
    tabulator are left out. An accent behind its letter (as macOS has file
    names) makes one character with it, if there is such a one.
    """
    keymap = of(name)
    result: list[tuple[Stroke, ...] | None] = []
    text = unicodedata.normalize('NFC', text)
    for character in text.replace('\r\n', '\n').replace('\r', '\n'):
        if character == '\n':
            result.append((Stroke(ENTER, False, False),))
        elif character == '\t':
            result.append((Stroke(TAB, False, False),))
        elif unicodedata.combining(character):
            # A dead key would put it on the next letter.
            result.append(None)
        elif character.isprintable() or character == '\xa0':
            result.append(keymap.strokes(character) or None)
    return result
