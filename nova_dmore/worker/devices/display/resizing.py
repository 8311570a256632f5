# SPDX-License-Identifier: Apache-2.0
"""The size that a viewer of Domain R's asks for, on its way to QEMU.

Domain R is not trusted: whatever it asks for, QEMU is asked one thing at a
time, and seldom. A request that comes meanwhile takes the place of the one
before. Each is passed on once at most: one that the connection to QEMU has
ended with is answered with a no.
"""

from nova_dmore.channel import display as display_module
from nova_dmore.channel.host import end as host_end_module
from nova_dmore.worker.devices import base
from nova_dmore.worker.devices.display import source as source_module
from nova_dmore import wire

#: QEMU is told a size at most this often, in seconds: the guest then sets a
#: video mode.
INTERVAL_S = 0.25


class Resizing:
    """Serves one display. Times are seconds of a monotonic clock."""

    def __init__(self, context: base.DeviceContext,
                 display: display_module.HostDisplay) -> None:
        self._host_end = context.host_end
        self._ring = context.ring
        self._display = display
        #: Epoch and number of the last one that was passed on.
        self._last: tuple[int, int] | None = None
        self._is_asked = False      # QEMU, which has not answered yet
        self._at = -INTERVAL_S      # when it was

    @property
    def due_at(self) -> float | None:
        """When there is something to be passed on; None: at no time yet."""
        return (None if self._is_asked or self._next() is None
                else self._at + INTERVAL_S)

    def follow(self, source: source_module.Source, now: float) -> None:
        """Pass on what Domain R asks for, if it is time.

        To be called while Domain R can be told of the picture.
        """
        wanted = self._next()
        if (wanted is None or self._is_asked
                or now < self._at + INTERVAL_S):
            return
        self._at = now
        self._last = self._host_end.epoch, wanted.number
        # A guest that draws more than is shown would be of less use.
        size = self._display.room.shrink(wanted.width, wanted.height)
        if not all(size):
            self._tell(wire.SizeAnswer.NO_RESOURCES)
            return
        self._is_asked = True
        source.set_size(*size)

    def answered(self, status: int) -> None:
        """QEMU has answered, with one of RFB's numbers."""
        if not self._is_asked:
            return
        self._is_asked = False
        try:
            answer = wire.SizeAnswer(status)
        except ValueError:
            answer = wire.SizeAnswer.PROHIBITED
        self._tell(answer)

    def lost(self) -> None:
        """There is no connection to QEMU any more: it will not answer."""
        self.answered(wire.SizeAnswer.PROHIBITED)

    def _next(self) -> display_module.SizeWanted | None:
        epoch = self._host_end.epoch
        wanted = self._display.wanted_size(epoch)
        if wanted is None or self._last == (epoch, wanted.number):
            return None
        return wanted

    def _tell(self, answer: wire.SizeAnswer) -> None:
        """Answer the last one; what has become of it since a freeze, or in
        another epoch, nobody is told: Domain R asks anew."""
        end = self._host_end
        if (self._last is not None and self._last[0] == end.epoch
                and end.state is host_end_module.HostState.OPEN):
            self._display.answer_size(self._last[1], answer, self._last[0])
            self._ring(wire.Vector.DISPLAY)
