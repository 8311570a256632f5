# SPDX-License-Identifier: Apache-2.0
"""What the keeper counts at a stop: the COUNT message to the worker.

When an instance has stopped to leave, its QEMU saves its state. How many bytes
of the serial port that state has, follows from what the kernel counts, from
when QEMU said what, and from the last moves
(doc/source/architecture/serial.rst). Times are seconds of CLOCK_MONOTONIC.
"""

import logging
import math
from collections.abc import Callable, Iterable

from nova_dmore.keeper import moves as moves_module
from nova_dmore.keeper import qemu_end
from nova_dmore.link import messages

LOG = logging.getLogger(__name__)


class StopCount:
    """The counts of one stop after the other, of one serial port.

    :param moves: the last moves of the port.
    :param qemu: QEMU's end of it.
    :param tell: called with the message for the worker, and no descriptors.
    """

    def __init__(self, moves: moves_module.Moves, qemu: qemu_end.QemuEnd,
                 tell: Callable[[messages.Message, Iterable[int]], None]
                 ) -> None:
        self._moves = moves
        self._qemu = qemu
        self._tell = tell
        #: Each COUNT of this stop: what may have come twice, or not at all,
        #: is in one of them alone.
        self._counts: list[messages.Message] = []
        #: When QEMU said that its guest stands still.
        self.stopped_at = -math.inf
        #: When QEMU said that it saves its state; None: it has not.
        self.saving_at: float | None = None

    def forget(self) -> None:
        """What was counted is of no use any more, if anything was."""
        self._counts = []
        self.saving_at = None

    @property
    def is_told(self) -> bool:
        """Whether the worker was told of this stop."""
        return bool(self._counts)

    @property
    def is_final(self) -> bool:
        """Whether it was told what holds once the state is saved."""
        return any(each['final'] for each in self._counts)

    @property
    def saving(self) -> str | None:
        """How far QEMU is: ``messages.SAVING`` or ``messages.SAVED``; None: it
        has not said that it saves its state."""
        if self.is_final:
            return messages.SAVED
        return None if self.saving_at is None else messages.SAVING

    def output(self, moved: int) -> int:
        """-> how many bytes of the output that is here the destination's QEMU
        will not write again.

        :param moved: how many were before them.
        """
        return self._moves.counted_output(
            self._qemu.waiting(), moved, self.saving_at)

    def tell(self, output: int | None, is_final: bool) -> None:
        """Count, and tell the worker.

        :param output: how many bytes of output are counted, of all that the
            worker gets; None: QEMU may still write some.
        :param is_final: the state is saved.
        """
        counts = self._moves.counts(
            self._qemu.unread(), self.stopped_at, self.saving_at,
            self._counts[-1]['unread'] if self._counts else None)
        fields = {
            'output': output,
            'unread': counts.unread_in_state, 'final': is_final,
            'unsure_in': counts.unsure_in, 'unsure_out': counts.unsure_out}
        if counts.read_after_saving:        # next to never
            fields['read_late'] = counts.read_after_saving
        LOG.info('Serial port: %s', fields)
        self._counts.append({'type': messages.ToWorker.COUNT, **fields})
        self._tell(self._counts[-1], ())

    def repeat(self) -> None:
        """Tell a new worker all that was told of this stop: the last one need
        not have heard any of it."""
        for each in self._counts:
            self._tell(each, ())
