# SPDX-License-Identifier: Apache-2.0
"""What the worker and a shadow device ask of each other."""

import abc
import dataclasses
from collections.abc import Callable
from typing import Any, TypeAlias

from nova_dmore.channel import carry_over as carry_over_module
from nova_dmore.channel.host import end as host_end_module
from nova_dmore.channel.host import journal as journal_module
from nova_dmore.channel import region as region_module
from nova_dmore.link import messages
from nova_dmore.posix import loop as loop_module
from nova_dmore import wire
from nova_dmore.worker import keeper_commands
from nova_dmore.worker import state_machine

#: Called with stream, kind, reason, and, as far as they are known, the offset
#: and the number of bytes.
ReportGap: TypeAlias = Callable[
    [wire.Stream, wire.GapKind, str, int | None, int | None], None]


@dataclasses.dataclass(frozen=True)
class SerialPipes:
    """The worker's part of the instance's serial line.

    :ivar input: descriptor of the pipe to write to.
    :ivar output: descriptor of the pipe to read from.
    :ivar unread: a descriptor that tells how much input QEMU has not read
        (:func:`nova_dmore.posix.pipes.unread`).
    :ivar written: bytes that workers have written in all.
    :ivar read: bytes that workers have read in all.
    :ivar dropped: bytes of output that the keeper has dropped in all, for
        there was no worker; one of release 0.2 drops none.
    """

    input: int
    output: int
    unread: int
    written: int
    read: int
    dropped: int = 0


@dataclasses.dataclass
class DeviceContext:
    """What a device may use; the worker fills it in.

    :ivar loop: the event loop; everything runs in its one thread.
    :ivar ring: wakes Domain R.
    :ivar journal: the host end's journal; devices only read it.
    :ivar machine: says whether input and output flow.
    :ivar last_input: the keeper's memory of the last event of input, see
        :attr:`nova_dmore.link.messages.ToWorker.START`.
    :ivar kept: what the devices of an earlier worker have left, by their
        names.
    :ivar note: leaves everything to a successor; not to be called before all
        devices are made.
    :ivar input_taken: functions to be called when QEMU has taken an event.
    :ivar input_limit_reached: called when all input before a break is taken.
    :ivar check_freeze: called when ``awaits_answer`` or ``is_saved`` may have
        changed while the instance stands still to leave.
    :ivar config: the CONFIG message in force, empty before the first.
    :ivar input_dropped: called with the offset of serial input that is for
        nobody, and how many bytes there were: the clients are told.
    :ivar instance_is_off: whether there is no QEMU that input would be for;
        it is not kept for the next one then.
    """

    loop: loop_module.Loop
    region: region_module.Region
    ring: Callable[[wire.Vector], None]
    host_end: host_end_module.HostEnd
    journal: journal_module.Journal
    serial: SerialPipes
    machine: state_machine.PairMachine
    report_gap: ReportGap
    commands: keeper_commands.Commands
    last_input: messages.Message | None
    input_limit_reached: Callable[[], object]
    check_freeze: Callable[[], None]
    config: dict[str, Any]
    instance_is_off: Callable[[], bool] = lambda: False
    input_dropped: Callable[[int, int], None] = lambda at, count: None
    kept: dict[str, Any] = dataclasses.field(default_factory=dict)
    note: Callable[[], None] = lambda: None
    input_taken: list[Callable[[], None]] = dataclasses.field(
        default_factory=list)


class ShadowDevice(abc.ABC):
    """One console device of the instance.

    :cvar streams: those that it serves: if it fails, nobody knows what has
        passed in them.
    """

    streams: tuple[wire.Stream, ...] = ()

    @abc.abstractmethod
    def pump(self) -> None:
        """Do all that can be done now; called whenever anything changed
        while output flows."""

    def update(self) -> None:
        """The region may have changed, or the machine; called at each poll."""

    def armed(self) -> None:
        """A migration of the instance begins here."""

    def stop(self, at: float) -> None:
        """The instance stopped for a migration, at a time (CLOCK_MONOTONIC
        seconds)."""

    def counted(self, message: messages.Message) -> None:
        """The keeper has counted what passed the serial port at the stop; see
        :attr:`messages.ToWorker.COUNT`."""

    def awaits_answer(self) -> bool:
        """Whether an answer is still expected that will tell which input QEMU
        has taken, or which output it gave: QEMU's to a command, or the
        keeper's count and the output up to it."""
        return False

    def is_saved(self) -> bool:
        """Whether QEMU has saved its state, and it is known for good what it
        has taken and given."""
        return True

    def frozen(self) -> None:
        """The freeze is over: what is known now will be carried over."""

    def carry_over(self) -> dict[str, Any]:
        """-> fields of :class:`carry_over.CarryOver` that are this device's;
        called after ``frozen``."""
        return {}

    def arrived(self, carried: carry_over_module.CarryOver | None) -> None:
        """Both VMs have arrived by migration; the epoch is raised next.

        :param carried: the :class:`carry_over.CarryOver`, or None, and it
            may be handed in later.
        """

    def thaw(self) -> None:
        """The migration was rolled back: go on where ``stop`` stopped."""

    def was_reset(self) -> None:
        """The instance was reset, by its guest or by Nova."""

    def opened(self) -> None:
        """Domain R joined an epoch."""

    def domain_r_lost(self) -> None:
        """Domain R ended: it will tell of no release of a key any more."""

    def to_notes(self) -> dict[str, Any] | None:
        """-> a JSON object for a successor, or None."""
        return None

    def status(self) -> dict[str, Any] | None:
        """-> a JSON object for STATUS, or None."""
        return None
