# SPDX-License-Identifier: Apache-2.0
"""Other sizes of the desktop, which clients ask the guest for.

As in QEMU, the last one that asks has its way, all are told what has become
of it, and the picture's size itself tells whether the guest follows.
"""

import asyncio
from collections.abc import Callable

from nova_dmore.domr import screen as screen_module
from nova_dmore import wire


class Resizing:
    """Asks the host for one size at a time; called from the event loop.

    :param screen: leads to the host
    :param answer: tells a client, by its session, what has become of it
    """

    def __init__(self, screen: screen_module.Screen,
                 answer: Callable[[int, wire.SizeAnswer], None]) -> None:
        self._screen = screen
        self._answer = answer
        #: Those that wait for the host's answer; none: it is not asked.
        self._asking: set[int] = set()
        #: What it is asked next, and by whom.
        self._next: tuple[int, int] | None = None
        self._waiting: set[int] = set()
        self._timer: asyncio.TimerHandle | None = None

    def ask(self, client: int, width: int, height: int) -> None:
        """Have a client's wish take the place of those not yet passed on."""
        if not width or not height:
            # QEMU would switch the guest's screen off.
            self._answer(client, wire.SizeAnswer.INVALID)
            return
        self._next = width, height
        self._waiting.add(client)
        if self._timer is None:
            self._begin()

    def forget(self, client: int) -> None:
        """A client has gone: there is nobody to be told."""
        self._asking.discard(client)
        self._waiting.discard(client)

    def poll(self) -> None:
        """The host may have answered."""
        if self._timer is not None:
            answer = self._screen.size_answer()
            if answer is not None:
                self._end(answer)

    def close(self) -> None:
        """Wait for nothing any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _begin(self) -> None:
        assert self._next is not None
        self._asking, self._waiting = self._waiting, set()
        self._timer = asyncio.get_running_loop().call_later(
            wire.SIZE_PATIENCE_S, self._on_silence)
        size, self._next = self._next, None
        self._screen.ask_size(*size)

    def _on_silence(self) -> None:
        """The host knows nothing of sizes, or cannot reach QEMU now."""
        self._screen.forget_size()
        self._end(wire.SizeAnswer.PROHIBITED)

    def _end(self, answer: wire.SizeAnswer) -> None:
        assert self._timer is not None
        self._timer.cancel()
        self._timer = None
        asked, self._asking = self._asking, set()
        for client in sorted(asked):
            self._answer(client, answer)
        if self._next is not None:
            self._begin()
