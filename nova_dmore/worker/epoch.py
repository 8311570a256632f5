# SPDX-License-Identifier: Apache-2.0
"""Whether a Domain R has an epoch, and when it may have the next one.

Part of the state machine of a pair (:mod:`nova_dmore.worker.state_machine`);
with what one is opened is decided there. Times are seconds of one monotonic
clock.
"""

import math

#: A Domain R that breaks an epoch gets the next one at once; one that breaks
#: another one within so many seconds waits, for longer each time.
_CALM_S = 10.0
_FIRST_PAUSE_S = 0.1
_LAST_PAUSE_S = 30.0


class Epoch:
    """The epoch of the Domain R that is connected."""

    def __init__(self) -> None:
        #: The next one has to be raised.
        self.is_due = True
        #: Domain R has acknowledged the one that was raised.
        self.is_open = False
        #: The next one is not raised before.
        self.not_before = -math.inf
        self._pause = 0.0

    def may_be_raised(self, now: float) -> bool:
        """Whether the next one has to be raised, and may be."""
        return self.is_due and now >= self.not_before

    def end(self) -> None:
        """It is of no use any more, if there was one."""
        self.is_due = True
        self.is_open = False

    def end_broken(self, now: float) -> None:
        """Domain R has broken it."""
        self.end()
        self._pause = (0.0 if now >= self.not_before + _CALM_S else min(
            max(_FIRST_PAUSE_S, 2 * self._pause), _LAST_PAUSE_S))
        self.not_before = now + self._pause

    def raised(self) -> None:
        """Domain R is asked to acknowledge it."""
        self.is_due = False
        self.is_open = False
