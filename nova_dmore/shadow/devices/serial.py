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
"""The shadow device of the instance's first serial port."""

import logging
import select

from nova_dmore.shadow.devices import base
from nova_dmore.shadow.devices import serial_in
from nova_dmore.shadow.devices import serial_out
from nova_dmore.shadow.devices import unix_stream

LOG = logging.getLogger(__name__)

#: How often a byte on its way is looked after without being woken, seconds.
_LOOK_INTERVAL_S = 0.5


def create(context):
    """Entry point ``nova_dmore.devices``: -> the device."""
    return SerialDevice(context)


class SerialDevice(base.ShadowDevice):
    """Connections of QEMU's serial port, one after the other.

    The current connection is served until its end, or until another one has
    come: an instance that was started anew connects again.
    """

    def __init__(self, context):
        self.input = serial_in.SerialInput(context)
        self.output = serial_out.SerialOutput(context)
        self._context = context
        self._loop = context.loop
        self._machine = context.machine
        self._ledger = context.ledger
        self._current = None
        self._number = 0
        self._waiting = []
        self._reading = False
        self._timer = None
        # Edge-triggered: "can be written" is said again for each byte that
        # QEMU has read. asyncio's own selector is level-triggered.
        self._edges = select.epoll()
        self._loop.add_reader(self._edges.fileno(), self._on_edge)

    @property
    def attached(self):
        """Whether a QEMU is connected."""
        return self._current is not None

    def attach(self, sock, connection):
        """See :class:`base.ShadowDevice`."""
        stream = unix_stream.UnixStream(sock)
        if self._current is None:
            self._adopt(stream, connection)
        else:
            self._waiting.append((stream, connection))
        self.pump()

    def pump(self):
        """See :class:`base.ShadowDevice`."""
        if self._machine.output_flows:
            while self._waiting:
                self._retire()
                self._adopt(*self._waiting.pop(0))
            if self._current and not self.output.pump(self._current):
                self._retire()
        if self._current:
            if self._machine.input_flows:
                self.input.pump(self._current)
            elif self._machine.output_flows:
                self.input.settle(self._current)
        self._watch()

    def stop(self, at):
        """See :class:`base.ShadowDevice`."""
        if self._current is not None:
            self.input.stop(self._current, at)
            self.output.stop(self._current)
        self._watch()

    def is_settling(self):
        """See :class:`base.ShadowDevice`."""
        return (self._current is not None and
                (self.input.is_settling(self._current) or
                 self.output.is_settling()))

    def saved(self, at):
        """See :class:`base.ShadowDevice`."""
        if self._current is not None:
            self.input.saved(self._current, at)
            self.output.saved(self._current)

    def settle(self):
        """See :class:`base.ShadowDevice`."""
        if self._current is not None:
            self.input.settled_after_stop(self._current)
        self.output.settled_after_stop(self._current)

    def thaw(self):
        """See :class:`base.ShadowDevice`."""
        self.input.thaw()
        if self._current is not None:
            self.output.thaw(self._current)

    def opened(self):
        """See :class:`base.ShadowDevice`."""
        self.input.opened()
        self.output.opened()

    def _adopt(self, stream, number):
        self._current, self._number = stream, number
        if self._ledger.connection == number:
            self.input.recover(stream)
            self.output.recover(stream)
        else:
            self._ledger.set_connection(number)
        self._edges.register(
            stream.fileno(), select.EPOLLOUT | select.EPOLLET)
        LOG.info('Serial connection %d', number)

    def _retire(self):
        """End the current connection; nothing it took or gave is lost."""
        if self._current is None:
            return
        self.output.drain(self._current)
        self.input.retire(self._current)
        if self._reading:
            self._loop.remove_reader(self._current.fileno())
            self._reading = False
        self._edges.unregister(self._current.fileno())
        self._ledger.set_connection(0)
        self._current.close()
        LOG.info('Serial connection %d ended', self._number)
        self._context.close_connection(self._number)
        self._current = None

    def _watch(self):
        """Be woken for what is worth waking for."""
        held = self.output.held_for()
        wanted = (self._current is not None and
                  self._machine.output_flows and not held)
        if wanted != self._reading:
            if wanted:
                self._loop.add_reader(self._current.fileno(), self.pump)
            elif self._current is not None:
                self._loop.remove_reader(self._current.fileno())
            self._reading = wanted
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._current is None or not self._machine.output_flows:
            return
        if held or self.input.waits:
            self._timer = self._loop.call_later(
                min(held or _LOOK_INTERVAL_S, _LOOK_INTERVAL_S), self.pump)

    def _on_edge(self):
        self._edges.poll(0)
        if self._machine.output_flows:
            self.pump()
