# SPDX-License-Identifier: Apache-2.0
"""Escapes that a person types to the console server itself."""

import enum
from collections.abc import Collection

DEFAULT = 0x1d      # Ctrl-], as telnet; ssh's own escape "~" stays ssh's


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
    program in the guest that wants the same key gets it elsewhere.
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

    def feed(self, data: bytes) -> list[bytes | Action]:
        """The bytes and actions in ``data``, in order.

        An escape may be cut by the end of ``data``. An unknown one is passed
        on as it is: nothing that was typed is lost.
        """
        result: list[bytes | Action] = []
        plain = bytearray()
        for byte in data:
            if not self._escaped:
                if byte == self.escape and self._line_starts:
                    self._escaped = True
                    continue
            elif byte in self._actions:
                self._escaped = False
                if plain:
                    result.append(bytes(plain))
                    plain.clear()
                result.append(self._actions[byte])
                continue
            else:
                self._escaped = False
                if byte != self.escape:
                    assert self.escape is not None
                    plain.append(self.escape)
            plain.append(byte)
            self._line_starts = byte in b'\r\n'
        if plain:
            result.append(bytes(plain))
        return result
