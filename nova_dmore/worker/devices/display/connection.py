# SPDX-License-Identifier: Apache-2.0
"""The connection to the display of the instance's QEMU."""

import logging
import socket
import time
from collections.abc import Callable
from typing import TypeAlias

from nova_dmore.channel import text
from nova_dmore.posix import loop as loop_module
from nova_dmore.worker.devices import base
from nova_dmore.worker.devices.display import source as source_module

LOG = logging.getLogger(__name__)

#: After an attempt to connect that failed, the next one is made this much
#: later, twice as much each time, at most; in seconds.
_RETRY_S = (0.1, 2.0)

MakeSource: TypeAlias = Callable[
    [loop_module.Loop, socket.socket, source_module.Sink],
    source_module.Source]


class Connection:
    """At most one; the keeper opens it.

    :param make_source: makes a source of a socket.
    :param sink: what the source tells.
    :param answered: called when the keeper has opened it, or could not.
    """

    def __init__(self, context: base.DeviceContext, make_source: MakeSource,
                 sink: source_module.Sink, answered: Callable[[], None]
                 ) -> None:
        self._context = context
        self._make_source = make_source
        self._sink = sink
        self._answered = answered
        #: None while there is no connection.
        self.source: source_module.Source | None = None
        self._asked_keeper = False
        self._retry_at = 0.0
        self._pause = _RETRY_S[0]
        self._troubles: set[str] = set()

    @property
    def retry_at(self) -> float | None:
        """When it may be opened; None: the keeper is at it."""
        return None if self._asked_keeper else self._retry_at

    def open(self, now: float) -> None:
        """Have the keeper open it, unless it failed a moment ago."""
        if not self._asked_keeper and now >= self._retry_at:
            self._asked_keeper = True
            self._context.commands.open_display(self._on_opened)

    def _on_opened(self, descriptor: int | None, error: str | None) -> None:
        """The keeper's answer."""
        self._asked_keeper = False
        if descriptor is None:
            if self._pause >= _RETRY_S[1]:  # QEMU is not just starting
                self._trouble(f'no connection to QEMU\'s display: {error}')
            self._retry_later()
        else:
            self.source = self._make_source(
                self._context.loop, socket.socket(fileno=descriptor),
                self._sink)
        self._answered()

    def works(self) -> None:
        """A picture came: the next attempt, if any, is made soon."""
        self._pause = _RETRY_S[0]

    def close(self) -> None:
        """End it, if it is there."""
        if self.source is not None:
            self.source.close()
            self.source = None

    def ended(self, reason: str) -> None:
        """The source has closed itself."""
        self._trouble(f'QEMU\'s display: {reason}')
        self.source = None
        self._retry_later()

    def _retry_later(self) -> None:
        self._retry_at = time.monotonic() + self._pause
        self._pause = min(self._pause * 2, _RETRY_S[1])

    def _trouble(self, what: str) -> None:
        """Log what happened, each kind once."""
        if what not in self._troubles and len(self._troubles) < 16:
            self._troubles.add(what)
            LOG.warning('%s', text.printable(what))
