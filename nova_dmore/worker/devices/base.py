# SPDX-License-Identifier: Apache-2.0
"""What the worker and a shadow device ask of each other."""

import abc
import dataclasses
from collections.abc import Callable
from typing import Any


@dataclasses.dataclass(frozen=True)
class SerialPipes:
    """The worker's part of the instance's serial line.

    :ivar input: descriptor of the pipe to write to.
    :ivar output: descriptor of the pipe to read from.
    :ivar unread: a descriptor that tells how much input QEMU has not read
        (:func:`nova_dmore.posix.pipes.unread`).
    :ivar written: bytes that workers have written in all.
    :ivar read: bytes that workers have read in all.
    """

    input: int
    output: int
    unread: int
    written: int
    read: int


@dataclasses.dataclass
class DeviceContext:
    """What a device may use; the worker fills it in.

    :ivar loop: the asyncio loop; everything runs in its one thread.
    :ivar region: :class:`nova_dmore.channel.region.Region`.
    :ivar ring: called with a :class:`wire.Vector`: wakes Domain R.
    :ivar host_end: :class:`nova_dmore.channel.host.end.HostEnd`.
    :ivar journal: the host end's journal, to look into.
    :ivar serial: :class:`SerialPipes`.
    :ivar machine: :class:`nova_dmore.worker.state_machine.PairMachine`, to ask
        whether input and output flow.
    :ivar report_gap: called with (stream, kind, reason, at, count).
    :ivar commands: :class:`nova_dmore.worker.keeper_commands.Commands`.
    :ivar last_input: the keeper's memory of the last event of input, see
        :attr:`nova_dmore.link.messages.ToWorker.START`.
    :ivar input_taken: functions to be called when QEMU has taken an event.
    :ivar input_limit_reached: called when all input before a break is taken.
    :ivar settled: called when ``is_settling`` or ``is_saved`` may have
        changed while the instance stands still to leave.
    :ivar config: the CONFIG message in force, empty before the first.
    """

    loop: Any
    region: Any
    ring: Callable[[Any], None]
    host_end: Any
    journal: Any
    serial: SerialPipes
    machine: Any
    report_gap: Callable[..., None]
    commands: Any
    last_input: dict | None
    input_limit_reached: Callable[[], None]
    settled: Callable[[], None]
    config: dict
    input_taken: list[Callable[[], None]] = dataclasses.field(
        default_factory=list)


class ShadowDevice(abc.ABC):
    """One console device of the instance.

    :cvar streams: those that it serves, of which nobody knows what passed
        should it fail.
    """

    streams = ()

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
        seconds)."""

    def counted(self, message):
        """The keeper has counted what passed the serial port at the stop; see
        :attr:`messages.ToWorker.COUNT`."""

    def is_settling(self):
        """Whether input that QEMU has, or output that it gave, is not known
        yet, which may be any moment."""
        return False

    def is_saved(self):
        """Whether QEMU has saved its state, and what it has and gave is known
        for good."""
        return True

    def settle(self):
        """The freeze is over, and all is carried over that is known."""

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
