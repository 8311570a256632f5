# SPDX-License-Identifier: Apache-2.0
"""Domain R's end of the picture.

"Display" in :mod:`nova_dmore.wire` says how the two ends agree.
"""

import dataclasses

from nova_dmore.channel import display
from nova_dmore.channel import region as region_module
from nova_dmore import wire

#: Of a word.
_LOW_HALF = 0xffffffff


@dataclasses.dataclass
class DisplayChanges:
    """What ``DomainRDisplay.poll`` found.

    :ivar opened: the picture may be shown, and could not be at the last poll
    :ivar leds: the lights of the keyboard are others
    :ivar damage: rectangles, None for all of the picture
    """

    opened: bool = False
    resized: bool = False
    cursor: bool = False
    leds: bool = False
    damage: list[display.Rectangle] | None = dataclasses.field(
        default_factory=list)


class DomainRDisplay:
    """Reads the picture; it belongs to one DomainREnd.

    :ivar width: of the picture; 0 as long as there is none
    :ivar height: likewise
    :ivar whole: width and height of the instance's picture, of which no more
        may be shown
    """

    def __init__(self, region: region_module.Region) -> None:
        """Take the region."""
        self._words = region.words
        self._data = region.data
        self._room = display.Room(region.framebuffer_size)
        self._epoch = 0     # in which the picture may be shown; 0: in none
        self._seen = 0
        self._cursor_word = self._leds_word = 0
        self._joined = 0    # the last epoch that was
        self._asked = 0     # how often for a size, ...
        self._wanted: display.SizeWanted | None = None  # ... and not answered
        self.width = self.height = 0
        self.whole = 0, 0

    @property
    def good(self) -> bool:
        """Whether the picture could be shown at the last poll.

        While it cannot, nothing may be encoded from the pixels: the picture's
        size may change, and after a migration the pixels are of any age.
        """
        return bool(self._epoch)

    def poll(self, epoch: int) -> DisplayChanges | None:
        """Poll for changes.

        :param epoch: the epoch that is joined
        :returns: None while the picture cannot be shown, or if nothing has
            changed
        """
        words = self._words
        good = words[region_module.DISPLAY_EPOCH] == epoch
        published = words[region_module.DISPLAY_PUBLISHED]
        cursor = words[region_module.DISPLAY_CURSOR]
        leds = words[region_module.DISPLAY_LEDS]
        mode = words[region_module.DISPLAY_MODE]
        if not good or words[region_module.DISPLAY_EPOCH] != epoch:
            self._epoch = 0
            return None
        opened = epoch != self._epoch
        if opened:
            self._epoch, self._seen = epoch, 0
        if (published == self._seen and cursor == self._cursor_word
                and leds == self._leds_word and not opened):
            return None
        changes = DisplayChanges(
            opened, cursor=opened or cursor != self._cursor_word,
            leds=leds != self._leds_word)
        self._cursor_word, self._leds_word = cursor, leds
        size = self._room.crop(mode & 0xffff, mode >> 16 & 0xffff)
        if size != (self.width, self.height):
            self.width, self.height = size
            changes.resized = True
        self.whole = (max(size[0], mode >> 32 & 0xffff),
                      max(size[1], mode >> 48))
        changes.damage = self._damage(published)
        self._seen = published
        return changes

    def _damage(self, published: int) -> list[display.Rectangle] | None:
        count = published - self._seen
        words = self._words
        table = region_module.DISPLAY_DAMAGE
        records = [words[table + number % wire.DAMAGE_RECORDS]
                   for number in range(self._seen, published)
                   ] if 0 <= count < wire.DAMAGE_RECORDS else []
        # The host reuses the table, perhaps while it was read here. The
        # number of published records tells whether it did.
        if (words[region_module.DISPLAY_PUBLISHED] - self._seen
                >= wire.DAMAGE_RECORDS or len(records) != count):
            return None
        result = []
        for record in records:
            x, y = record & 0xffff, record >> 16 & 0xffff
            width = min(record >> 32 & 0xffff, self.width - x)
            height = min(record >> 48 & 0xffff, self.height - y)
            if width > 0 and height > 0:
                result.append((x, y, width, height))
        return result

    def acknowledge(self) -> None:
        """Tell the host that all that ``poll`` found is dealt with."""
        self._words[region_module.DAMAGE_SEEN] = (
            self._seen & _LOW_HALF | (self._epoch & _LOW_HALF) << 32)

    def set_viewers(self, count: int) -> None:
        """Tell the host how many viewers the picture has."""
        self._words[region_module.VIEWERS] = count

    def joined(self, epoch: int) -> None:
        """An epoch was joined: what was not answered is asked for anew."""
        self._joined = epoch
        self._write_wanted()

    def ask_size(self, width: int, height: int) -> None:
        """Ask for another size of the picture, in the place of the last one.

        :param width: in pixels, 1 to SIDE_MAX
        :param height: likewise
        """
        self._asked = (self._asked + 1) & 0xff
        self._wanted = display.SizeWanted(width, height, self._asked)
        self._write_wanted()

    def forget_size(self) -> None:
        """Ask for none any more."""
        self._wanted = None
        self._words[region_module.SIZE_WANTED] = 0

    def size_answer(self) -> wire.SizeAnswer | None:
        """The host's answer, once; None: there is none yet, or it is told."""
        word = self._words[region_module.DISPLAY_SIZE_ANSWER]
        if (self._wanted is None
                or word >> 32 != self._joined & _LOW_HALF
                or word & 0xff != self._wanted.number):
            return None
        self._wanted = None
        try:
            return wire.SizeAnswer(word >> 8 & 0xff)
        except ValueError:
            return wire.SizeAnswer.PROHIBITED

    def _write_wanted(self) -> None:
        if self._wanted is not None and self._joined:
            self._words[region_module.SIZE_WANTED] = self._wanted.word(
                self._joined)

    def leds(self) -> int | None:
        """What the lights of the keyboard showed at the last poll."""
        word = self._leds_word
        return word & 7 if word & wire.LEDS_KNOWN else None

    def cursor(self) -> display.Cursor | None:
        """The pointer's shape now."""
        word = self._words[region_module.DISPLAY_CURSOR]
        width, height, hot_x, hot_y = (word >> shift & 0xff
                                       for shift in (0, 8, 16, 24))
        if not (0 < width <= wire.CURSOR_SIDE_MAX
                and 0 < height <= wire.CURSOR_SIDE_MAX):
            return None
        size = width * height * display.PIXEL_SIZE
        start = wire.CURSOR_START
        return display.Cursor(
            width, height, min(hot_x, width - 1), min(hot_y, height - 1),
            bytes(self._data[start:start + size]))
