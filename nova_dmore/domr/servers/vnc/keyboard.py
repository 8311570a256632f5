# SPDX-License-Identifier: Apache-2.0
"""Keys that clients hold, as the instance's keyboard sees them."""

import time
from collections.abc import Callable

from nova_dmore.channel import input_event
from nova_dmore.domr.servers.vnc import keymaps
from nova_dmore.domr.servers.vnc import locks as locks_module

NUMBER_MAX = 0xff

_LEFT_SHIFT = 0x2a
_ALTGR = 0xb8
_SHIFTS = (_LEFT_SHIFT, 0x36)
#: Control, Alt, and the two keys beside them: with one of them held a symbol
#: is a command, and what is held belongs to it.
_COMMANDS = (0x1d, 0x9d, 0x38, 0xdb, 0xdc)

CONTROLS = (0x1d, 0x9d)
ALTS = (0x38,)
_MODIFIERS = (*_SHIFTS, *_COMMANDS, _ALTGR)

#: Keymaps in which Caps Lock takes Shift; alone the key is another one.
_SHIFTED_CAPS = frozenset({'ja'})
#: Keys of the key pad that Num Lock changes, and symbols that they then have.
_KEY_PAD = frozenset(range(0x47, 0x54)) - {0x4a, 0x4e}
_KEY_PAD_DIGITS = frozenset((*range(0xffb0, 0xffba), 0xffac, 0xffae))


def number_of(symbol: int) -> int | None:
    """QEMU's number of the key of a US keyboard that has a symbol."""
    strokes = keymaps.find(keymaps.DEFAULT, symbol)
    return strokes[-1].number if strokes else None


def is_modifier(symbol: int, number: int) -> bool:
    """Whether a client's key is one; its number is 0 if it tells none."""
    return (number or number_of(symbol)) in _MODIFIERS


class Keyboard:
    """One keyboard that all clients share.

    A key is up again when the last client that holds it has let it go. What
    is held lives as long as Domain R, so a migration does not touch it.

    :ivar keymap: name of the guest's keymap, for clients that tell symbols
    :ivar locks: what the guest's Caps Lock and Num Lock are
    """

    #: Events that one call of ``key`` sends at most: up to three modifiers
    #: before a dead key and after it, and the same for the key itself; Num
    #: Lock; and those that were let go while the client was silent.
    EVENTS_MAX = 17 + len(_MODIFIERS)

    def __init__(self, send: Callable[[input_event.Event], None],
                 clock: Callable[[], float] = time.monotonic,
                 is_behind: Callable[[], bool] = lambda: False) -> None:
        """:param send: takes what the instance's keyboard is to do
        :param is_behind: whether the instance has not taken all of it
        """
        self._send = send
        self._holders: dict[int, set[int]] = {}
        # What was pressed for a symbol: it may be another key by the time
        # that it is let go.
        self._symbols: dict[tuple[int, int], int] = {}
        # Modifiers that were let go for clients that were silent.
        self._suspended: dict[int, list[int]] = {}
        self._added: set[int] = set()   # modifiers, for one key
        self.keymap = keymaps.DEFAULT
        self.locks = locks_module.Locks(clock, is_behind)

    def key(self, client: int, down: bool, symbol: int, number: int,
            knows_locks: bool = False) -> bool:
        """A client pressed or let go a key.

        :param client: any number that tells it from others
        :param symbol: X11's key symbol
        :param number: QEMU's number, 0 if the client does not know
        :param knows_locks: it was told the state of the locks, and sees to
            them itself
        :returns: False if there is no such key
        """
        for each in self._suspended.pop(client, ()):
            # If the client comes back with the release of this very key, the
            # key is not pressed again first: to press and let go a key alone
            # may have a meaning (Super opens a menu).
            if down or each != (number or self._number_up(client, symbol)):
                self._set(client, each, True)
        if 0 < number <= NUMBER_MAX:
            if down and not knows_locks:
                self._match_caps(symbol)
                self._match_num(symbol, number)
            self._set(client, number, down)
            return True
        if down:
            return self._symbol(client, symbol)
        return self._symbol_up(client, symbol)

    # -- locks that are on at the client and not in the guest, as QEMU does it

    def _match_caps(self, symbol: int) -> None:
        if 0x41 <= symbol <= 0x5a or 0x61 <= symbol <= 0x7a:
            wanted = (symbol <= 0x5a) != bool(self._held(_SHIFTS))
            self._match(locks_module.Lock.CAPS, wanted)

    def _match_num(self, symbol: int, number: int) -> None:
        if number in _KEY_PAD and symbol:
            self._match(locks_module.Lock.NUM, symbol in _KEY_PAD_DIGITS)

    def _match(self, lock: locks_module.Lock, wanted: bool) -> None:
        number = locks_module.NUMBERS[lock]
        if self.locks.is_on(lock) != wanted and not self._holders.get(number):
            self.tap(keymaps.Stroke(
                number, self._takes_shift(lock) or None))

    def _takes_shift(self, lock: locks_module.Lock) -> bool:
        return (lock is locks_module.Lock.CAPS
                and self.keymap in _SHIFTED_CAPS)

    # -- symbols

    def _symbol(self, client: int, symbol: int) -> bool:
        """Press what gives a symbol, with the modifiers that it needs."""
        strokes = keymaps.find(self.keymap, symbol,
                               bool(self._held(_SHIFTS)),
                               bool(self._held((_ALTGR,))))
        if not strokes and self._held(_COMMANDS):
            strokes = keymaps.of_command(symbol)
        if not strokes:
            return False
        *dead, last = strokes
        for each in dead:
            self.tap(each)
        if last.shift is None:
            self._match_num(symbol, last.number)
        self._around(last, lambda: self._set(client, last.number, True))
        self._symbols[client, symbol] = last.number
        return True

    def _symbol_up(self, client: int, symbol: int) -> bool:
        """Let go what was pressed for a symbol.

        A client that has let go Shift in the meantime tells another symbol. If
        that is on another key of the guest's keyboard, there is no telling
        which key is meant: all are let go, for it must not stay held.
        """
        strokes = keymaps.find(self.keymap, symbol)
        number = self._number_up(client, symbol)
        if number is not None and client in self._holders.get(number, ()):
            numbers = {number}
        else:
            numbers = {each for (who, _), each in self._symbols.items()
                       if who == client}.difference(_MODIFIERS)
        for each in sorted(numbers):
            self._set(client, each, False)
        self._symbols = {key: each for key, each in self._symbols.items()
                         if key[0] != client or each not in numbers}
        return bool(strokes) or bool(numbers)

    def _number_up(self, client: int, symbol: int) -> int | None:
        """The key that a client lets go, by its symbol."""
        strokes = keymaps.find(self.keymap, symbol)
        return self._symbols.get(
            (client, symbol), strokes[-1].number if strokes else None)

    def tap(self, stroke: keymaps.Stroke) -> None:
        """Press and let go a key that no client holds."""
        def press() -> None:
            self._down(stroke.number)
            if not self._holders.get(stroke.number):
                self._up(stroke.number)
        self._around(stroke, press)

    def _around(self, stroke: keymaps.Stroke, press: Callable[[], None]
                ) -> None:
        """Press a key with what it needs held, and nothing else of that."""
        shift: bool | None = stroke.shift
        command = bool(self._held(_COMMANDS))
        if stroke.letter and command:
            shift = None    # its case is that of the client's Caps Lock
        elif stroke.letter and self.locks.is_on(locks_module.Lock.CAPS):
            shift = not shift
        undo = []
        for wanted, numbers in ((shift, _SHIFTS), (stroke.altgr, (_ALTGR,))):
            held = self._held(numbers)
            if wanted and not held:
                self._added.add(numbers[0])
                self._down(numbers[0])
                undo.append((numbers[0], False))
            elif wanted is False and held and not command:
                for number in held:
                    self._up(number)
                    undo.append((number, True))
        press()
        self._added.clear()
        for number, down in reversed(undo):
            self._send(input_event.Key(number, down))

    # -- keys

    def _held(self, numbers: tuple[int, ...]) -> list[int]:
        return [number for number in numbers if self._holders.get(number)]

    def _set(self, client: int, number: int, down: bool) -> None:
        holders = self._holders.setdefault(number, set())
        if not down:
            self._let_go(client, number, holders)
            return
        self._down(number, again=bool(holders))
        holders.add(client)

    def _down(self, number: int, again: bool = False) -> None:
        lock = locks_module.KEYS.get(number)
        if lock is not None and not again and (
                not self._takes_shift(lock) or self._held(_SHIFTS)
                or not self._added.isdisjoint(_SHIFTS)):
            self.locks.pressed(lock)
        self._send(input_event.Key(number, True))

    def _up(self, number: int) -> None:
        self._send(input_event.Key(number, False))

    def _let_go(self, client: int, number: int, holders: set[int]) -> None:
        if client in holders:
            holders.remove(client)
            if not holders:
                self._up(number)
        if not holders:
            del self._holders[number]

    def held(self, client: int) -> int:
        """How many keys a client holds."""
        return sum(client in holders for holders in self._holders.values())

    def commands(self, client: int) -> bool:
        """Whether a client holds Control and Alt."""
        return all(any(client in self._holders.get(number, ())
                       for number in numbers)
                   for numbers in (CONTROLS, ALTS))

    def suspend(self, client: int) -> None:
        """Let go what a client holds until it sends something."""
        held = [number for number in _MODIFIERS
                if client in self._holders.get(number, ())]
        self.release(client)
        if held:
            self._suspended[client] = held

    def release_all(self) -> None:
        """Let go everything, also what only the guest takes for held."""
        for client in {each for holders in self._holders.values()
                       for each in holders}:
            self.release(client)
        self._suspended.clear()
        for number in _MODIFIERS:
            self._up(number)

    def release(self, client: int) -> None:
        """Let go everything that a client holds, the last key first."""
        self._suspended.pop(client, None)
        for number in reversed(list(self._holders)):
            self._let_go(client, number, self._holders[number])
        for key in [each for each in self._symbols if each[0] == client]:
            del self._symbols[key]
