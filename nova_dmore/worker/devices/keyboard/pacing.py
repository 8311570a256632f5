# SPDX-License-Identifier: Apache-2.0
"""How fast events may be handed to QEMU.

QEMU acknowledges an event when the emulated device has it, and the guest's
kernel takes it from there into queues of its own that nobody can read
(an X server's has 64 events, EVDEV_MIN_BUFFER_SIZE in drivers/input/evdev.c,
of which a key takes three, down or up). The firmware of a PC keeps 15 keys for
a boot loader, which draws each one before it asks for the next. A guest that
has just arrived on a host reads late and irregularly. So it does a USB device,
which keeps 16 events (QUEUE_LENGTH in hw/input/hid.c); of a PS/2 keyboard see
:mod:`.room`.
"""

#: So many events may follow each other at once.
BURST = 4

#: One event in so many seconds, on average: a key, down and up, every 5 ms.
STEADY_S = 0.0025

#: The same while a backlog is worked off: a program in the guest may stand
#: still for 0.3 s, and a USB keyboard for 0.2 s. Who waits for the first key
#: of a backlog waits no longer for it.
BACKLOG_S = 0.014

#: More events than this that wait are a backlog.
BACKLOG_EVENTS = 16

#: The guest is given time for so long after it was stopped, in seconds.
RECOVERY_S = 2.0


class Pacer:
    """Says when the next event may go."""

    def __init__(self) -> None:
        self._backlog = False
        self._recovered_at = 0.0
        #: When the next event is due, were there no bursts.
        self._at = 0.0
        self._interval = STEADY_S

    def resumed(self, now: float) -> None:
        """The guest runs again."""
        self._recovered_at = now + RECOVERY_S

    def waiting(self, count: int, now: float) -> None:
        """:param count: how many events wait now."""
        if count > BACKLOG_EVENTS:
            self._backlog = True
        elif count <= 1:
            self._backlog = False
        slow = self._backlog or now < self._recovered_at
        self._interval = BACKLOG_S if slow else STEADY_S

    @property
    def is_slow(self) -> bool:
        """Whether events go at the pace of a backlog."""
        return self._interval == BACKLOG_S

    def delay(self, now: float) -> float:
        """-> seconds until an event may be sent."""
        # A backlog comes without a burst: the queue may be full already.
        ahead = 0 if self._backlog else (BURST - 1) * self._interval
        return max(0.0, self._at - ahead - now)

    def sent(self, now: float) -> None:
        """An event was sent."""
        # In a backlog the next one makes up for what this one was late, so
        # that a worker that waits for a processor keeps up with who types.
        late = self._interval if self._backlog else 0
        self._at = max(self._at, now - late) + self._interval
