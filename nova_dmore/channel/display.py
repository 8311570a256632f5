# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""The picture of the instance in the region: the host's end and Domain R's.

"Display" in :mod:`nova_dmore.wire` says how the two agree.
"""

import dataclasses
import hashlib
from typing import TypeAlias

from nova_dmore.channel import region as region_module
from nova_dmore.channel import words as at
from nova_dmore import wire

#: x, y, width, height in pixels.
Rectangle: TypeAlias = tuple[int, int, int, int]

PIXEL_SIZE = 4
_HASH_SIZE = 8


@dataclasses.dataclass(frozen=True)
class Cursor:
    """Shape of the pointer, if the guest has the host draw it.

    :ivar pixels: as in the framebuffer, the fourth byte is 0xff where the
        pixel is to be seen, else 0
    """

    width: int
    height: int
    hot_x: int
    hot_y: int
    pixels: bytes


def crop(width: int, height: int) -> tuple[int, int]:
    """How much of a picture is shown."""
    return (min(width, wire.DISPLAY_WIDTH_MAX),
            min(height, wire.DISPLAY_HEIGHT_MAX))


def band_hashes(pixels: memoryview, width: int, height: int) -> list[bytes]:
    """A hash of each BAND_ROWS rows of a picture, the last may be lower."""
    row = width * PIXEL_SIZE
    return [hashlib.blake2b(
        pixels[start * row:min(height, start + wire.BAND_ROWS) * row],
        digest_size=_HASH_SIZE).digest()
        for start in range(0, height, wire.BAND_ROWS)]


def changed_bands(before: list[bytes], after: list[bytes], width: int,
                  height: int) -> list[Rectangle]:
    """Where two pictures of one size differ, from their hashes.

    All of it if they are of different sizes.
    """
    if len(before) != len(after):
        return [(0, 0, width, height)]
    result: list[Rectangle] = []
    for number, (old, new) in enumerate(zip(before, after)):
        if old == new:
            continue
        top = number * wire.BAND_ROWS
        rows = min(wire.BAND_ROWS, height - top)
        if result and result[-1][1] + result[-1][3] == top:
            _, start, _, above = result.pop()
            result.append((0, start, width, above + rows))
        else:
            result.append((0, top, width, rows))
    return result


class HostDisplay:
    """Writes the picture; used by the display's shadow device alone."""

    def __init__(self, region: region_module.Region) -> None:
        """Take the region; nothing is written yet."""
        self._words = region.words
        self.framebuffer = region.data[wire.FRAMEBUFFER_START:]
        self._cursor_data = region.data[
            wire.CURSOR_START:wire.FRAMEBUFFER_START]
        self._published = 0
        self._cursors = 0
        self.width = self.height = 0

    def close(self) -> None:
        """Give the buffer up, so that its mmap can be closed."""
        self.framebuffer.release()
        self._cursor_data.release()

    @property
    def viewers(self) -> int:
        """How many clients look, as Domain R says."""
        return self._words[at.VIEWERS]

    @property
    def seen(self) -> bool:
        """Whether Domain R has dealt with all damage."""
        return self._words[at.DAMAGE_SEEN] == self._published

    def set_mode(self, width: int, height: int) -> None:
        """Begin with a picture of this size; pixels and damage follow.

        :raises ValueError: it is larger than the region allows (see crop)
        """
        if crop(width, height) != (width, height):
            raise ValueError(f'{width}x{height} is too large')
        self.width, self.height = width, height
        self._words[at.DISPLAY_MODE] = width | height << 16

    def set_cursor(self, cursor: Cursor | None) -> None:
        """Set the pointer's shape; one that is too large is none."""
        word = 0
        if (cursor is not None and 0 < cursor.width <= wire.CURSOR_SIDE_MAX
                and 0 < cursor.height <= wire.CURSOR_SIDE_MAX):
            self._cursor_data[:len(cursor.pixels)] = cursor.pixels
            self._cursors = (self._cursors + 1) & 0xffffffff
            word = (cursor.width | cursor.height << 8 | cursor.hot_x << 16
                    | cursor.hot_y << 24 | self._cursors << 32)
        self._words[at.DISPLAY_CURSOR] = word

    def open(self, epoch: int, damage: list[Rectangle]) -> None:
        """Say that the picture is good from now on, in a new epoch.

        :param damage: where it differs from the one at the freeze
        """
        self._words[at.DISPLAY_EPOCH] = 0
        self._words[at.DISPLAY_PUBLISHED] = self._published = 0
        self.damage(damage)
        self._words[at.DISPLAY_EPOCH] = epoch

    def damage(self, rectangles: list[Rectangle]) -> None:
        """Say that pixels inside these rectangles were written."""
        for x, y, width, height in rectangles:
            index = self._published % wire.DAMAGE_RECORDS
            self._words[at.DISPLAY_DAMAGE + index] = (
                x | y << 16 | width << 32 | height << 48)
            self._published += 1
            self._words[at.DISPLAY_PUBLISHED] = self._published

    def hashes(self) -> list[bytes]:
        """The hashes of the picture as it is now."""
        return band_hashes(self.framebuffer, self.width, self.height)


@dataclasses.dataclass
class DisplayChanges:
    """What Domain R found at a look.

    :ivar opened: the picture is good, for the first time in an epoch
    :ivar damage: rectangles, None for all of the picture
    """

    opened: bool = False
    resized: bool = False
    cursor: bool = False
    damage: list[Rectangle] | None = dataclasses.field(default_factory=list)


class DomainRDisplay:
    """Reads the picture; it belongs to one :class:`domr_end.DomainREnd`.

    :ivar width: of the picture; 0 as long as there is none
    :ivar height: likewise
    """

    def __init__(self, region: region_module.Region) -> None:
        """Take the region."""
        self._words = region.words
        self._data = region.data
        self._epoch = 0
        self._seen = 0
        self._cursor_word = 0
        self.width = self.height = 0

    def poll(self, epoch: int) -> DisplayChanges | None:
        """Look for changes.

        :param epoch: the epoch that is joined
        :returns: None while the picture is not good, or nothing has changed
        """
        words = self._words
        if words[at.DISPLAY_EPOCH] != epoch:
            return None
        published = words[at.DISPLAY_PUBLISHED]
        opened = epoch != self._epoch
        if opened:
            self._epoch, self._seen = epoch, 0
        cursor = words[at.DISPLAY_CURSOR]
        mode = words[at.DISPLAY_MODE]
        if (published == self._seen and cursor == self._cursor_word
                and not opened):
            return None
        changes = DisplayChanges(opened, cursor=cursor != self._cursor_word)
        self._cursor_word = cursor
        size = crop(mode & 0xffff, mode >> 16 & 0xffff)
        if size != (self.width, self.height):
            self.width, self.height = size
            changes.resized = True
        changes.damage = self._damage(published)
        self._seen = published
        return changes

    def _damage(self, published: int) -> list[Rectangle] | None:
        count = published - self._seen
        words = self._words
        records = [words[at.DISPLAY_DAMAGE + number % wire.DAMAGE_RECORDS]
                   for number in range(self._seen, published)
                   ] if 0 <= count < wire.DAMAGE_RECORDS else []
        # What was overwritten meanwhile, or is now, is known by the count.
        if (words[at.DISPLAY_PUBLISHED] - self._seen >= wire.DAMAGE_RECORDS
                or len(records) != count):
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
        """Tell the host that what was found is dealt with."""
        self._words[at.DAMAGE_SEEN] = self._seen

    def set_viewers(self, count: int) -> None:
        """Tell the host how many clients look at the picture."""
        self._words[at.VIEWERS] = count

    def cursor(self) -> Cursor | None:
        """The pointer's shape now."""
        word = self._words[at.DISPLAY_CURSOR]
        width, height, hot_x, hot_y = (word >> shift & 0xff
                                       for shift in (0, 8, 16, 24))
        if not (0 < width <= wire.CURSOR_SIDE_MAX
                and 0 < height <= wire.CURSOR_SIDE_MAX):
            return None
        size = width * height * PIXEL_SIZE
        start = wire.CURSOR_START
        return Cursor(width, height, min(hot_x, width - 1),
                      min(hot_y, height - 1),
                      bytes(self._data[start:start + size]))
