# SPDX-License-Identifier: Apache-2.0
"""Control: one client types, and the others are excluded.

It is for people who share a console, and no boundary between them: whoever
may type may also take control. Who must not type has the view-only password.
"""

from collections.abc import Callable

from nova_dmore.domr.servers.vnc import keyboard
from nova_dmore.domr.servers.vnc import protocol
from nova_dmore.domr.servers.vnc import shown

_TEXT = 'one client types; Control+Alt+O: take over'


class Control:
    """Who has it, if anybody.

    :param changed: called when the picture is to say it, or not any more
    :ivar shown: that somebody has it, for a while after it was taken or an
        excluded client has typed
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self.shown = shown.Shown(changed)
        self._holder: int | None = None
        #: Modifiers that excluded clients hold; the instance knows of none.
        self._held: dict[int, set[int]] = {}

    @property
    def holder(self) -> int | None:
        """The client that has it; None: all type."""
        return self._holder

    def excludes(self, client: int) -> bool:
        """Whether somebody else has control."""
        return self._holder not in (None, client)

    def take(self, client: int) -> None:
        """Have one client type alone."""
        self._holder = client
        self._held.clear()
        self.shown.show(_TEXT)

    def give_up(self, client: int) -> None:
        """Have all clients type, if this one had control."""
        self._held.pop(client, None)
        if self._holder == client:
            self._holder = None
            self._held.clear()
            self.shown.hide()

    def heard(self, event: protocol.Key) -> frozenset[int]:
        """Take a key of an excluded client.

        :returns: the modifiers that it holds, if Control and Alt are among
            them, by QEMU's numbers
        """
        number = event.number or keyboard.number_of(event.symbol) or 0
        held = self._held.setdefault(event.session, set())
        if number in keyboard.CONTROLS + keyboard.ALTS:
            (held.add if event.down else held.discard)(number)
        elif event.down:
            self.shown.show(_TEXT)    # nobody else tells why nothing happens
        both = all(held.intersection(numbers)
                   for numbers in (keyboard.CONTROLS, keyboard.ALTS))
        return frozenset(held) if both else frozenset()
