# SPDX-License-Identifier: Apache-2.0
"""Something that the picture says for some seconds."""

import asyncio
from collections.abc import Callable

#: How long the picture says that somebody has control, or what of a clipboard
#: was left out, in seconds.
SHOWN_S = 5.0


class Shown:
    """One text at a time; called from the event loop.

    :param changed: called when it is another one
    :ivar text: None: there is none
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._timer: asyncio.TimerHandle | None = None
        self.text: str | None = None

    def show(self, text: str) -> None:
        """Show a text instead of the one before, from now on."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(
            SHOWN_S, self.hide)
        self.text = text
        self._changed()

    def hide(self) -> None:
        """Show none any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = self.text = None
            self._changed()
