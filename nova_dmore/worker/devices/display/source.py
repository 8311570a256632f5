# SPDX-License-Identifier: Apache-2.0
"""Where a display's pixels come from, behind one interface."""

import abc


class Sink(abc.ABC):
    """What a source tells the display device."""

    @abc.abstractmethod
    def resized(self, width, height):
        """The picture has this size from now on; at first, too."""

    @abc.abstractmethod
    def target(self, y, height):
        """Pixels of these rows come -> (buffer, width, height) of the whole
        picture, cut to what fits, or None if nobody wants them."""

    @abc.abstractmethod
    def updated(self, rectangles):
        """These rectangles were written, at most to the picture's edges."""

    @abc.abstractmethod
    def cursor(self, cursor):
        """The pointer has this shape, None: the guest draws its own."""

    @abc.abstractmethod
    def ended(self, reason):
        """The source has closed itself; not called after ``close``."""


class Source(abc.ABC):
    """One connection to the display of an instance's QEMU.

    :ivar asked: an answer to a ``request`` has not come yet.
    """

    asked = False

    @abc.abstractmethod
    def listen(self, on):
        """Take what QEMU sends, or leave it where it is."""

    @abc.abstractmethod
    def request(self, everything):
        """Ask for all of the picture, or for what will have changed.

        Whoever asked for changes may ask for all of it on top.
        """

    @abc.abstractmethod
    def hurry(self):
        """Something will change soon: have QEMU look for it."""

    @abc.abstractmethod
    def close(self):
        """End the connection; may be repeated."""
