# SPDX-License-Identifier: Apache-2.0
"""Where a display's pixels come from, behind one interface.

There is one; doc/source/architecture/display.rst says why QEMU's D-Bus display
is no other.
"""

import abc
from typing import TypeAlias

from nova_dmore.channel import display

#: The pixels of the whole picture; its width and height.
Target: TypeAlias = tuple[memoryview, int, int]


class Sink(abc.ABC):
    """What a source tells the display device."""

    @abc.abstractmethod
    def resized(self, width: int, height: int) -> None:
        """The picture has this size from now on; at first, too."""

    @abc.abstractmethod
    def target(self, y: int, height: int) -> Target | None:
        """Pixels of these rows come -> (buffer, width, height) of the whole
        picture, cut to what fits, or None if nobody wants them."""

    @abc.abstractmethod
    def updated(self, rectangles: list[display.Rectangle]) -> None:
        """These rectangles were written, at most to the picture's edges."""

    @abc.abstractmethod
    def cursor(self, cursor: display.Cursor | None) -> None:
        """The pointer has this shape, None: the guest draws its own."""

    @abc.abstractmethod
    def leds(self, leds: int) -> None:
        """The keyboard's lights are these, as RFB has them; at first, too."""

    @abc.abstractmethod
    def size_answered(self, status: int) -> None:
        """QEMU's answer to ``set_size``, as RFB has it; ``resized`` tells if
        the guest follows."""

    @abc.abstractmethod
    def ended(self, reason: str) -> None:
        """The source has closed itself; not called after ``close``."""


class Source(abc.ABC):
    """One connection to the display of an instance's QEMU.

    :ivar asked: an answer to a ``request`` has not come yet.
    """

    asked = False

    @abc.abstractmethod
    def listen(self, on: bool) -> None:
        """Take what QEMU sends, or leave it where it is."""

    @abc.abstractmethod
    def request(self, everything: bool) -> None:
        """Ask for all of the picture, or for what will have changed.

        Whoever asked for changes may ask for all of it on top.
        """

    @abc.abstractmethod
    def set_size(self, width: int, height: int) -> None:
        """Ask for another size of the picture, in pixels, none of them 0."""

    @abc.abstractmethod
    def hurry(self) -> None:
        """Something will change soon: have QEMU refresh soon."""

    @abc.abstractmethod
    def close(self) -> None:
        """End the connection; may be repeated."""
