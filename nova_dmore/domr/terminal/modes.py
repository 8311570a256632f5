# SPDX-License-Identifier: Apache-2.0
"""What the instance has changed in a client's terminal, and how to undo it."""

import re

from nova_dmore.domr.terminal import rules

#: DEC's private modes that are on in a terminal at rest: wrap, keys that
#: repeat, cursor.
_ON_AT_REST = frozenset({7, 8, 25})
#: Those that are left alone: they remember the cursor, or do nothing by
#: themselves.
_NO_STATE = frozenset({40, 45, 1048})
#: The alternate screen, which is left last.
_SCREENS = frozenset({47, 1047, 1049})
#: What a command sets, colours and a link -> the command that resets it.
_COMMANDS = {4: b'104', 5: b'105', 8: b'8;;', 10: b'110', 11: b'111',
             12: b'112', 13: b'113', 14: b'114', 17: b'117', 19: b'119'}
#: More modes than a terminal has.
_MODES_MAX = 64
#: ANSI's modes are numbered from 1 to 22 (ECMA-48, 7); all others are none.
_ANSI_END = 64


class Modes:
    """The modes of one client's terminal, by what it was given."""

    def __init__(self) -> None:
        """It is at rest."""
        self._rest()

    def _rest(self) -> None:
        # Nothing here becomes many, whatever is printed.
        self._dec: dict[int, bool] = {}     # that are not as at rest
        self._ansi: set[int] = set()
        self._others: dict[bytes, None] = {}    # what undoes the rest

    @property
    def is_alternate(self) -> bool:
        """Whether a full-screen program draws."""
        return any(self._dec.get(each) for each in _SCREENS)

    def csi(self, whole: bytes) -> None:
        """A control function was passed on."""
        final = whole[-1:]
        numbers = rules.numbers(whole)
        if whole.startswith(b'\x1b[?') and final in b'hl':
            self._set_dec(numbers, final == b'h')
        elif final in b'hl':
            (self._ansi.update if final == b'h' else
             self._ansi.difference_update)(
                 each for each in numbers if each < _ANSI_END)
        elif final == b'r' and not whole.startswith(b'\x1b[?'):
            self._undo(b'\x1b7\x1b[r\x1b8')
        elif final == b'i':     # what is printed goes to a printer
            self._undo(b'\x1b[4i')
        elif whole.endswith(b' q'):
            self._undo(b'\x1b[0 q')
        elif whole.startswith(b'\x1b[>') and final == b'm':
            self._undo(b'\x1b[>4m')
        elif whole.startswith((b'\x1b[>', b'\x1b[=')) and final == b'u':
            self._undo(b'\x1b[<9u\x1b[=0u')

    def _set_dec(self, numbers: list[int], on: bool) -> None:
        for number in numbers:
            if number in _NO_STATE:
                continue
            if on is (number in _ON_AT_REST):
                self._dec.pop(number, None)
            elif len(self._dec) < _MODES_MAX:
                self._dec[number] = on

    def escape(self, whole: bytes) -> None:
        """An escape sequence was passed on, or a shift of characters."""
        if whole == b'\x1bc':
            self._rest()
        elif whole == b'\x1b=':
            self._undo(b'\x1b>')
        elif whole == b'\x1b>':
            self._others.pop(b'\x1b>', None)
        elif whole == b'\x0e':
            self._undo(b'\x0f')
        elif whole == b'\x0f':
            self._others.pop(b'\x0f', None)
        elif whole[:2] == b'\x1b%':
            self._undo(b'\x1b%G')
        elif whole[1:2] in b'()*+' and len(whole) == 3:
            self._undo(whole[:2] + b'B')

    def string(self, introducer: bytes, content: bytes) -> None:
        """A control string was passed on."""
        command = re.match(rb'([0-9]{1,3});', content)
        if introducer == b']' and command is not None:
            reset = _COMMANDS.get(int(command[1]))
            if reset is not None:
                self._undo(b'\x1b]%b\x1b\\' % reset)

    def _undo(self, how: bytes) -> None:
        self._others[how] = None

    def to(self, wanted: 'Modes') -> bytes:
        """What changes these modes to others; nothing if they are the same.

        Of what is no mode with a number it is the keypad alone.
        """
        result = b''
        # A screen that is entered or left first is cleared alone.
        for number in sorted(self._dec.keys() | wanted._dec.keys(),
                             key=lambda each: (each not in _SCREENS, each)):
            on = wanted._dec.get(number, number in _ON_AT_REST)
            if on is not self._dec.get(number, number in _ON_AT_REST):
                result += b'\x1b[?%d%b' % (number, b'h' if on else b'l')
        for number in sorted(self._ansi ^ wanted._ansi):
            result += b'\x1b[%d%b' % (
                number, b'h' if number in wanted._ansi else b'l')
        if (b'\x1b>' in self._others) is not (b'\x1b>' in wanted._others):
            result += b'\x1b=' if b'\x1b>' in wanted._others else b'\x1b>'
        return result

    def at_rest(self) -> bytes:
        """What brings the terminal back to how a shell expects it."""
        result = b'\x1b[m' + b''.join(self._others)
        result += b''.join(b'\x1b[%dl' % each for each in sorted(self._ansi))
        for number in sorted(self._dec, key=lambda each: (
                each in _SCREENS, each)):
            result += b'\x1b[?%d%b' % (
                number, b'l' if self._dec[number] else b'h')
        return result
