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

import collections
import logging
import time

from nova_dmore.channel import errors
from nova_dmore.shadow import client
from nova_dmore.shadow.devices import unix_stream
from nova_dmore.shadow import ledger as ledger_module
from nova_dmore import wire

LOG = logging.getLogger(__name__)

Fate = unix_stream.Fate
Sending = ledger_module.Sending

#: For so long at least QEMU saves its state, and reads nothing meanwhile, in
#: seconds.
_SAVING_S = 0.005
#: How many bytes are remembered that were taken last: more than a QEMU takes
#: in the time for which a worker may be late.
_TAKES = 4096


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
        #: (offset, when it was seen) of the bytes that were taken last.
        self._takes = collections.deque(maxlen=_TAKES)
        self._saved = False     # QEMU has saved its state since the stop
        self._carried = None    # ``taken`` when the freeze was over
        self._inherited = -1    # offset that another worker had sent
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
        if (self._machine.role is client.Role.SOURCE and self.pending and
                self._inherited == self.taken and
                connection.fate() is Fate.TAKEN):
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

    def stop(self, connection):
        """The instance stopped, for a migration."""
        self._saved, self._carried = False, None
        self._check_inherited(connection)
        self.settle(connection)

    def is_settling(self, connection):
        """Whether a byte is unread, and QEMU may still read it."""
        return not self._saved and not self.settle(connection)

    def saved(self, connection, at):
        """QEMU saves its state since a time; see base.ShadowDevice.

        A byte that is unread now is not in that state. One that was read is,
        if this was seen before QEMU can have read on.
        """
        if self._saved:
            return
        carried = self._carried
        self.settle(connection)
        self._saved = True
        if carried is not None and self.taken > carried:
            self._ambiguous('QEMU read this byte when it had been stopped '
                            'for long; it is sent again', carried)
        late = [offset for offset, seen in self._takes
                if seen > at + _SAVING_S and offset != carried]
        if late:
            self._ambiguous(
                'QEMU may have read these bytes after it had saved its '
                'state', late[0], len(late))

    def settled_after_stop(self, connection):
        """The freeze is over: what is taken now is carried over."""
        if not self._saved:
            self.settle(connection)
        self._carried = self.taken

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
        self._takes.append((self.taken, time.monotonic()))
        self._next += 1
        try:
            self._host_end.take(self._stream, 1)
        except errors.NoRoomError:
            # Sent by an earlier worker: it is not in this one's copy.
            self._journal.set_position(self._stream, self.taken + 1)
            self.opened()
        if self.limit is not None and self.taken >= self.limit:
            self._limit_reached()

    def _ambiguous(self, reason, at=None, count=1):
        at = self.taken if at is None else at
        LOG.warning('Input at %d is ambiguous: %s', at, reason)
        self._report_gap(self._stream, wire.GapKind.AMBIGUOUS, reason,
                         at, count)
