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
"""Output of a serial port: never lost by a killed worker, never doubled.

Bytes are produced from a copy while they are still queued in the socket, and
read from it afterwards; the ledger tells a new worker where that stood.
"""

import logging
import math
import time

from nova_dmore.channel import carry_over
from nova_dmore.channel import host_end
from nova_dmore.shadow.devices import window as window_module
from nova_dmore.shadow import ledger as ledger_module
from nova_dmore import wire

LOG = logging.getLogger(__name__)

Reading = ledger_module.Reading

#: Without it, unless CONFIG says otherwise: how much is kept, in bytes.
DEFAULT_SCROLLBACK = 1 << 18

#: How long a client may hold the guest up, unless CONFIG says otherwise.
DEFAULT_STALL_MS = 5000

#: How much longer Domain R has, which deals with slow clients itself.
_STALL_GRACE_S = 2.0

_READ_MAX = 1 << 16

#: With so many bytes in it the socket may have been full for QEMU, which then
#: waits for room: hundreds fit, for it sends each byte in a buffer of its own.
_CROWDED = 64

#: For how long after that a loaded host may take to let QEMU see the room.
_CROWDED_S = 2.0


class SerialOutput:
    """Reads the stream SERIAL0_OUT.

    :param context: a :class:`base.DeviceContext`.
    """

    def __init__(self, context, stream=wire.Stream.SERIAL0_OUT):
        self._context = context
        self._host_end = context.host_end
        self._journal = context.journal
        self._ledger = context.ledger
        self._stream = stream
        self._window = window_module.Window()
        self._held_base = -1        # what Domain R had stored when
        self._held_since = None     # the guest was held up first
        self._forgotten = 0
        self._ever_opened = False
        self._deadline = None
        self._crowded_at = -math.inf
        self._final = True          # nothing comes after what stop() found
        self._settled = True        # the freeze is over

    def held_for(self):
        """-> seconds for which the guest is still held up; 0: it is not."""
        if self._deadline is None:
            return 0
        return max(0, self._deadline - time.monotonic())

    def opened(self):
        """Domain R is there (again): report what it cannot have."""
        self._window.restart()
        forgotten, self._forgotten = self._forgotten, 0
        if forgotten and (self._ever_opened or self._context.machine.state
                          is wire.PairState.INCOMING):
            self._report(forgotten, 'no room while Domain R was away')
        self._ever_opened = True

    def recover(self, connection):
        """Find out what a killed worker was doing with a connection.

        To be called before the host end is opened, which may forget bytes.
        """
        self._crowded_at = time.monotonic()     # it may have been
        ledger = self._ledger
        count, start = ledger.out_count, ledger.out_offset
        if ledger.reading is Reading.KEPT:
            # What was not produced any more is not to be thrown away.
            ledger.out_count = max(0, min(count, self._position() - start))
            self._final = False
        if ledger.reading is not Reading.PRODUCED:
            return
        if self._journal.position(self._stream) == start:
            ledger.end_reading()    # not even produced
            return
        queued = connection.queued()
        if queued < ledger.out_queued:
            ledger.end_reading()    # read, too
            return
        # Nothing was read, or as much came after it was.
        known = self._journal.read(self._stream, start, start + count)
        if connection.peek(count) == known:
            connection.receive(count)
            self._context.report_gap(
                self._stream, wire.GapKind.AMBIGUOUS,
                'the process ended while it read these bytes; equal ones '
                'may have followed, and be missing', start, count)
        ledger.end_reading()

    def pump(self, connection):
        """Produce and read what there is -> False at the end of it.

        The guest waits for Domain R as long as a client may hold it up; then
        all is kept that there is room for, and then output is dropped.
        """
        while True:
            queued = connection.queued()
            if not queued:
                self._let_go()
                # Nothing there, or the end; only a read can tell.
                data = connection.peek(1)
                if data is None:
                    return True
                if not data:
                    return False
                continue
            if queued >= _CROWDED:
                self._crowded_at = time.monotonic()
            room = self._room(min(queued, _READ_MAX))
            if room:
                self._transfer(connection, min(queued, room, _READ_MAX),
                               queued)
            elif self._stalled():
                self._window.give_up()
                if self._room(1):
                    continue
                self._drop(connection, min(queued, _READ_MAX))
            else:
                return True

    def stop(self, connection):
        """Produce all that is queued and leave it queued.

        With room in the socket QEMU would push on what its UART still
        holds, which may be in the device state that was saved: it would
        be printed twice.
        """
        if self._ledger.reading is not Reading.KEPT:
            self._report_dropped()
            self._ledger.set_reading(Reading.KEPT, self._position(), 0, 0)
        self._settled = False
        self._final = time.monotonic() - self._crowded_at > _CROWDED_S
        self._keep(connection)

    def is_settling(self):
        """Whether QEMU may still be pushing on what its UART holds.

        It was waiting for room and has been given some, just before it
        stopped. What it pushes on before it saves its state is in that state
        no more.
        """
        return not self._final

    def saved(self, connection):
        """QEMU saves its state: what it says from now on is in it."""
        if not self._final:
            self._final = True
            if self._ledger.reading is Reading.KEPT:
                before = self._position()
                self._keep(connection)
                LOG.info('%d bytes of output came after the stop',
                         self._position() - before)

    def _keep(self, connection):
        """Produce what is queued since the last time; it stays queued."""
        ledger = self._ledger
        queued = connection.queued()
        kept = ledger.out_count
        if queued <= kept:
            return
        more = (connection.peek(queued) or b'')[kept:]
        count = 0 if self._settled else min(
            len(more), self._journal.room(self._stream))
        if count:
            ledger.out_count = kept + count
            self._host_end.produce(self._stream, more[:count])
        if len(more) > count:
            self._context.report_gap(
                self._stream, wire.GapKind.EXACT,
                'the instance had stopped, and they could not be carried '
                'over', self._position(), len(more) - count)

    def settled_after_stop(self, connection):
        """The freeze is over; report what cannot be carried over.

        :param connection: None if no QEMU is connected.
        """
        if not self._final and connection is not None:
            self._keep(connection)
        self._settled = True
        left = (self._host_end.unstored(self._stream)
                - carry_over.CARRY_OVER_DATA_MAX)
        if left > 0:
            self._context.report_gap(
                self._stream, wire.GapKind.EXACT,
                'more output than is carried over',
                self._journal.base(self._stream), left)

    def thaw(self, connection):
        """Read at last what :meth:`stop` left queued."""
        ledger = self._ledger
        if ledger.reading is not Reading.KEPT:
            return
        left = ledger.out_count
        while left:
            data = connection.receive(left)
            if not data:
                break
            left -= len(data)
        ledger.end_reading()

    def drain(self, connection):
        """Take all that a connection that is given up still holds."""
        self.thaw(connection)
        while count := min(connection.queued(), _READ_MAX):
            room = min(count, self._journal.room(self._stream))
            if room:
                self._transfer(connection, room, count)
            else:
                self._drop(connection, count)
        self._report_dropped()

    def _transfer(self, connection, count, queued):
        """Produce bytes, then read them."""
        self._let_go()
        data = connection.peek(count)
        self._report_dropped()
        self._ledger.set_reading(
            Reading.PRODUCED, self._position(), len(data), queued)
        self._host_end.produce(self._stream, data)
        self._window.produced(self._position(), time.monotonic())
        left = len(data)
        while left:
            left -= len(connection.receive(left))
        self._ledger.end_reading()

    def _room(self, wanted):
        """How many bytes may be produced now."""
        unstored = self._host_end.unstored(self._stream)
        room = self._journal.room(self._stream)
        if self._context.machine.takes_output:
            self._window.stored(self._journal.base(self._stream),
                                time.monotonic())
            return min(max(0, self._window.size - unstored), room)
        if self._host_end.state in (host_end.HostState.OPEN,
                                    host_end.HostState.FROZEN):
            return room     # it has stopped: it slows nobody down
        limit = self._limit()
        wanted = min(wanted, limit)
        excess = min(unstored, max(unstored + wanted - limit,
                                   wanted - room))
        if excess > 0:
            self._host_end.forget(self._stream, excess)
            self._forgotten += excess
        return min(wanted, self._journal.room(self._stream))

    def _limit(self):
        """How many bytes are kept while there is no Domain R, or one that has
        not come so far: it could not acknowledge an epoch of which some are
        forgotten meanwhile."""
        limit = self._journal.limits[self._stream]
        machine = self._context.machine
        if not (machine.state is wire.PairState.INCOMING
                or machine.domain_r_running):
            limit = min(limit, self._context.config.get(
                'scrollback_bytes', DEFAULT_SCROLLBACK))
        return limit

    def _stalled(self):
        """Whether Domain R has held the guest up for long enough."""
        if not self._context.machine.takes_output:
            return True     # nobody will make room
        now = time.monotonic()
        base = self._journal.base(self._stream)
        if self._held_since is None or base != self._held_base:
            self._held_base, self._held_since = base, now
        stall_s = self._context.config.get(
            'stall_ms', DEFAULT_STALL_MS) / 1000 + _STALL_GRACE_S
        self._deadline = self._held_since + stall_s
        return now >= self._deadline

    def _let_go(self):
        self._held_since = self._deadline = None

    def _drop(self, connection, count):
        data = connection.receive(count)
        self._ledger.dropped += len(data or b'')

    def _report_dropped(self):
        dropped = self._ledger.dropped
        if dropped:
            self._report(dropped, 'Domain R did not take them in time')
            self._ledger.dropped = 0

    def _report(self, count, reason):
        LOG.warning('%d bytes of output are lost: %s', count, reason)
        self._context.report_gap(
            self._stream, wire.GapKind.EXACT, reason, self._position(),
            count)

    def _position(self):
        return self._journal.position(self._stream)
