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
"""What the worker and a shadow device ask of each other."""

import abc
import dataclasses
from collections.abc import Callable
from typing import Any

#: How long after QEMU has said that it saves its state its main loop stands
#: still, in seconds; the state takes more than twice as long.
STANDS_STILL_S = 0.002


@dataclasses.dataclass
class DeviceContext:
    """What a device may use; the worker fills it in.

    :ivar loop: the asyncio loop; everything runs in its one thread.
    :ivar region: :class:`nova_dmore.channel.region.Region`.
    :ivar ring: called with a :class:`wire.Vector`: wakes Domain R.
    :ivar host_end: :class:`nova_dmore.channel.host_end.HostEnd`.
    :ivar journal: the host end's journal, to look into.
    :ivar ledger: :class:`nova_dmore.shadow.ledger.Ledger` of the device.
    :ivar machine: :class:`nova_dmore.shadow.pair_state.PairMachine`, to ask
        whether input and output flow.
    :ivar report_gap: called with (stream, kind, reason, at, count).
    :ivar close_connection: called with a connection's number when the
        device is done with it and has closed it.
    :ivar commands: :class:`nova_dmore.shadow.commands.Commands`.
    :ivar last_input: the keeper's memory of the last event of input, see
        :attr:`nova_dmore.shadow.messages.ToWorker.START`.
    :ivar input_taken: functions to be called when QEMU has taken an event.
    :ivar input_limit_reached: called when all input before a break is taken.
    :ivar config: the CONFIG message in force, empty before the first.
    """

    loop: Any
    region: Any
    ring: Callable[[Any], None]
    host_end: Any
    journal: Any
    ledger: Any
    machine: Any
    report_gap: Callable[..., None]
    close_connection: Callable[[int], None]
    commands: Any
    last_input: dict | None
    input_limit_reached: Callable[[], None]
    config: dict
    input_taken: list[Callable[[], None]] = dataclasses.field(
        default_factory=list)


class ShadowDevice(abc.ABC):
    """One console device of the instance."""

    #: Whether the device's part of QEMU is connected.
    attached = False

    @abc.abstractmethod
    def pump(self):
        """Do all that can be done now; called whenever anything changed
        while output flows."""

    def look(self):
        """The region may have changed, or the machine; called often."""

    def armed(self):
        """A migration of the instance begins here."""

    def stop(self, at):
        """The instance stopped for a migration, at a time (CLOCK_MONOTONIC
        seconds).

        Settle the input, and produce all output there is, without reading
        it from QEMU.
        """

    def is_settling(self):
        """Whether QEMU may still take input, or give output, that it had
        not when it stopped; then ``saved`` is worth waiting for."""
        return False

    def saved(self, at):
        """QEMU saves its state since a time (CLOCK_MONOTONIC seconds).

        It reads nothing before that is done, and what it reads later is
        lost. It comes after ``stop``, before or after ``settle``.
        """

    def settle(self):
        """The freeze is over: the input's fate must not have changed."""

    def carry_over(self):
        """-> fields of :class:`carry_over.CarryOver` that are this device's;
        called after ``settle``."""
        return {}

    def arrived(self, carried):
        """Both VMs have arrived by migration; the epoch is raised next.

        :param carried: the :class:`carry_over.CarryOver`, or None, and it
            may be handed in later.
        """

    def thaw(self):
        """The migration was rolled back: go on where ``stop`` stopped."""

    def opened(self):
        """Domain R joined an epoch."""

    def domain_r_lost(self):
        """Domain R ended, and nobody in it says any more what is over."""

    def status(self):
        """-> a JSON object for STATUS, or None."""
        return None
