# SPDX-License-Identifier: Apache-2.0
"""The pointer that clients move, as the instance's tablet sees it."""

from collections.abc import Callable

from nova_dmore.channel import input_event

_ALL_BUTTONS = (1 << len(input_event.BUTTONS)) - 1


def scale(value: int, size: int) -> int:
    """A position in pixels as one of the tablet, as QEMU does it.

    :param size: of the picture, in pixels
    """
    if size < 1:
        return input_event.POINTER_MAX // 2
    return min(value * input_event.POINTER_MAX // size,
               input_event.POINTER_MAX)


class Pointer:
    """One pointer that all clients share.

    A button is down while any client holds it. While the instance is behind,
    of motions that follow each other only the last one is sent.
    """

    #: Events that one call of ``move`` sends at most.
    EVENTS_MAX = 2

    def __init__(self, send: Callable[[input_event.Event], None],
                 is_behind: Callable[[], bool]) -> None:
        """:param send: takes what the instance's pointer is to do"""
        self._send = send
        self._is_behind = is_behind
        self._buttons: dict[int, int] = {}
        self._sent = input_event.Pointer(0, 0, 0)
        self._waiting: input_event.Pointer | None = None

    def move(self, client: int, buttons: int, x: int, y: int) -> None:
        """A client moved the pointer or changed its buttons.

        :param client: any number that tells it from others
        :param x: of the tablet, see ``scale``
        """
        self._buttons[client] = buttons & _ALL_BUTTONS
        event = input_event.Pointer(self._pressed(), x, y)
        if event.buttons != self._sent.buttons:
            self.flush()
            self._now(event)
        elif self._waiting is not None or self._is_behind():
            self._waiting = event
        else:
            self._now(event)

    def _pressed(self) -> int:
        pressed = 0
        for buttons in self._buttons.values():
            pressed |= buttons
        return pressed

    def _now(self, event: input_event.Pointer) -> None:
        self._sent = event
        self._send(event)

    @property
    def waits(self) -> bool:
        """Whether there is a motion that ``flush`` would send."""
        return self._waiting is not None

    def flush(self) -> None:
        """Send the motion that waits; before any other event, or at last."""
        if self._waiting is not None:
            event, self._waiting = self._waiting, None
            self._now(event)

    def pressed(self, client: int) -> bool:
        """Whether a client holds a button."""
        return bool(self._buttons.get(client))

    def release(self, client: int) -> None:
        """Let go the buttons that a client holds."""
        self.flush()
        self._buttons.pop(client, None)
        pressed = self._pressed()
        if pressed != self._sent.buttons:
            self._now(input_event.Pointer(pressed, self._sent.x,
                                          self._sent.y))
