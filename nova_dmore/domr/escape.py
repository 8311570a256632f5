# SPDX-License-Identifier: Apache-2.0
"""Escapes that a person types to the console server itself."""

import enum

ESCAPE = 0x1d   # Ctrl-], as telnet; ssh's own escape "~" stays ssh's
_ESCAPE_BYTE = bytes([ESCAPE])

HELP = ('Ctrl-] . leaves, Ctrl-] b sends a break, Ctrl-] Ctrl-] sends '
        'Ctrl-] itself')


class Action(enum.Enum):
    """What an escape asks for."""

    DETACH = '.'
    BREAK = 'b'


class EscapeParser:
    """Splits what is typed into bytes for the instance and actions."""

    def __init__(self) -> None:
        self._escaped = False

    def feed(self, data: bytes) -> list[bytes | Action]:
        """The bytes and actions in ``data``, in order.

        An escape may be cut by the end of ``data``. An unknown one is passed
        on as it is: nothing that was typed is lost.
        """
        result: list[bytes | Action] = []
        plain = bytearray()
        for byte in data:
            if not self._escaped:
                if byte == ESCAPE:
                    self._escaped = True
                else:
                    plain.append(byte)
                continue
            self._escaped = False
            if byte in b'.b':
                if plain:
                    result.append(bytes(plain))
                    plain.clear()
                result.append(Action(chr(byte)))
            elif byte == ESCAPE:
                plain.append(byte)
            else:
                plain += _ESCAPE_BYTE
                plain.append(byte)
        if plain:
            result.append(bytes(plain))
        return result
