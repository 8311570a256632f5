# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""Input of a serial port: one byte on its way at a time.

A byte counts as taken when QEMU has read it from the socket: it is then in
the UART's FIFO, which a migration carries. When a migration may be near, that
is believed a moment later: a QEMU that has saved its state reads on, what it
reads then is lost, and a loaded host may hear of it late.
"""

import collections
import dataclasses
import logging
import math
import time

from nova_dmore.channel import errors
from nova_dmore.shadow import client
from nova_dmore.shadow.devices import base
from nova_dmore.shadow.devices import unix_stream
from nova_dmore.shadow import ledger as ledger_module
from nova_dmore import wire

LOG = logging.getLogger(__name__)

Fate = unix_stream.Fate
Sending = ledger_module.Sending

#: For so long at least QEMU saves its state, in seconds.
_SAVING_S = 0.005
#: What is sent so long after QEMU says that it saves is not read before it
#: has, in seconds: with a margin for its clock.
_NOT_READ_S = base.STANDS_STILL_S + 0.001
#: On a loaded host it may come to that so much later: seen once.
_UNSURE_S = 0.1
#: For so long a byte that was read is not believed to be taken when a
#: migration may be near, in seconds: longer than a worker is ever late.
_BELIEVE_S = 0.3
#: The most of them after which a new worker finds its predecessor's.
_HELD_MAX = 1 << 14


@dataclasses.dataclass(frozen=True)
class _Byte:
    """One that QEMU has read: times of CLOCK_MONOTONIC in seconds."""

    sent_at: float
    seen_at: float


class SerialInput:
    """Sends the stream SERIAL0_IN.

    :param context: a :class:`base.DeviceContext`.
    """

    def __init__(self, context, stream=wire.Stream.SERIAL0_IN):
        self._host_end = context.host_end
        self._journal = context.journal
        self._ledger = context.ledger
        self._machine = context.machine
        self._report_gap = context.report_gap
        self._limit_reached = context.input_limit_reached
        self._stream = stream
        self._ready = b''       # a copy of what is readable
        self._next = 0          # index into it
        #: Read by QEMU, and not believed yet; they follow what is.
        self._held = collections.deque()
        #: How many of the last of them were read when the state was saved.
        self._gone = 0
        self._sent_at = 0.0
        self._saved = False     # QEMU has saved its state since the stop
        self._carried = None    # ``taken`` when the freeze was over
        self._inherited = -1    # offset that another worker had sent
        #: Offset before which input must stop for a break, or None.
        self.limit = None

    @property
    def taken(self):
        """Offset up to which the device has read the input."""
        return self._journal.position(self._stream) + len(self._held)

    @property
    def pending(self):
        """Whether a byte is on its way."""
        return (self._ledger.sending is Sending.AFTER and
                self._ledger.in_offset == self.taken)

    @property
    def _near(self):
        """Whether a migration may end any time."""
        return self._machine.role is client.Role.SOURCE

    @property
    def waits(self):
        """Whether something is to be looked at again without being woken."""
        return self.pending or bool(self._held)

    def opened(self):
        """A new epoch: what was copied before may be stale."""
        self._ready, self._next = b'', 0

    def recover(self, connection):
        """Find out what a killed worker was doing with a connection."""
        ledger = self._ledger
        if 0 < ledger.in_offset - self.taken < _HELD_MAX:
            # It had not believed these yet.
            self._journal.set_position(self._stream, ledger.in_offset)
        if ledger.in_offset != self.taken:
            ledger.set_sending(Sending.IDLE, self.taken)
        if ledger.sending is Sending.AFTER:
            self._inherited = ledger.in_offset
            self._check_inherited(connection)
        if ledger.sending is not Sending.BEFORE:
            return
        fate = connection.fate()
        if fate is Fate.TAKEN:
            # It was sent and read, or it was never sent.
            self._ambiguous('the process ended while it sent this byte')
        if fate is Fate.RETURNED:
            ledger.set_sending(Sending.IDLE, self.taken)
        else:
            ledger.set_sending(Sending.AFTER, self.taken)

    def _check_inherited(self, connection):
        # This process may have missed that QEMU saved its state.
        if (self._near and self.pending and
                self._inherited == self.taken and
                connection.fate() is Fate.TAKEN):
            self._inherited = -1
            self._ambiguous('the process that had sent this byte ended '
                            'before it was read')

    def settle(self, connection):
        """See whether the byte on its way arrived -> whether none is."""
        if not self.pending:
            return True
        fate = connection.fate()
        if fate is Fate.UNREAD:
            return False
        if fate is Fate.TAKEN:
            self._take()
        self._ledger.set_sending(Sending.IDLE, self.taken)
        return True

    def pump(self, connection):
        """Send what there is, until a byte stays on its way."""
        self._believe(time.monotonic() - _BELIEVE_S if self._near
                      else math.inf)
        while self.settle(connection):
            offset = self.taken
            if self.limit is not None and offset >= self.limit:
                return
            byte = self._peek()
            if not byte:
                return
            self._ledger.set_sending(Sending.BEFORE, offset)
            self._sent_at = time.monotonic()
            if not connection.send_byte(byte):
                self._ledger.set_sending(Sending.IDLE, offset)
                return
            self._ledger.set_sending(Sending.AFTER, offset)

    def stop(self, connection, at):
        """The instance stopped, for a migration: what was read before is in
        its state."""
        self._saved, self._carried, self._gone = False, None, 0
        self._check_inherited(connection)
        self.settle(connection)
        self._believe(at)

    def is_settling(self, connection):
        """Whether a byte is unread, and QEMU may still read it, or some were
        read that may not be in its state."""
        return not self._saved and (
            not self.settle(connection) or bool(self._held))

    def saved(self, connection, at):
        """QEMU saves its state since a time; see base.ShadowDevice.

        A byte that is unread now is not in that state. One that was read is,
        if this was seen before QEMU can have read on, and is not if it was
        sent later: QEMU reads nothing while it saves.
        """
        if self._saved:
            return
        carried = self._carried
        self.settle(connection)
        self._saved = True
        if carried is not None:
            if self.taken > carried:
                self._ambiguous('QEMU read this byte when it had been '
                                'stopped for long; it is sent again', carried)
            return
        self._gone = sum(byte.sent_at > at + _NOT_READ_S
                         for byte in self._held)
        unsure = sum(at + _NOT_READ_S < byte.sent_at <= at + _UNSURE_S
                     for byte in self._held)
        if unsure:
            self._ambiguous('QEMU was about to save its state when these '
                            'bytes came; they are sent again',
                            self.taken - self._gone, unsure)
        in_it = len(self._held) - self._gone
        if in_it and self._held[in_it - 1].seen_at > at + _SAVING_S:
            self._ambiguous('QEMU may have read this byte after it had saved '
                            'its state', self.taken - self._gone - 1)
        # Domain R hears of it with the freeze: it may have to go without what
        # is carried over.
        self._believe(math.inf)

    def settled_after_stop(self, connection):
        """The freeze is over: what is taken now is carried over."""
        if not self._saved:
            self.settle(connection)
        self._believe(math.inf)
        self._carried = self.taken - self._gone

    def thaw(self):
        """The migration was rolled back: what QEMU has read it has."""
        self._gone = 0
        self._believe(math.inf)

    def retire(self, connection):
        """The connection is given up; the byte on its way may not be."""
        if self.settle(connection):
            return
        if not connection.hung_up():
            self._ambiguous('the device was replaced while this byte was '
                            'on its way; it is sent again')
        self._ledger.set_sending(Sending.IDLE, self.taken)

    def _peek(self):
        if self._next >= len(self._ready):
            self._ready = self._host_end.readable(self._stream)
            self._next = len(self._held)
        return self._ready[self._next:self._next + 1]

    def _take(self):
        self._held.append(_Byte(self._sent_at, time.monotonic()))
        self._next += 1
        if not self._near:
            self._believe(math.inf)
        if self.limit is not None and self.taken >= self.limit:
            self._limit_reached()

    def _believe(self, until):
        """Bytes that were seen to be read until a time are taken."""
        while (len(self._held) > self._gone and
               self._held[0].seen_at <= until):
            self._held.popleft()
            try:
                self._host_end.take(self._stream, 1)
            except errors.NoRoomError:
                # Sent by an earlier worker: it is not in this one's copy.
                self._journal.set_position(
                    self._stream, self._journal.position(self._stream) + 1)
                self.opened()

    def _ambiguous(self, reason, at=None, count=1):
        at = self.taken if at is None else at
        LOG.warning('Input at %d is ambiguous: %s', at, reason)
        self._report_gap(self._stream, wire.GapKind.AMBIGUOUS, reason,
                         at, count)
