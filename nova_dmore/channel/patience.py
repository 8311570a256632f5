# SPDX-License-Identifier: Apache-2.0
"""How long the guest's serial output may be held up, in all.

Runs in the worker, for a Domain R that does not take it, and in Domain R's
agent, for a client that does not.
"""

from nova_dmore import wire


class Patience:
    """For how long one receiver of its output has held the guest up.

    The times of all waits add up. For each byte that the receiver takes some
    time is deducted: what the byte would take on a line of
    ``wire.SERIAL_RATE_LEAST``. So a receiver that takes as many bytes a second
    may go on for ever, and one that takes fewer has held the guest up for too
    long sooner or later. Times are seconds of one monotonic clock.
    """

    def __init__(self) -> None:
        self._held_s = 0.0
        self._since: float | None = None
        self._taken: int | None = None

    def restart(self) -> None:
        """The offsets begin anew; the sum of the times stays."""
        self._taken = None

    def update(self, now: float, taken: int, holds: bool) -> float:
        """Bring the sum up to date.

        To be called whenever ``taken`` or ``holds`` has changed.

        :param taken: offset up to which output was taken
        :param holds: whether the guest waits from now on
        :returns: for how many seconds it was held up
        """
        if self._since is not None:
            self._held_s += max(0.0, now - self._since)
        if self._taken is not None and taken > self._taken:
            self._held_s = max(0.0, self._held_s - (
                taken - self._taken) / wire.SERIAL_RATE_LEAST)
        self._since = now if holds else None
        self._taken = taken
        return self._held_s
