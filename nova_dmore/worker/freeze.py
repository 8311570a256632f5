# SPDX-License-Identifier: Apache-2.0
"""How long a pair whose instance has stopped to leave waits with its freeze.

Part of the state machine of a pair (:mod:`nova_dmore.worker.state_machine`);
that it begins, and that it is over, is decided there. Times are seconds of one
monotonic clock.
"""

import math

from nova_dmore import wire

#: When Domain R should have acknowledged a freeze, in seconds after the stop.
_OVERDUE_S = wire.FREEZE_DELAY_S + wire.FREEZE_TIMEOUT_S


class Freeze:
    """The freeze of one stop after the other."""

    def __init__(self) -> None:
        #: Domain R is asked to freeze now, whatever is still to come.
        self.is_due = False
        #: It has not acknowledged that in its time.
        self.is_overdue = False
        self._stopped_at = -math.inf

    def begin(self, now: float) -> None:
        """The instance has stopped to leave."""
        self.is_due = self.is_overdue = False
        self._stopped_at = now

    def tick(self, now: float) -> None:
        """Time passed, and it is not over."""
        self.is_due = now >= self._stopped_at + wire.FREEZE_DELAY_S
        self.is_overdue = now >= self._stopped_at + _OVERDUE_S

    @property
    def next_deadline(self) -> float | None:
        """When :meth:`tick` is due, or None."""
        if self.is_overdue:
            return None     # QEMU says when its state is saved, or ends
        return self._stopped_at + (
            _OVERDUE_S if self.is_due else wire.FREEZE_DELAY_S)
