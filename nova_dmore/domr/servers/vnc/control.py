# SPDX-License-Identifier: Apache-2.0
"""Control: one client types, and the others are excluded.

It is for people who share a console, and no boundary between them: whoever
may type may also take control. Who must not type has the view-only password.
"""

import asyncio
from collections.abc import Callable

from nova_dmore.domr.servers.vnc import keyboard
from nova_dmore.domr.servers.vnc import protocol

#: How long the picture says that somebody has control, in seconds, after it
#: was taken or an excluded client has typed.
SHOWN_S = 5.0


class Control:
    """Who has it, if anybody.

    :param changed: called when the picture is to say it, or not any more
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._holder: int | None = None
        #: Modifiers that excluded clients hold; the instance knows of none.
        self._held: dict[int, set[int]] = {}
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_shown(self) -> bool:
        """Whether the picture is to say that somebody has control."""
        return self._timer is not None

    def excludes(self, client: int) -> bool:
        """Whether somebody else has control."""
        return self._holder not in (None, client)

    def take(self, client: int) -> None:
        """Have one client type alone."""
        self._holder = client
        self._held.clear()
        self._show()

    def give_up(self, client: int) -> None:
        """Have all clients type, if this one had control."""
        self._held.pop(client, None)
        if self._holder == client:
            self._holder = None
            self._held.clear()
            self._hide()

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
            self._show()    # nobody else tells why nothing happens
        both = all(held.intersection(numbers)
                   for numbers in (keyboard.CONTROLS, keyboard.ALTS))
        return frozenset(held) if both else frozenset()

    def _show(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(
            SHOWN_S, self._hide)
        self._changed()

    def _hide(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._changed()
