# SPDX-License-Identifier: Apache-2.0
"""Whether what was typed may be given to what runs in the instance now.

The instance boots anew when its QEMU resets it, or is another one than before.
What the worker had written by then was typed at what ran before. So the worker
is told of each boot, and nothing passes until it has said that it has heard of
it: then all that it had written before can be told from what it writes next.

A worker of an earlier release says nothing, so it is not waited for. One of
this release answers also when it has just started, and is waited for from then
on.
"""

import time
from collections.abc import Callable, Iterable

from nova_dmore.link import messages


class Boots:
    """The boots of one instance, as far as its workers have heard of them.

    :param tell: called with an EVENT message for the worker, and no
        descriptors.
    """

    def __init__(self, tell: Callable[[messages.Message, Iterable[int]], None]
                 ) -> None:
        self._tell = tell
        self._has_worker = False
        self._answers = False       # this worker does
        self._unheard = 0           # what it was told and has not answered
        #: True until a worker has acknowledged the last boot.
        self._is_open = False
        #: True if the instance booted again before the worker answered, so it
        #: has to be told once more.
        self._again = False

    @property
    def is_waiting(self) -> bool:
        """Whether nothing may pass."""
        return self._answers and self._unheard > 0

    def began(self) -> None:
        """The instance boots anew."""
        self._is_open = True
        if not self._has_worker:
            return
        # A guest may reset itself as often as it can: one is told at a time.
        self._again = self._unheard > 1 or self.is_waiting
        if not self._again:
            self._say(messages.BOOT)

    def heard(self) -> bool:
        """The worker has answered -> whether what it had written when it heard
        of a boot is to be thrown away."""
        if not self._unheard:
            return False
        self._answers = True
        self._unheard -= 1
        if self._again:
            self._again = False
            self._say(messages.BOOT)
        if self._unheard:
            return False
        was_open, self._is_open = self._is_open, False
        return was_open

    def has_worker(self, on: bool) -> bool:
        """There is a worker, which was told nothing yet; or there is none any
        more -> whether what it has left is to be thrown away."""
        self._has_worker = on
        self._answers = self._again = False
        self._unheard = 0
        if on:
            self._say(messages.BOOT if self._is_open
                      else messages.TELLS_BOOTS)
        return self._is_open

    def _say(self, event: str) -> None:
        self._unheard += 1
        self._tell({'type': messages.ToWorker.EVENT, 'vm': messages.INSTANCE,
                    'event': event, 'at': time.monotonic()}, ())
