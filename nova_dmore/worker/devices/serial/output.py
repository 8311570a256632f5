# SPDX-License-Identifier: Apache-2.0
"""Output of a serial port: read from the keeper's pipe into the journal.

The keeper's pipe keeps what a killed worker has not read, and the journal what
it has: a new one learns from the keeper how much was read in all, and goes on
there. At the stop the keeper lets through what counts, and says how much.
"""

import logging
import math
import time

from nova_dmore.channel import carry_over
from nova_dmore.channel.host import end as host_end
from nova_dmore.channel import patience
from nova_dmore.link import messages
from nova_dmore.posix import pipes
from nova_dmore import wire
from nova_dmore.worker.devices import base
from nova_dmore.worker.devices.serial import window as window_module

LOG = logging.getLogger(__name__)

State = wire.PairState

#: How much longer than a client Domain R may hold the guest up. It deals with
#: slow clients itself, and after a migration it may have to wait for its
#: network and for a processor.
_STALL_GRACE_S = 10.0

_READ_MAX = 1 << 16

#: How much is kept for a Domain R that takes nothing: what a migration can
#: carry over, less what is read at once.
_KEPT = carry_over.CARRY_OVER_DATA_MAX - _READ_MAX

#: A Domain R that has yet to acknowledge the epoch is given some time for it:
#: where there is no room, so much of what is kept is forgotten at once (1/n).
_FORGOTTEN_PART = 4

#: Least time between two gaps, in seconds: if Domain R takes some output only
#: now and then, what comes between is dropped.
_GAP_INTERVAL_S = 1.0


class SerialOutput:
    """Reads the stream SERIAL0_OUT."""

    def __init__(self, context: base.DeviceContext,
                 stream: wire.Stream = wire.Stream.SERIAL0_OUT) -> None:
        self._context = context
        self._host_end = context.host_end
        self._journal = context.journal
        self._machine = context.machine
        self._stream = stream
        self._pipe = context.serial.output
        self._window = window_module.Window()
        self._patience = patience.Patience()
        self._gap_at = -math.inf    # when the last one was reported
        self._forgotten = 0
        self._ever_opened = False
        self._deadline: float | None = None
        # The keeper's count at the stop.
        self._expected: int | None = None
        # The last worker may have been killed right after it had read.
        self._host_end.recover(stream, context.serial.read - self._read)

    @property
    def _read(self) -> int:
        """How many bytes were read from the pipe in all."""
        return (self._journal.moved(self._stream)
                + self._journal.dropped(self._stream))

    @property
    def has_all(self) -> bool:
        """Whether all is here that the instance said before it left."""
        return self._expected is not None and self._read >= self._expected

    def held_for(self) -> float:
        """-> seconds for which the guest is still held up; 0: it is not."""
        if self._deadline is None:
            return 0
        return max(0, self._deadline - time.monotonic())

    def opened(self) -> None:
        """Domain R is there (again): report what it cannot have."""
        self._window.restart()
        self._patience.restart()
        forgotten, self._forgotten = self._forgotten, 0
        if forgotten and (self._ever_opened or
                          self._machine.state is State.INCOMING):
            self._report(forgotten, 'no room while Domain R was away')
        self._ever_opened = True

    def pump(self) -> None:
        """Read and produce what there is.

        The guest waits for Domain R as long as a client may hold it up; then
        all is kept that there is room for, and then output is dropped.
        """
        self._waits(False)
        while queued := min(pipes.unread(self._pipe), _READ_MAX):
            if not self._may_report():
                self._drop(queued)
            elif room := self._room(queued):
                self._report_dropped()
                self._host_end.produce_from(
                    self._stream, self._pipe, min(queued, room))
                self._window.produced(self._position(), time.monotonic())
            elif self._stalled():
                # The guest is held up no longer: what follows does not count.
                self._waits(False)
                self._window.give_up(_KEPT)
                if not self._room(1):
                    self._drop(queued)
            else:
                return
        self._deadline = None

    def stop(self) -> None:
        """The instance stopped, to leave: the keeper counts now."""
        self._expected = None

    def counted(self, message: messages.Message) -> None:
        """See :attr:`messages.ToWorker.COUNT`."""
        self._expected = message['output']
        self.pump()
        if message['unsure_out']:
            count = message['unsure_out']
            self._context.report_gap(
                self._stream, wire.GapKind.AMBIGUOUS,
                'QEMU got room for them while it saved its state: they may '
                'come a second time', self._position(), count)

    def frozen(self) -> None:
        """All is here: report what cannot be carried over."""
        self._report_dropped()
        left = (self._host_end.unstored(self._stream)
                - carry_over.CARRY_OVER_DATA_MAX)
        if left > 0:
            self._context.report_gap(
                self._stream, wire.GapKind.EXACT,
                'more output than is carried over',
                self._journal.base(self._stream), left)

    def thaw(self) -> None:
        """The migration was rolled back."""
        self._expected = None

    def _room(self, wanted: int) -> int:
        """How many bytes may be produced now."""
        machine = self._machine
        unstored = self._host_end.unstored(self._stream)
        room = self._journal_room()
        if machine.state in (State.FREEZING, State.FROZEN):
            return room     # only what counts comes
        if machine.domain_r_left:
            # It waits for its instance.
            return min(max(0, _KEPT - unstored), room)
        if machine.takes_output:
            self._window.stored(self._journal.base(self._stream),
                                time.monotonic())
            return min(max(0, self._window.size - unstored), room)
        if self._host_end.state in (host_end.HostState.OPEN,
                                    host_end.HostState.FROZEN):
            return room     # Domain R has stopped: the guest does not wait
        limit = self._limit()
        wanted = min(wanted, limit)
        excess = min(unstored, max(unstored + wanted - limit,
                                   wanted - room))
        if excess > 0:
            if machine.domain_r_running:
                # Each time it has another epoch to acknowledge: a guest that
                # prints without a pause is to leave it time for that.
                excess = min(unstored, excess + limit // _FORGOTTEN_PART)
            self._host_end.forget(self._stream, excess)
            self._forgotten += excess
        return min(wanted, self._journal_room())

    def _journal_room(self) -> int:
        """Room in the journal, less what is needed to drop bytes."""
        return max(0, self._journal.room(self._stream) - _READ_MAX)

    def _limit(self) -> int:
        """How many bytes are kept while no Domain R takes any.

        If there is one that has yet to acknowledge the epoch, as many as
        possible: when bytes are forgotten meanwhile, the epoch is raised anew.
        """
        limit = self._journal.limits[self._stream] - _READ_MAX
        machine = self._machine
        if not (machine.state is State.INCOMING
                or machine.domain_r_running):
            limit = min(limit, self._context.config.get(
                'scrollback_bytes', wire.SCROLLBACK_DEFAULT))
        return limit

    def _stalled(self) -> bool:
        """Whether Domain R has held the guest up for long enough, in all."""
        if not (self._machine.takes_output or self._machine.domain_r_left):
            return True     # nobody will make room
        stall_ms: int = self._context.config.get(
            'stall_ms', wire.STALL_MS_DEFAULT)
        left = stall_ms / 1000 + _STALL_GRACE_S - self._waits(True)
        self._deadline = time.monotonic() + left
        return left <= 0

    def _waits(self, holds: bool) -> float:
        """-> seconds for which the guest was held up, and perhaps still is.
        """
        return self._patience.update(
            time.monotonic(), self._journal.base(self._stream), holds)

    def _may_report(self) -> bool:
        """Whether what was dropped, if anything was, may be reported now: at
        the place of the next byte that is kept."""
        return (not self._journal.unreported(self._stream) or
                self._machine.state in (State.FREEZING, State.FROZEN) or
                time.monotonic() >= self._gap_at + _GAP_INTERVAL_S)

    def _drop(self, count: int) -> None:
        self._host_end.drop_from(self._stream, self._pipe, count)

    def _report_dropped(self) -> None:
        dropped = self._journal.unreported(self._stream)
        if dropped:
            self._gap_at = time.monotonic()
            self._report(dropped, 'Domain R did not take them in time')
            self._journal.set_reported(self._stream)

    def _report(self, count: int, reason: str) -> None:
        LOG.warning('%d bytes of output are lost: %s', count, reason)
        self._context.report_gap(
            self._stream, wire.GapKind.EXACT, reason, self._position(),
            count)

    def _position(self) -> int:
        return self._journal.position(self._stream)
