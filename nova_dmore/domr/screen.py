# SPDX-License-Identifier: Apache-2.0
"""The instance's picture: from the channel to whoever shows it."""

from collections.abc import Callable
from typing import Protocol

from nova_dmore.channel import changes as changes_module
from nova_dmore.channel import display as display_module
from nova_dmore.channel.domr import display as domr_display
from nova_dmore.channel.domr import end as domr_end
from nova_dmore.channel import region as region_module
from nova_dmore import wire


class Viewer(Protocol):
    """What shows the picture; the VNC server's desktop."""

    def freeze(self, everything: bool) -> None:
        """Read no pixels until :meth:`show`.

        :param everything: clients may have been sent wrong ones, and get the
            whole picture again
        """

    def show(self, changes: domr_display.DisplayChanges,
             screen: 'Screen') -> None:
        """Something has changed, and the pixels are good."""

    def flush(self) -> None:
        """There may be room for input; called at every poll."""


class Screen:
    """Polls the display on behalf of one viewer.

    :ivar viewer: who is told; None as long as there is nobody
    :ivar framebuffer_size: bytes of the region that pixels have
    """

    def __init__(self, region: region_module.Region,
                 ring_doorbell: Callable[[wire.Vector], None]) -> None:
        """:param ring_doorbell: wakes the host"""
        self._display = domr_display.DomainRDisplay(region)
        self._ring = ring_doorbell
        self._viewers = 0
        self._frozen = True
        self.viewer: Viewer | None = None
        self.framebuffer_size = region.framebuffer_size

    @property
    def good(self) -> bool:
        """Whether there is a picture, and its pixels are good."""
        return not self._frozen and self._display.width > 0

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels; 0 as long as there is no picture."""
        return self._display.width, self._display.height

    @property
    def whole(self) -> tuple[int, int]:
        """Size of the instance's picture, of which no more may be shown."""
        return self._display.whole

    def leds(self) -> int | None:
        """The lights of the keyboard, as RFB has them; None: not known."""
        return self._display.leds()

    def cursor(self) -> display_module.Cursor | None:
        """The pointer's shape."""
        return self._display.cursor()

    def set_viewers(self, count: int) -> None:
        """Tell the host how many viewers it has; it paints only for them."""
        if count != self._viewers:
            self._viewers = count
            self._display.set_viewers(count)
            self._ring(wire.Vector.DISPLAY)

    def ask_size(self, width: int, height: int) -> None:
        """Ask the host for another size of the picture; see the wire."""
        self._display.ask_size(width, height)
        self._ring(wire.Vector.DISPLAY)

    def forget_size(self) -> None:
        """Ask for none any more."""
        self._display.forget_size()

    def size_answer(self) -> wire.SizeAnswer | None:
        """The host's answer, once; None as long as there is none."""
        return self._display.size_answer()

    def acknowledge(self) -> None:
        """Tell the host that what was shown is dealt with."""
        self._display.acknowledge()
        self._ring(wire.Vector.DISPLAY)

    def poll(self, end: domr_end.DomainREnd,
             changes: changes_module.Changes) -> None:
        """Poll for changes, after ``end`` did and found those."""
        if changes.frozen or changes.opened:
            # A Domain R that was moved without a freeze has encoded pixels
            # of any age.
            self._freeze(everything=changes.opened and not self._frozen)
        if changes.opened:
            self._display.set_viewers(self._viewers)
            self._display.acknowledge()
            self._display.joined(end.epoch)
            self._ring(wire.Vector.DISPLAY)
        viewer = self.viewer
        if viewer is None:
            return
        if end.state is domr_end.DomainRState.OPEN:
            found = self._display.poll(end.epoch)
            if found is not None:
                self._frozen = False
                viewer.show(found, self)
            elif not self._display.good and not self._frozen:
                self._freeze(everything=False)      # the size changes
        viewer.flush()

    def _freeze(self, everything: bool) -> None:
        self._frozen = True
        if self.viewer is not None:
            self.viewer.freeze(everything)
