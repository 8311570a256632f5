# SPDX-License-Identifier: Apache-2.0
"""Keys that clients hold, as the instance's keyboard sees them."""

from collections.abc import Callable

from nova_dmore.channel import input_event
from nova_dmore.domr.servers.vnc import keysyms

NUMBER_MAX = 0xff

_LEFT_SHIFT = 0x2a
_SHIFTS = {_LEFT_SHIFT, 0x36}
_CAPS_LOCK = 0x3a

#: Symbols that are reached with shift on a US keyboard.
_SHIFTED = frozenset(map(ord, '~!@#$%^&*()_+{}|:"<>?'
                         'ABCDEFGHIJKLMNOPQRSTUVWXYZ'))
_LETTERS = frozenset(map(ord, 'abcdefghijklmnopqrstuvwxyz'
                         'ABCDEFGHIJKLMNOPQRSTUVWXYZ'))

#: Symbols that keycodemapdb does not name: the key pad without Num Lock,
#: and other names of keys.
_MORE = {
    0xff95: 0x47, 0xff96: 0x4b, 0xff97: 0x48, 0xff98: 0x4d, 0xff99: 0x50,
    0xff9a: 0x49, 0xff9b: 0x51, 0xff9c: 0x4f, 0xff9d: 0x4c, 0xff9e: 0x52,
    0xff9f: 0x53,       # KP_Home to KP_Delete
    0xffaa: 0x37,       # KP_Multiply
    0xff61: 0x54,       # Print
    0xff67: 0xdd,       # Menu
    0xff6b: 0xc6,       # Break
    0xff7e: 0xb8,       # Mode_switch
    0xfe03: 0xb8,       # ISO_Level3_Shift
    0xfe20: 0x0f,       # ISO_Left_Tab
    0xffeb: 0xdb,       # Super_L
    0xffec: 0xdc,       # Super_R
}


def number_of(symbol: int) -> int | None:
    """QEMU's number of the key that has a symbol; None if none has."""
    return keysyms.QEMU_NUMBER.get(symbol) or _MORE.get(symbol)


class Keyboard:
    """One keyboard that all clients share.

    A key is up again when the last client that holds it has let it go. What
    is held lives as long as Domain R, so a migration does not touch it.
    """

    #: Events that one call of ``key`` sends at most.
    EVENTS_MAX = 3

    def __init__(self, send: Callable[[input_event.Event], None]) -> None:
        """:param send: takes what the instance's keyboard is to do"""
        self._send = send
        self._holders: dict[int, set[int]] = {}
        self._caps = False

    def key(self, client: int, down: bool, symbol: int, number: int) -> bool:
        """A client pressed or let go a key.

        :param client: any number that tells it from others
        :param symbol: X11's key symbol
        :param number: QEMU's number, 0 if the client does not know
        :returns: False if there is no such key
        """
        wrap = False
        if not 0 < number <= NUMBER_MAX:
            found = number_of(symbol)
            if found is None:
                return False
            number = found
            wrap = down and self._needs_shift(symbol)
        holders = self._holders.setdefault(number, set())
        if not down:
            self._let_go(client, number, holders)
            return True
        if number == _CAPS_LOCK and not holders:
            self._caps = not self._caps
        holders.add(client)
        if wrap:
            self._send(input_event.Key(_LEFT_SHIFT, True))
        self._send(input_event.Key(number, True))
        if wrap:
            self._send(input_event.Key(_LEFT_SHIFT, False))
        return True

    def _needs_shift(self, symbol: int) -> bool:
        """Whether nobody holds shift though the symbol takes it.

        A client that is a program sends "A" and nothing else; one that has a
        keyboard sends its shift key too.
        """
        if any(self._holders.get(shift) for shift in _SHIFTS):
            return False
        shifted = symbol in _SHIFTED
        if symbol in _LETTERS and self._caps:
            return not shifted
        return shifted

    def _let_go(self, client: int, number: int, holders: set[int]) -> None:
        if client in holders:
            holders.remove(client)
            if not holders:
                self._send(input_event.Key(number, False))
        if not holders:
            del self._holders[number]

    def held(self, client: int) -> int:
        """How many keys a client holds."""
        return sum(client in holders for holders in self._holders.values())

    def release(self, client: int) -> None:
        """Let go everything that a client holds, the last key first."""
        for number in reversed(list(self._holders)):
            self._let_go(client, number, self._holders[number])
