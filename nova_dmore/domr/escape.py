# SPDX-License-Identifier: Apache-2.0
"""Escapes that a person types to the console server itself."""

import enum
import re
from collections.abc import Collection

DEFAULT = 0x1d      # Ctrl-], as telnet; ssh's own escape "~" stays ssh's


#: What a terminal says by itself, asked by the guest or moved by a mouse:
#: where its cursor is (``ESC [ 24 ; 80 R``), what it is, whether it has the
#: focus, its colours.
_REPORT = re.compile(
    rb'\x1b(?:\[(?:\??[0-9]+;[0-9;]+R|\??[0-9;]+n|[?>=][0-9;]*c'
    rb'|\??[0-9;]+\$y|[0-9;]+[xtM]|\?[0-9;]+u|[IO]|<[0-9;]+[Mm]'
    rb'|M[ -\xff]{3})|[]P_][^\x00-\x1f]*(?:\x07|\x1b\\))')
#: The first part of one.
_REPORT_BEGINS = re.compile(
    rb'\x1b(?:\[(?:[<=>?]?[0-9;]*\$?|M[ -\xff]{0,2})'
    rb'|[]P_][^\x00-\x1f]*\x1b?)?')
#: What is longer is none.
_REPORT_MAX = 256


class Action(enum.Enum):
    """What an escape asks for."""

    DETACH = '.'
    BREAK = 'b'
    SIZE = 's'
    HELP = '?'


def help_of(escape: int | None) -> str:
    """What a person may type; None: there are no escapes."""
    if escape is None:
        return 'Close the connection to leave'
    name = f'Ctrl-{chr(escape + 0x40)}'
    return (f'At the start of a line {name} . leaves, {name} b sends a break, '
            f'{name} s types stty with the size of your terminal, {name} '
            f'{name} sends {name} itself')


class EscapeParser:
    """Splits what is typed into bytes for the instance and actions.

    As with OpenSSH's ``~``, an escape counts at the start of a line alone: a
    program in the guest that wants the same key gets it elsewhere. What the
    terminal says by itself is not typed: a shell that asks it for the place of
    its cursor at each prompt (busybox' does) would leave no start of a line.
    """

    def __init__(self, escape: int | None = DEFAULT,
                 actions: Collection[Action] = tuple(Action)) -> None:
        """:param escape: the byte; None: there are none
        :param actions: those that may be asked for
        """
        self.escape = escape
        self._actions = {ord(each.value): each for each in actions}
        self._escaped = False
        self._line_starts = True
        self._report = b''      # of the terminal: its first part
        self._held = b''        # the same, after an escape: not passed on yet

    def feed(self, data: bytes) -> list[bytes | Action]:
        """The bytes and actions in ``data``, in order.

        An escape may be cut by the end of ``data``. An unknown one is passed
        on as it is: nothing that was typed is lost.
        """
        result: list[bytes | Action] = []
        plain = bytearray()
        for byte in data:
            if self._escaped:
                action = self._after_escape(byte, plain)
                if action is not None:
                    if plain:
                        result.append(bytes(plain))
                        plain.clear()
                    result.append(action)
            elif (byte == self.escape and self._line_starts
                    and not self._report):
                self._escaped = True
            else:
                self._pass(bytes((byte,)), plain)
        if plain:
            result.append(bytes(plain))
        return result

    def _after_escape(self, byte: int, plain: bytearray) -> Action | None:
        """Take a byte after the escape -> what it asks for.

        A report may come in between: the guest has asked before, and answers
        late. It is passed on, and the escape counts.

        :param plain: what is passed on is added to it.
        """
        held = self._held + bytes((byte,))
        if byte != self.escape or self._held:
            if _REPORT.fullmatch(held):
                plain += held
                self._held = b''
                return None
            if _is_part(held):
                self._held = held
                return None
        self._escaped, self._held = False, b''
        if byte in self._actions and len(held) == 1:
            return self._actions[byte]
        assert self.escape is not None
        if held[0] != self.escape:
            self._pass(bytes((self.escape,)), plain)
        self._pass(held, plain)
        return None

    def _pass(self, data: bytes, plain: bytearray) -> None:
        plain += data
        for byte in data:
            self._line_starts = self._starts_after(byte)

    def _starts_after(self, byte: int) -> bool:
        """Whether a line starts after a byte."""
        if byte in b'\r\n':
            self._report = b''
            return True
        if not self._line_starts:
            return False
        report = self._report + bytes((byte,))
        self._report = report if _is_part(report) else b''
        return bool(self._report) or _REPORT.fullmatch(report) is not None


def _is_part(data: bytes) -> bool:
    """Whether these are the first bytes of a report, and not all."""
    return (len(data) < _REPORT_MAX
            and _REPORT_BEGINS.fullmatch(data) is not None)
