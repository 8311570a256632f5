# SPDX-License-Identifier: Apache-2.0
"""Whether QEMU's display is to be read, and may be shown."""

from nova_dmore.channel import display as display_module
from nova_dmore.channel.host import end as host_end_module
from nova_dmore import wire
from nova_dmore.worker.devices import base

#: How long QEMU's display is read after the last viewer left, seconds.
LINGER_S = 1.5


class Wanted:
    """Tells whether one display is wanted. Times are seconds of a monotonic
    clock."""

    def __init__(self, context: base.DeviceContext,
                 display: display_module.HostDisplay) -> None:
        self._machine = context.machine
        self._host_end = context.host_end
        self._display = display
        # When there was a viewer last.
        self._viewed_at: float | None = None

    def see_viewers(self, now: float) -> None:
        """Note whether Domain R's display has viewers."""
        if self._display.viewers and (
                self.is_open() or not self._machine.output_flows):
            self._viewed_at = now

    def is_wanted(self, now: float) -> bool:
        """Whether there is to be a connection to QEMU's display."""
        machine = self._machine
        if machine.state is wire.PairState.INCOMING:
            return True     # to be quick when both VMs run
        return (machine.output_flows and self._viewed_at is not None
                and now - self._viewed_at <= LINGER_S)

    def listens(self) -> bool:
        """Whether QEMU's messages may be read; it sends no picture unless it
        is asked for one."""
        return (self.flows()
                or self._machine.state is wire.PairState.INCOMING)

    def flows(self) -> bool:
        """Whether the region may show what the instance's display shows."""
        machine = self._machine
        return (machine.output_flows and machine.region_writable
                and self._host_end.state in (
                    host_end_module.HostState.OPENING,
                    host_end_module.HostState.OPEN)
                and (machine.state is not wire.PairState.INCOMING
                     or machine.instance_running))

    def is_open(self) -> bool:
        """Whether Domain R can be told of the picture."""
        return self._host_end.state is host_end_module.HostState.OPEN
