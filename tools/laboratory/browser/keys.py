# SPDX-License-Identifier: Apache-2.0
"""The US keyboard, as browsers name its keys."""

import dataclasses
import string
from collections.abc import Iterator

_PUNCTUATION = {
    # Unshifted, shifted, the browser's ``code``, and Windows' virtual key.
    '`~': ('Backquote', 192), '-_': ('Minus', 189), '=+': ('Equal', 187),
    '[{': ('BracketLeft', 219), ']}': ('BracketRight', 221),
    '\\|': ('Backslash', 220), ';:': ('Semicolon', 186), '\'"': ('Quote', 222),
    ',<': ('Comma', 188), '.>': ('Period', 190), '/?': ('Slash', 191)}
_DIGITS_SHIFTED = ')!@#$%^&*('


@dataclasses.dataclass(frozen=True)
class Key:
    """A key as ``KeyboardEvent`` tells it.

    :param value: its ``key``, what it means
    :param code: its ``code``, where it is
    :param virtual: Windows' number for it
    :param shift: it means this only while shift is held
    """

    value: str
    code: str
    virtual: int
    shift: bool = False


SHIFT = Key('Shift', 'ShiftLeft', 16)
CONTROL = Key('Control', 'ControlLeft', 17)
ALT = Key('Alt', 'AltLeft', 18)
ENTER = Key('Enter', 'Enter', 13)
BACKSPACE = Key('Backspace', 'Backspace', 8)
DELETE = Key('Delete', 'Delete', 46)
#: The bit of each in the ``modifiers`` of Chromium's DevTools.
MODIFIERS = {ALT: 1, CONTROL: 2, SHIFT: 8}


def _keyboard() -> dict[str, Key]:
    keys = {' ': Key(' ', 'Space', 32), '\r': ENTER, '\n': ENTER,
            '\t': Key('Tab', 'Tab', 9)}
    for letter in string.ascii_lowercase:
        upper = letter.upper()
        keys[letter] = Key(letter, f'Key{upper}', ord(upper))
        keys[upper] = Key(upper, f'Key{upper}', ord(upper), shift=True)
    for digit, shifted in zip(string.digits, _DIGITS_SHIFTED):
        keys[digit] = Key(digit, f'Digit{digit}', ord(digit))
        keys[shifted] = Key(shifted, f'Digit{digit}', ord(digit), shift=True)
    for (plain, shifted), (code, virtual) in _PUNCTUATION.items():
        keys[plain] = Key(plain, code, virtual)
        keys[shifted] = Key(shifted, code, virtual, shift=True)
    return keys


_KEYBOARD = _keyboard()


def key(character: str) -> Key:
    """The key that types a character.

    :raises KeyError: there is none on this keyboard
    """
    return _KEYBOARD[character]


def events(pressed: Key, *held: Key) -> Iterator[tuple[str, Key, int]]:
    """What happens when a key is pressed and let go while others are held.

    Each event as Chromium's DevTools take it: its type, the key that it is
    about, and the modifiers then.
    """
    if pressed.shift:
        held = (*held, SHIFT)
    modifiers = 0
    for modifier in held:
        modifiers |= MODIFIERS[modifier]
        yield 'rawKeyDown', modifier, modifiers
    yield 'rawKeyDown', pressed, modifiers
    yield 'keyUp', pressed, modifiers
    for modifier in reversed(held):
        modifiers &= ~MODIFIERS[modifier]
        yield 'keyUp', modifier, modifiers
