# SPDX-License-Identifier: Apache-2.0
"""How fast events may be handed to QEMU.

QEMU acknowledges an event when the emulated device has it. A PS/2 keyboard
keeps 16 bytes that the guest has not read, one to three for an event
(PS2_QUEUE_SIZE in hw/input/ps2.c), a USB device 16 events (QUEUE_LENGTH in
hw/input/hid.c), and what comes then is dropped silently. A guest that has
just arrived on a host reads late and irregularly.
"""

#: So many events may follow each other at once.
BURST = 4

#: One event in so many seconds, on average: a key, down and up, every 5 ms.
STEADY_S = 0.0025

#: The same while a backlog is worked off: a key takes three bytes, so a guest
#: may stand still for five keys, 140 ms, and loses nothing. Who waits for the
#: first key of a backlog waits no longer for it.
BACKLOG_S = 0.014

#: More events than this that wait are a backlog.
BACKLOG_EVENTS = 16

#: The guest is given time for so long after it was stopped, in seconds.
SETTLING_S = 2.0


class Pacer:
    """Says when the next event may go."""

    def __init__(self) -> None:
        self._backlog = False
        self._settled_at = 0.0
        self._at = 0.0          # the next event is due at this time, were
        self._interval = STEADY_S   # there no bursts

    def resumed(self, now: float) -> None:
        """The guest runs again."""
        self._settled_at = now + SETTLING_S

    def waiting(self, count: int, now: float) -> None:
        """:param count: how many events wait now."""
        if count > BACKLOG_EVENTS:
            self._backlog = True
        elif count <= 1:
            self._backlog = False
        slow = self._backlog or now < self._settled_at
        self._interval = BACKLOG_S if slow else STEADY_S

    def delay(self, now: float) -> float:
        """-> seconds until an event may be sent."""
        # A backlog comes without a burst: the queue may be full already.
        ahead = 0 if self._backlog else (BURST - 1) * self._interval
        return max(0.0, self._at - ahead - now)

    def sent(self, now: float) -> None:
        """An event was sent."""
        self._at = max(self._at, now) + self._interval
