# SPDX-License-Identifier: Apache-2.0
"""What is held down in the guest, and what of it is to be let go.

What is down, the keeper remembers with the last command that QEMU was given
(:attr:`nova_dmore.link.messages.ToKeeper.QMP`). A key or button is *owed* to
the guest when nobody holds it any more and no Domain R will say so: its Domain
R has ended or started anew, or its release was dropped. What is owed is in the
notes to the next worker before anything else is done: before the events that
wait are counted as taken, and before another key goes to QEMU. The notes may
also name keys that are up by now, so only those of them that are down are let
go. So a worker can be killed at any time: the next one releases every key that
is owed, and none that is up already.
"""

from collections.abc import Callable, Collection
from typing import Any, TypeAlias

from nova_dmore.channel import carry_over
from nova_dmore.channel import errors
from nova_dmore.channel import input_event
from nova_dmore.link import messages
from nova_dmore import wire

_SIZE = wire.INPUT_RECORD_SIZE

_Message: TypeAlias = dict[str, Any]


class Held:
    """The keys and buttons that are held down in one guest.

    :param kept: :meth:`to_notes` of an earlier worker, or None.
    :param changed: called when :meth:`to_notes` has changed; it leaves that
        to the next worker.
    :ivar keys: numbers of the keys that are down.
    :ivar buttons: the buttons that are down, by ``input_event.BUTTONS``.
    """

    def __init__(self, kept: _Message | None, changed: Callable[[], None]
                 ) -> None:
        kept = kept or {'buttons': 0, 'owed_keys': [], 'owed_buttons': 0,
                        'holder': None, 'uncounted': None}
        # A worker of an earlier release leaves none.
        self.keys: frozenset[int] = frozenset(kept.get('keys', ()))
        self.buttons: int = kept['buttons']
        self._owed_keys = frozenset(kept['owed_keys'])
        self._owed_buttons: int = kept['owed_buttons']
        #: The incarnation of Domain R whose clients hold what is down and not
        #: owed; None: not known yet.
        self._holder: int | None = kept['holder']
        #: Id of a QMP command that was on its way when another Domain R took
        #: the place of the one that it was given for. When QEMU answers it,
        #: no event of the new one's stream counts as taken.
        self._uncounted: int | None = kept['uncounted']
        #: Keys that were pressed and let go in what was dropped: they are not
        #: down.
        self._in_vain: set[int] = set()
        # The source's buttons, or its keys, may come yet.
        self._buttons_may_come = self._keys_may_come = False
        self._changed = changed

    def to_notes(self) -> _Message:
        """-> a JSON object for :class:`nova_dmore.link.notes.Notes`.

        What is down counts as long as no command was given on this host.
        """
        return {'buttons': self.buttons, 'keys': sorted(self.keys),
                'owed_keys': sorted(self._owed_keys),
                'owed_buttons': self._owed_buttons,
                'holder': self._holder, 'uncounted': self._uncounted}

    # -- what is down

    def note(self, offset: int, size: int, buttons: int,
             keys: Collection[int]) -> messages.Message:
        """-> the note of a command after which these are down."""
        return {'offset': offset, 'size': size,
                'before': self.buttons, 'buttons': buttons,
                'down_before': sorted(self.keys), 'down': sorted(keys)}

    def keys_after(self, event: input_event.Event) -> frozenset[int]:
        """-> those that are down then."""
        if not isinstance(event, input_event.Key):
            return self.keys
        return (self.keys | {event.number} if event.down
                else self.keys - {event.number})

    def is_before(self, note: messages.Message) -> None:
        """What is down is that before a command."""
        self.buttons = note['before']
        self.keys = frozenset(note['down_before'])

    def is_after(self, note: messages.Message) -> None:
        """QEMU has executed a command, or never will."""
        self.buttons = note['buttons']
        self.keys = frozenset(note['down'])
        self._in_vain -= self.keys

    # -- what comes from the source

    def may_come(self, on: bool) -> None:
        """What is down at the source may come yet: it counts until an event
        of its kind is sent here."""
        self._buttons_may_come = self._keys_may_come = on

    def sends(self, event: input_event.Event) -> None:
        """What the source says of its kind comes too late."""
        if isinstance(event, input_event.Pointer):
            self._buttons_may_come = False
        else:
            self._keys_may_come = False

    def carried(self, carried: carry_over.CarryOver) -> None:
        """The guest came with these down, from another host."""
        if self._buttons_may_come:
            self._buttons_may_come = False
            self._arrived(carried.buttons, self.keys)
            self.owe((), carried.owed_buttons)
        if self._keys_may_come:
            self._keys_may_come = False
            self._arrived(self.buttons, carried.keys)
            self.owe(carried.owed_keys, 0)

    def _arrived(self, buttons: int, keys: frozenset[int]) -> None:
        if (buttons, keys) != (self.buttons, self.keys):
            self.buttons, self.keys = buttons, keys
            self._changed()

    # -- what is owed

    @property
    def owed_keys(self) -> frozenset[int]:
        """The keys that are to be let go."""
        return self._owed_keys & self.keys

    @property
    def owed_buttons(self) -> int:
        """The buttons that are to be let go."""
        return self._owed_buttons & self.buttons

    def owe(self, keys: Collection[int], buttons: int) -> None:
        """Have these let go, too."""
        self._set_owed(self._owed_keys.union(keys),
                       self._owed_buttons | buttons)

    def owe_all(self, on_way: messages.Message | None) -> None:
        """Have everything let go, for nobody holds it any more.

        :param on_way: the note of a command that QEMU may yet execute.
        """
        keys, buttons = self._all(on_way)
        self.owe(keys, buttons)

    def is_held_by(self, holder: int, on_way: messages.Message | None
                   ) -> None:
        """Take which start of Domain R holds what will be pressed.

        If it is another one, what is down is owed.

        :param on_way: as above, with the command's ``id``.
        """
        if holder == self._holder:
            return
        if self._holder is not None:
            keys, buttons = self._all(on_way)
            self._owed_keys |= keys
            self._owed_buttons |= buttons
            self._uncounted = None if on_way is None else on_way['id']
        self._holder = holder
        self._changed()

    def counts(self, last: messages.Message) -> bool:
        """Whether a command stands for an event of the present holder."""
        return self._uncounted is None or last['id'] != self._uncounted

    def dropped(self, data: bytes) -> None:
        """These records are for nobody: what they would have let go is owed,
        and what they press again, is held again."""
        keys, buttons = set(self._owed_keys), self._owed_buttons
        unknown = set[int]()
        for start in range(0, len(data) - _SIZE + 1, _SIZE):
            try:
                event = input_event.unpack(data[start:start + _SIZE])
            except errors.InputEventError:
                continue
            if isinstance(event, input_event.Pointer):
                buttons = self.buttons & ~event.buttons
            elif event.down:
                keys.discard(event.number)
                self._in_vain.add(event.number)
            elif event.number not in self._in_vain:
                keys.add(event.number)
                unknown.add(event.number)
            else:
                self._in_vain.remove(event.number)
        # It may have come with the guest from another host, held down.
        self.keys |= unknown
        self._set_owed(frozenset(keys), buttons)

    def owes_nothing(self) -> None:
        """All that was owed is up: what is pressed from now on is not."""
        self._set_owed(frozenset(), 0)

    def _all(self, on_way: messages.Message | None
             ) -> tuple[frozenset[int], int]:
        if on_way is None:
            return self.keys, self.buttons
        return (self.keys.union(on_way['down']),
                self.buttons | on_way['buttons'])

    def _set_owed(self, keys: frozenset[int], buttons: int) -> None:
        if (keys, buttons) != (self._owed_keys, self._owed_buttons):
            self._owed_keys, self._owed_buttons = keys, buttons
            self._changed()
