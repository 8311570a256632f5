# SPDX-License-Identifier: Apache-2.0
"""The picture of the instance in the region: the host's end and Domain R's.

"Display" in :mod:`nova_dmore.wire` says how the two agree.
"""

import collections
import dataclasses
import hashlib
import os
from typing import TypeAlias

from nova_dmore.channel import errors
from nova_dmore.channel import region as region_module
from nova_dmore import wire

#: x, y, width, height in pixels.
Rectangle: TypeAlias = tuple[int, int, int, int]

PIXEL_SIZE = 4
#: Pixels of a side, as RFB has them.
SIDE_MAX = 0xffff
#: Bytes of the hash of a band.
HASH_SIZE = 8

_COUNT_MASK = 0xffffffff


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


@dataclasses.dataclass(frozen=True)
class Room:
    """For how large a picture there is room.

    :ivar size: bytes of the picture at most
    :ivar width: pixels of a row at most
    :ivar height: rows at most
    """

    size: int
    width: int = SIDE_MAX
    height: int = SIDE_MAX

    def crop(self, width: int, height: int) -> tuple[int, int]:
        """How much of a picture is shown: all of it if it has room, else its
        upper left part.

        :returns: width and height in pixels; both 0 if there is nothing
        """
        width = min(width, self.width, self.size // PIXEL_SIZE)
        if not width:
            return 0, 0
        height = min(height, self.height, self.size // (width * PIXEL_SIZE))
        return (width, height) if height else (0, 0)


#: What every Domain R shows, and every host takes.
EARLIER_ROOM = Room(
    wire.EARLIER_WIDTH_MAX * wire.EARLIER_HEIGHT_MAX * PIXEL_SIZE,
    wire.EARLIER_WIDTH_MAX, wire.EARLIER_HEIGHT_MAX)


@dataclasses.dataclass(frozen=True)
class Picture:
    """What is known of a picture when the pixels are gone.

    :ivar bands: a hash of each BAND_ROWS rows; the last band may be lower
    """

    width: int
    height: int
    bands: tuple[bytes, ...]


def band_count(height: int) -> int:
    """How many bands a picture of so many rows has."""
    return -(-height // wire.BAND_ROWS)


def changed_bands(before: Picture | None, after: Picture) -> list[Rectangle]:
    """Where the picture has to be shown anew; all of it if the size changed
    or nothing is known."""
    width, height = after.width, after.height
    if before is None or (before.width, before.height) != (width, height):
        return [(0, 0, width, height)]
    return bands_to_rectangles(
        {number for number, (old, new)
         in enumerate(zip(before.bands, after.bands)) if old != new},
        width, height)


def bands_to_rectangles(bands: set[int], width: int, height: int
                        ) -> list[Rectangle]:
    """Bands as rectangles over the whole width, neighbours as one."""
    result: list[Rectangle] = []
    for number in sorted(bands):
        top = number * wire.BAND_ROWS
        rows = min(wire.BAND_ROWS, height - top)
        if result and result[-1][1] + result[-1][3] == top:
            _, start, _, above = result.pop()
            result.append((0, start, width, above + rows))
        else:
            result.append((0, top, width, rows))
    return result


def bands_of(y: int, height: int) -> range:
    """The numbers of the bands that have some of these rows."""
    return range(y // wire.BAND_ROWS, band_count(y + height))


class HostDisplay:
    """Writes the picture; used by the display's shadow device alone.

    :ivar framebuffer: the pixels; ``writing`` is called before any changes
    :ivar width: of the picture; 0 before the first ``set_mode``
    :ivar height: likewise
    :ivar whole: width and height of the instance's picture, of which no more
        may be shown
    """

    def __init__(self, region: region_module.Region) -> None:
        """Take the region; nothing is written yet."""
        self._region = region
        self._words = region.words
        self.framebuffer = region.data[wire.FRAMEBUFFER_START:]
        self._cursor_data = region.data[
            wire.CURSOR_START:wire.FRAMEBUFFER_START]
        self._epoch = self._last_epoch = 0
        self._published = 0
        self._cursors = 0
        self.width = self.height = 0
        self.whole = 0, 0
        # The hash of each band, None where it is not known; see ``picture``.
        self._hashes: list[bytes | None] = []
        # Bands whose pixels are being written, with no damage record yet; and
        # the bands of each of the last damage records.
        self._writing: set[int] = set()
        self._recent: collections.deque[range] = collections.deque(
            maxlen=wire.DAMAGE_RECORDS)

    def close(self) -> None:
        """Give the buffer up, so that its mmap can be closed."""
        self.framebuffer.release()
        self._cursor_data.release()

    @property
    def viewers(self) -> int:
        """How many clients look at the picture, as Domain R reports."""
        return self._words[region_module.VIEWERS]

    @property
    def room(self) -> Room:
        """For how large a picture this Domain R has room, and the region."""
        word = self._words[region_module.PICTURE_MAX]
        incarnation = self._words[region_module.INCARNATION]
        if not incarnation or word >> 32 != incarnation & _COUNT_MASK:
            return EARLIER_ROOM
        return Room(min(word & _COUNT_MASK, len(self.framebuffer)))

    @property
    def is_open(self) -> bool:
        """Whether ``open`` was called, and ``shut`` not since."""
        return bool(self._epoch)

    @property
    def seen(self) -> bool:
        """Whether Domain R has dealt with all damage."""
        return self._unseen() == 0

    def _unseen(self) -> int:
        """How many of the damage records Domain R has not dealt with."""
        word = self._words[region_module.DAMAGE_SEEN]
        if word >> 32 != self._epoch & _COUNT_MASK:
            return self._published  # it has dealt with none of this epoch
        return (self._published - word) & _COUNT_MASK

    def set_mode(self, width: int, height: int,
                 whole: tuple[int, int] | None = None) -> None:
        """Begin with a picture of this size; ``open`` has it shown.

        :param whole: size of the instance's picture, if more than is shown
        :raises ValueError: the region has no room for it
        """
        if width * height * PIXEL_SIZE > len(self.framebuffer):
            raise ValueError(f'{width}x{height} is too large')
        self.shut()
        self.width, self.height = width, height
        self._hashes = [None] * band_count(height)
        self._writing.clear()
        self.whole = whole or (width, height)
        self._words[region_module.DISPLAY_MODE] = (
            width | height << 16 | self.whole[0] << 32 | self.whole[1] << 48)

    def set_leds(self, leds: int | None) -> None:
        """Set what the lights of the keyboard show; None: nobody knows."""
        self._words[region_module.DISPLAY_LEDS] = (
            0 if leds is None else leds | wire.LEDS_KNOWN)

    def set_cursor(self, cursor: Cursor | None) -> None:
        """Set the pointer's shape; one that is too large is not shown."""
        word = 0
        if (cursor is not None and 0 < cursor.width <= wire.CURSOR_SIDE_MAX
                and 0 < cursor.height <= wire.CURSOR_SIDE_MAX
                and len(cursor.pixels)
                == cursor.width * cursor.height * PIXEL_SIZE):
            self._cursor_data[:len(cursor.pixels)] = cursor.pixels
            self._cursors = (self._cursors + 1) & _COUNT_MASK
            word = (cursor.width | cursor.height << 8
                    | min(cursor.hot_x, 0xff) << 16
                    | min(cursor.hot_y, 0xff) << 24 | self._cursors << 32)
        self._words[region_module.DISPLAY_CURSOR] = word

    def open(self, epoch: int, damage: list[Rectangle]) -> None:
        """Tell Domain R that it may show the picture from now on.

        :param damage: where it differs from the one at the freeze, or from
            the one before ``shut``
        """
        words = self._words
        words[region_module.DISPLAY_EPOCH] = 0
        if epoch != self._last_epoch:
            self._last_epoch = epoch
            self._published = 0
            self._recent.clear()
        words[region_module.DISPLAY_PUBLISHED] = self._published
        self._epoch = epoch
        self.damage(damage)
        words[region_module.DISPLAY_EPOCH] = epoch

    def shut(self) -> None:
        """Tell Domain R not to read the pixels before the next ``open``."""
        self._words[region_module.DISPLAY_EPOCH] = self._epoch = 0

    def forget_pixels(self) -> None:
        """Give the memory of all pixels back, until they are written again.

        :raises StateError: the picture is open
        """
        if self.is_open:
            raise errors.StateError('the picture is shown')
        self._hashes = [None] * len(self._hashes)
        self._region.forget(wire.FRAMEBUFFER_START)

    def writing(self, y: int, height: int) -> None:
        """Pixels in these rows are about to be written; damage follows."""
        for band in bands_of(y, height):
            self._hashes[band] = None
            self._writing.add(band)

    def damage(self, rectangles: list[Rectangle]) -> None:
        """Say that pixels inside these rectangles were written."""
        for x, y, width, height in rectangles:
            index = self._published % wire.DAMAGE_RECORDS
            self._words[region_module.DISPLAY_DAMAGE + index] = (
                x | y << 16 | width << 32 | height << 48)
            self._recent.append(bands_of(y, height))
            self._published += 1
            self._words[region_module.DISPLAY_PUBLISHED] = self._published
        self._writing.clear()

    def picture(self) -> Picture:
        """The picture as it is now.

        Only the bands that were written since the last time are hashed.
        """
        row = self.width * PIXEL_SIZE
        size = row * wire.BAND_ROWS
        for number, known in enumerate(self._hashes):
            if known is None:
                end = min((number + 1) * size, self.height * row)
                self._hashes[number] = hashlib.blake2b(
                    self.framebuffer[number * size:end],
                    digest_size=HASH_SIZE).digest()
        picture = Picture(self.width, self.height, tuple(
            each for each in self._hashes if each is not None))
        for number in self._writing:
            self._hashes[number] = None     # it is still being written
        return picture

    def seen_picture(self) -> Picture | None:
        """The picture that Domain R has dealt with; None if it is not known.

        A band with damage that Domain R has not dealt with gets a random
        hash, so that it differs from whatever it is compared with.
        """
        unseen = self._unseen()
        if not self.is_open or unseen > len(self._recent):
            return None
        bands = list(self.picture().bands)
        other = set(self._writing)
        for number in range(1, unseen + 1):
            other.update(self._recent[-number])
        # Some records may be of an earlier picture that had more rows.
        other.intersection_update(range(len(bands)))
        for number in other:
            bands[number] = os.urandom(HASH_SIZE)
        return Picture(self.width, self.height, tuple(bands))


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
    damage: list[Rectangle] | None = dataclasses.field(default_factory=list)


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
        self._room = Room(region.framebuffer_size)
        self._epoch = 0     # in which the picture may be shown; 0: in none
        self._seen = 0
        self._cursor_word = self._leds_word = 0
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
        """Look for changes.

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

    def _damage(self, published: int) -> list[Rectangle] | None:
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
            self._seen & _COUNT_MASK | (self._epoch & _COUNT_MASK) << 32)

    def set_viewers(self, count: int) -> None:
        """Tell the host how many clients look at the picture."""
        self._words[region_module.VIEWERS] = count

    def leds(self) -> int | None:
        """What the lights of the keyboard showed at the last poll."""
        word = self._leds_word
        return word & 7 if word & wire.LEDS_KNOWN else None

    def cursor(self) -> Cursor | None:
        """The pointer's shape now."""
        word = self._words[region_module.DISPLAY_CURSOR]
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
