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
the UART's FIFO, which a migration carries.
"""

import logging

from nova_dmore.channel import errors
from nova_dmore.shadow.devices import unix_stream
from nova_dmore.shadow import ledger as ledger_module
from nova_dmore import wire

LOG = logging.getLogger(__name__)

Fate = unix_stream.Fate
Sending = ledger_module.Sending

#: Input of a QEMU that stopped longer ago than this may have been read
#: after its device state was saved, in seconds.
_CERTAIN_LAG_S = 0.005


class SerialInput:
    """Sends the stream SERIAL0_IN.

    :param context: a :class:`base.DeviceContext`.
    """

    def __init__(self, context, stream=wire.Stream.SERIAL0_IN):
        self._host_end = context.host_end
        self._journal = context.journal
        self._ledger = context.ledger
        self._report_gap = context.report_gap
        self._limit_reached = context.input_limit_reached
        self._stream = stream
        self._ready = b''       # a copy of what is readable
        self._next = 0          # index into it
        self._reported = -1     # offset that was ambiguous at the stop
        #: Offset before which input must stop for a break, or None.
        self.limit = None

    @property
    def taken(self):
        """Offset up to which the device has the input."""
        return self._journal.position(self._stream)

    @property
    def pending(self):
        """Whether a byte is on its way."""
        return (self._ledger.sending is Sending.AFTER and
                self._ledger.in_offset == self.taken)

    def opened(self):
        """A new epoch: what was copied before may be stale."""
        self._ready, self._next = b'', 0

    def recover(self, connection):
        """Find out what a killed worker was doing with a connection."""
        ledger = self._ledger
        if ledger.in_offset != self.taken:
            ledger.set_sending(Sending.IDLE, self.taken)
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
        while self.settle(connection):
            offset = self.taken
            if self.limit is not None and offset >= self.limit:
                return
            byte = self._peek()
            if not byte:
                return
            self._ledger.set_sending(Sending.BEFORE, offset)
            if not connection.send_byte(byte):
                self._ledger.set_sending(Sending.IDLE, offset)
                return
            self._ledger.set_sending(Sending.AFTER, offset)

    def stop(self, connection, gated, lag):
        """The instance stopped ``lag`` seconds ago, for a migration."""
        if not self.pending:
            return
        if not self.settle(connection):
            # It is not in the UART, unless QEMU reads it between now and
            # the moment it saves its state. With the gate closed it would
            # have done so before, if it had room.
            if not gated:
                self._ambiguous('QEMU had not read this byte when it '
                                'stopped; it is sent again')
        elif not gated and lag > _CERTAIN_LAG_S:
            self._ambiguous('QEMU may have read this byte after it had '
                            'saved its state', self.taken - 1)

    def settled_after_stop(self, connection):
        """The freeze is over; report a byte that was read meanwhile."""
        if (self.pending and self._reported != self.taken and
                connection.fate() is Fate.TAKEN):
            self._ambiguous('QEMU read this byte after it had stopped; it '
                            'is sent again')

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
            self._next = 0
        return self._ready[self._next:self._next + 1]

    def _take(self):
        self._next += 1
        try:
            self._host_end.take(self._stream, 1)
        except errors.NoRoomError:
            # Sent by an earlier worker: it is not in this one's copy.
            self._journal.set_position(self._stream, self.taken + 1)
            self.opened()
        if self.limit is not None and self.taken >= self.limit:
            self._limit_reached()

    def _ambiguous(self, reason, at=None):
        at = self.taken if at is None else at
        self._reported = at
        LOG.warning('Input at %d is ambiguous: %s', at, reason)
        self._report_gap(self._stream, wire.GapKind.AMBIGUOUS, reason,
                         at, 1)
