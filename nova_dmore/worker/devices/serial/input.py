# SPDX-License-Identifier: Apache-2.0
"""Input of a serial port: written to the keeper's pipe, counted when read.

The pipes tell exactly how much the instance's QEMU has not read, and keep it
when a worker is killed; the keeper tells a new one how much was written in
all. So a byte is taken when it lies in no pipe any more, and what lies there
when the instance leaves is sent again to its next QEMU. What was typed before
a boot is not for what runs after it (:mod:`.fence`).
"""

import logging
import os

from nova_dmore.link import messages
from nova_dmore.posix import pipes
from nova_dmore import wire
from nova_dmore.worker.devices import base
from nova_dmore.worker.devices.serial import fence as fence_module

LOG = logging.getLogger(__name__)

#: When to poll whether QEMU has read the input: first so soon after it was
#: written, then less and less often, up to the second value. In seconds.
_FIRST_POLL_S = 0.01
_LAST_POLL_S = 0.5


class SerialInput:
    """Sends the stream SERIAL0_IN."""

    def __init__(self, context: base.DeviceContext,
                 stream: wire.Stream = wire.Stream.SERIAL0_IN) -> None:
        self._host_end = context.host_end
        self._journal = context.journal
        self._report_gap = context.report_gap
        self._limit_reached = context.input_limit_reached
        self._stream = stream
        self._pipe = context.serial.input
        #: Where input lies that has left the pipe; :func:`pipes.unread`.
        self.unread_in = context.serial.unread
        self._written = context.serial.written      # in all
        self._poll_s = _FIRST_POLL_S
        #: The count at the stop is final.
        self.is_final = False
        #: Offset and number of bytes that count as taken, and that QEMU has
        #: read too late for its saved state.
        self._read_late = 0, 0
        #: Offset before which input must stop for a break, or None.
        self.limit: int | None = None
        self._dropped = context.input_dropped
        self._note = context.note
        self.fence = fence_module.Fence(context.kept.get('serial'))
        self._host_end.watch_under_way(stream, lambda: self._under_way)

    @property
    def taken(self) -> int:
        """Offset up to which the device has read the input."""
        return self._journal.position(self._stream)

    @property
    def written(self) -> int:
        """How many bytes workers have written in all."""
        return self._written

    @property
    def sent(self) -> int:
        """Offset up to which Domain R has sent what is here."""
        return self.taken + len(self._host_end.readable(self._stream))

    @property
    def _under_way(self) -> int:
        """How many bytes were written, and are not known to be read."""
        return self._written - self._journal.moved(self._stream)

    def poll_after(self) -> float:
        """-> seconds after which to poll whether input was read; 0: there is
        nothing to poll for."""
        return self._poll_s if self._under_way and not self.is_final else 0

    def pump(self) -> None:
        """Send what there is, and there is room for."""
        self.count_read()
        self.drop_old()
        if self.fence.is_up:
            return
        under_way = self._under_way
        data = self._host_end.readable(self._stream)[under_way:]
        if self.limit is not None:
            data = data[:max(0, self.limit - self.taken - under_way)]
        if not data:
            return
        try:
            self._written += os.write(self._pipe, data)
        except BlockingIOError:
            return
        self._poll_s = _FIRST_POLL_S

    def discard(self) -> None:
        """Throw away what was typed for an instance that is off."""
        if self._under_way or not self._host_end.readable(self._stream):
            return
        at, count = self.taken, self._host_end.discard(self._stream)
        LOG.info('%d bytes of input were thrown away: the instance is off',
                 count)
        self._dropped(at, count)
        if self.limit is not None:
            self._limit_reached()

    def begin_boot(self) -> None:
        """What was typed until now is not for what runs from now on.

        The keeper moves nothing until it hears that this was called, and then
        throws away what lies in its pipe now.
        """
        self.fence.begin(pipes.unread(self._pipe))
        self._note()

    def drop_old(self) -> None:
        """Throw away what was typed before a boot, as far as that is known.

        What lies in QEMU's FIFO cannot be taken from it, and comes first.
        """
        fence = self.fence
        if fence.before is None or self._under_way:
            return
        left = fence.before - self.taken
        if left > 0:
            fence.dropped += self._host_end.discard(self._stream, left)
            if self.limit is not None:
                self._limit_reached()
        if self.taken < fence.before:
            return
        self._drop_ended()
        self._note()

    def frozen(self) -> None:
        """Report what QEMU has read too late for its state, and drop what is
        not for the next QEMU.

        That is what was typed before a boot, which the next one would be sent
        again: also what the last one has not read. If Domain R has not said
        what that is, it is all that is here.
        """
        self._ambiguous(*self._read_late)
        if not self.fence.is_up:
            return
        told = self.fence.before
        before = (self._host_end.copied(self._stream) if told is None
                  else told)
        if not self.taken < before <= wire.JUMP_MAX:
            return
        left = before - self.taken
        self._host_end.discard_before(self._stream, before)
        self._drop_ended(left)
        if told is None:
            # Domain R may have more, for this host after a rollback.
            self.fence.stay_up()

    def _drop_ended(self, left: int = 0) -> None:
        if count := self.fence.end() + left:
            LOG.info('%d bytes of input were thrown away: they were typed '
                     'before the instance booted anew', count)
            self._dropped(self.taken - count, count)

    def count_read(self) -> None:
        """Count what QEMU has read since the last time as taken."""
        # In this order: bytes that move on meanwhile are counted twice, and
        # so are not taken for read too early.
        self._count_read(pipes.unread(self._pipe)
                         + pipes.unread(self.unread_in))

    def _count_read(self, unread: int) -> None:
        # There may be bytes that an earlier keeper wrote, which QEMU reads
        # first.
        read = self._under_way - min(unread, self._under_way)
        if not read:
            self._poll_s = min(2 * self._poll_s, _LAST_POLL_S)
            return
        self._poll_s = _FIRST_POLL_S
        self._host_end.take(self._stream, read)
        if self.limit is not None and self.taken >= self.limit:
            self._limit_reached()

    def stop(self) -> None:
        """The instance stopped, to leave: the keeper counts now."""
        self.is_final = False
        self._read_late = 0, 0

    def counted(self, message: messages.Message) -> None:
        """See :attr:`messages.ToWorker.COUNT`."""
        # Bytes that are still in our pipe now were also unread at the keeper's
        # count. The pipe may have shrunk since: after a rollback the keeper
        # moves input again before this process has been told.
        left = pipes.unread(self._pipe)
        # QEMU may have read some bytes after it had saved its state, and this
        # process may have counted them as taken before it heard of the stop:
        # then QEMU had read them when the keeper counted, or read them later.
        # Of what the keeper found unread, bytes of an earlier keeper come
        # first: if there are any, QEMU has read none of this one's. Reported
        # when the carry-over is made: this process may be so late that QEMU
        # has gone on after a rollback, and then nothing is lost.
        unread = min(message['unread'], self._written - left)
        lost = left + unread - self._under_way
        if not message['final']:
            lost = min(message.get('read_late', 0), lost)
        self._count_read(left + max(message['unread'],
                                    pipes.unread(self.unread_in)))
        self.is_final = message['final']
        unsure = message['unsure_in']
        self._ambiguous(max(0, self.taken - unsure), unsure)
        if lost > self._read_late[1]:
            self._read_late = max(0, self.taken - lost), lost

    def _ambiguous(self, at: int, count: int) -> None:
        """Bytes that count as taken need not be in QEMU's state."""
        if count:
            reason = 'QEMU got these bytes while it saved its state'
            LOG.warning('Input at %d is ambiguous: %s', at, reason)
            self._report_gap(self._stream, wire.GapKind.AMBIGUOUS, reason, at,
                             count)

    def thaw(self) -> None:
        """The migration was rolled back: what QEMU has read it has."""
        self.is_final = False
        self._read_late = 0, 0
