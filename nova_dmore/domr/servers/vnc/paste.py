# SPDX-License-Identifier: Apache-2.0
"""The text of a client's clipboard, typed as keys.

QEMU acknowledges a key when the emulated keyboard has it; a guest that reads
slowly (a boot loader, firmware) loses what comes too fast. So the next
character goes when the one before is taken, and not at once.
"""

import asyncio
from collections.abc import Callable

from nova_dmore.domr.servers.vnc import keyboard as keyboard_module
from nova_dmore.domr.servers.vnc import keymaps
from nova_dmore.domr.servers.vnc import protocol

#: Between two characters, in seconds: a guest may stand still for five of
#: them, as the buffers of its keyboard hold ten bytes more.
INTERVAL_S = 0.03


class Clipboards:
    """What clients have last put on their clipboards."""

    def __init__(self) -> None:
        """Nobody has any."""
        self._coming: dict[int, str] = {}
        self._whole: dict[int, str] = {}

    def take(self, part: protocol.Text) -> str | None:
        """Take a part of a text; the whole text, if this is its last."""
        text = (self._coming.pop(part.session, '')
                + part.characters)[:protocol.TEXT_MAX]
        if part.goes_on:
            self._coming[part.session] = text
            return None
        self._whole[part.session] = text
        return text

    def of(self, client: int) -> str | None:
        """The text of a client."""
        return self._whole.get(client)

    def forget(self, client: int) -> None:
        """A client has gone."""
        self._coming.pop(client, None)
        self._whole.pop(client, None)


class Paste:
    """At most one text that is being typed."""

    def __init__(self, keyboard: keyboard_module.Keyboard,
                 waiting: Callable[[], int], changed: Callable[[], None]
                 ) -> None:
        """:param waiting: how many events the instance has not taken
        :param changed: called when it begins and ends
        """
        self._keyboard = keyboard
        self._waiting = waiting
        self._changed = changed
        self._strokes: list[tuple[keymaps.Stroke, ...]] = []
        self._timer: asyncio.TimerHandle | None = None
        self.client: int | None = None

    @property
    def is_typing(self) -> bool:
        """Whether a text is being typed."""
        return self._timer is not None

    def begin(self, client: int, text: str) -> int:
        """Type a text instead of the one before, if any.

        :returns: how many of its characters the keymap does not have: they
            are left out
        """
        self.cancel()
        typed = keymaps.typed(self._keyboard.keymap, text)
        self._strokes = [each for each in reversed(typed) if each]
        if self._strokes:
            self.client = client
            self._wait()
            self._changed()
        return typed.count(None)

    def cancel(self) -> None:
        """Type no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self.client = None
            self._strokes = []
            self._changed()

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(
            INTERVAL_S, self._next)

    def _next(self) -> None:
        if self._waiting():
            self._wait()
        elif self._strokes:
            for stroke in self._strokes.pop():
                self._keyboard.tap(stroke)
            self._wait()
        else:
            self.cancel()
