# SPDX-License-Identifier: Apache-2.0
"""Both ends of a display, of 80 x 60 pixels."""

from hypothesis import strategies

from nova_dmore.channel import display
from nova_dmore.channel.domr import display as domr_display
from nova_dmore.channel import region
from nova_dmore import wire

#: Room for 80 x 60 pixels.
SIZE = wire.FRAMEBUFFER_START + 80 * 60 * display.PIXEL_SIZE + 0x1000 & ~0xfff


def rectangles(width=80, height=60):
    def ranges(limit):
        return strategies.integers(0, limit - 1).flatmap(
            lambda start: strategies.tuples(
                strategies.just(start),
                strategies.integers(1, limit - start)))
    return strategies.tuples(ranges(width), ranges(height)).map(
        lambda each: (each[0][0], each[1][0], each[0][1], each[1][1]))


class Ends:
    """The host's display and Domain R's on one region."""

    def __init__(self):
        self.region = region.Region(bytearray(SIZE))
        self.words = self.region.words
        self.host = display.HostDisplay(self.region)
        self.domr = domr_display.DomainRDisplay(self.region)
        self.host.set_mode(80, 60)

    def opened(self, epoch=5):
        self.host.open(epoch, [(0, 0, 80, 60)])
        self.domr.poll(epoch)
        self.domr.acknowledge()
        return self

    def paint(self, rectangle, value):
        x, y, width, height = rectangle
        self.host.writing(y, height)
        for row in range(y, y + height):
            start = (row * 80 + x) * 4
            self.host.framebuffer[start:start + width * 4] = bytes(
                [value]) * width * 4
        self.host.damage([rectangle])

    def pixels(self):
        return bytes(self.host.framebuffer[:80 * 60 * 4])
