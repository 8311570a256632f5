# SPDX-License-Identifier: Apache-2.0
"""What the instance does, as the host says it: for all servers."""

from collections.abc import Callable
from typing import Any

from nova_dmore import wire

#: Called with the new state; None: it is not known.
Changed = Callable[[wire.InstanceState | None], None]


class InstanceState:
    """The last STATE message, and who is told of the next one.

    :ivar now: None: not known; a host of an earlier release does not say it
    """

    def __init__(self) -> None:
        """Nothing is known yet."""
        self.now: wire.InstanceState | None = None
        self._changed: list[Changed] = []

    @property
    def takes_input(self) -> bool:
        """Whether what is typed may reach the instance; if not, it is to be
        refused, visibly, and not sent."""
        return self.now not in wire.STATES_WITHOUT_INPUT

    def subscribe(self, changed: Changed) -> None:
        """Have a function called when the state is another one."""
        self._changed.append(changed)

    def told(self, message: dict[str, Any]) -> None:
        """Take a STATE message."""
        try:
            self._set(wire.InstanceState(str(message.get('state'))))
        except ValueError:
            self._set(None)

    def forget(self) -> None:
        """A new epoch: the host says it anew, or does not know how to."""
        self._set(None)

    def _set(self, state: wire.InstanceState | None) -> None:
        if state is not self.now:
            self.now = state
            for changed in self._changed:
                changed(state)
