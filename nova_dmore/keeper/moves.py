# SPDX-License-Identifier: Apache-2.0
"""The last moves of a serial port, and what follows from them.

When QEMU says that it saves its state it has not done so yet, and what it says
is heard late. What was moved just then may be in that state, or not: when each
move was tells which (doc/source/architecture/serial.rst).
"""

import collections
import math
from typing import NamedTuple

#: Seconds around QEMU's message that it saves its state: its main loop may
#: have run for the last time so long before it, and may still finish an
#: iteration so long after it.
MARGIN_S = 0.002
#: How many of the last moves are remembered, in each direction.
_MOVES = 64
#: How many bytes of output QEMU may hold while it waits: 16 in the FIFO of the
#: UART, and one in its shift register.
_HELD_BY_UART = 17


class Counts(NamedTuple):
    """What QEMU's saved state has of the bytes that passed a serial port."""

    #: How many bytes of input the state has not read.
    unread_in_state: int
    #: How many bytes of input may or may not be in the state.
    unsure_in: int
    #: How many bytes of output may or may not be in it.
    unsure_out: int
    #: How many of ``unread_in_state`` QEMU has read since it saved.
    read_after_saving: int


class Moves:
    """The last moves of one serial port. Times are seconds of CLOCK_MONOTONIC.
    """

    def __init__(self) -> None:
        #: Output moves that freed space in the FIFO while QEMU may have been
        #: blocked on a full one: when each began and ended, and how many bytes
        #: QEMU had written in all by then.
        self._rooms: collections.deque[tuple[float, float, int]] = (
            collections.deque(maxlen=_MOVES))
        #: Input moves: when each was, and how many bytes QEMU was given.
        self._gave: collections.deque[tuple[float, int]] = (
            collections.deque(maxlen=_MOVES))

    def made_room(self, began_at: float, ended_at: float, written: int
                  ) -> None:
        """Output was moved while QEMU may have been waiting for room.

        :param written: how many bytes QEMU had written in all by then.
        """
        self._rooms.append((began_at, ended_at, written))

    def gave(self, at: float, count: int) -> None:
        """QEMU was given bytes of input."""
        self._gave.append((at, count))

    def counted_output(self, waiting: int, moved: int,
                       saving_at: float | None) -> int:
        """-> how many bytes of the output that is here the destination's QEMU
        will not write again.

        :param waiting: how many are here.
        :param moved: how many were before them.
        :param saving_at: when QEMU said that it saves; None: it did not.
        """
        after = (saving_at or math.inf) + MARGIN_S
        for began_at, _, written in self._rooms:
            if began_at > after:
                # What was written into this room came after the state was
                # saved: the destination's QEMU will write it again.
                return max(0, min(waiting, written - moved))
        return waiting

    def counts(self, unread: int, stopped_at: float,
               saving_at: float | None, before: int | None) -> Counts:
        """-> what is, and what may be, in QEMU's saved state.

        :param unread: how many QEMU has not read now.
        :param stopped_at: when QEMU said that its guest stands still. What
            was moved before has met a main loop that still had to take the
            command to go on.
        :param saving_at: when QEMU said that it saves; None: it did not.
        :param before: ``unread_in_state`` of the last counts of this stop;
            None: these are the first.
        """
        unsure_in = unsure_out = 0
        waiting = unread
        if saving_at is not None:
            # QEMU cannot have read before what it got after it had saved.
            unread = max(unread, self._given_since(saving_at + MARGIN_S))
            if before is None:
                since = max(stopped_at, saving_at - MARGIN_S)
                unsure_in = max(0, self._given_since(since) - unread)
                if self._is_unsure_of_output(since, saving_at):
                    unsure_out = _HELD_BY_UART
        if before is not None:
            unsure_in = max(0, before - unread)
        return Counts(unread, unsure_in, unsure_out, unread - waiting)

    def _given_since(self, when: float) -> int:
        return sum(count for at, count in self._gave if at > when)

    def _is_unsure_of_output(self, since: float, at: float) -> bool:
        """Whether QEMU got room while it may or may not have saved.

        :param since: since when its main loop need not turn any more.
        :param at: when it said that it saves.
        """
        return any(ended_at > since and began_at <= at + MARGIN_S
                   for began_at, ended_at, _ in self._rooms)
