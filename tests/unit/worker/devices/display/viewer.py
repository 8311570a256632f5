# SPDX-License-Identifier: Apache-2.0
"""A viewer of the picture in the region."""

from nova_dmore.channel.domr import display as domr_display
from nova_dmore import wire


class Viewer:
    """A client of Domain R's display, that is sent only what is damaged.

    :ivar pixels: what it has.
    :ivar opened: the damage of each time that the picture became good, in
        rows.
    :ivar answers: to the sizes that it has asked for.
    """

    def __init__(self, end, area):
        self.end = end
        self.display = domr_display.DomainRDisplay(area)
        self._area = area
        self.pixels = bytearray()
        self.opened = []
        self.updates = 0
        self.cursor = None
        self.leds = []
        self.acknowledges = True
        self.answers = []
        self._joined = 0

    @property
    def size(self):
        return self.display.width, self.display.height

    def poll(self):
        """All that a screen does when the region is polled."""
        if self._joined != self.end.epoch:
            self._joined = self.end.epoch
            self.display.joined(self._joined)
        answer = self.display.size_answer()
        if answer is not None:
            self.answers.append(answer)
        self.redraw()

    def redraw(self):
        changes = self.display.poll(self.end.epoch)
        if changes is None:
            return
        width, height = self.size
        if changes.resized:
            self.pixels = bytearray(width * height * 4)
        if changes.cursor:
            self.cursor = self.display.cursor()
        if changes.leds:
            self.leds.append(self.display.leds())
        damage = changes.damage
        if damage is None:
            damage = [(0, 0, width, height)]
        if changes.opened:
            self.opened.append(sum(each[3] for each in damage))
        source = self._area.data[wire.FRAMEBUFFER_START:]
        for x, y, wide, high in damage:
            for row in range(y, y + high):
                part = slice((row * width + x) * 4,
                             (row * width + x + wide) * 4)
                self.pixels[part] = source[part]
        self.updates += 1
        if self.acknowledges:
            self.display.acknowledge()
