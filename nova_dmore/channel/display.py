# SPDX-License-Identifier: Apache-2.0
"""The picture of the instance in the region: what both ends know, and the
host's end. Domain R's is :mod:`nova_dmore.channel.domr.display`.

"Display" in :mod:`nova_dmore.wire` says how the two agree. The host's end runs
in the worker; what both know also in Domain R, and in nova-compute, which
hands on what a worker carries over (:mod:`nova_dmore.channel.carry_over`).
"""

import collections
import dataclasses
import hashlib
import math
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
#: Where SIZE_WANTED has the epoch, and how much of it.
_WANTED_EPOCH = 40
_WANTED_EPOCH_MASK = (1 << 24) - 1


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
class SizeWanted:
    """A size that a viewer asks for.

    :ivar width: in pixels, at least 1
    :ivar height: likewise
    :ivar number: 0 to 255: which request it is
    """

    width: int
    height: int
    number: int

    def word(self, epoch: int) -> int:
        """As Domain R writes it."""
        return (self.width | self.height << 16 | self.number << 32
                | (epoch & _WANTED_EPOCH_MASK) << _WANTED_EPOCH)


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

    def shrink(self, width: int, height: int) -> tuple[int, int]:
        """The largest picture of (nearly) the same shape that has room; the
        one that is given, if it has.

        :param width: in pixels, at least 1
        :param height: likewise
        :returns: width and height; both 0 if nothing has room
        """
        if self.crop(width, height) == (width, height):
            return width, height
        most = self.size // PIXEL_SIZE
        # Each bound by itself, in whole numbers; what is extremely narrow
        # keeps a pixel of width, and is cut.
        wide = min(self.width, self.height * width // height,
                   math.isqrt(most * width // height))
        wide = max(1, min(wide, width))
        return self.crop(wide, max(1, wide * height // width))


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
        """How many viewers the picture has, as Domain R reports."""
        return self._words[region_module.VIEWERS]

    @property
    def room(self) -> Room:
        """How large a picture this Domain R shows: no more than the region
        has room for, whatever it says."""
        word = self._words[region_module.PICTURE_MAX]
        incarnation = self._words[region_module.INCARNATION]
        if not incarnation or word >> 32 != incarnation & _COUNT_MASK:
            return EARLIER_ROOM
        return Room(min(word & _COUNT_MASK, len(self.framebuffer)))

    def wanted_size(self, epoch: int) -> SizeWanted | None:
        """The size that a viewer asks for; Domain R may say anything.

        :param epoch: that is joined: what was asked for in another is nothing
        """
        word = self._words[region_module.SIZE_WANTED]
        width, height = word & 0xffff, word >> 16 & 0xffff
        if (word >> _WANTED_EPOCH != epoch & _WANTED_EPOCH_MASK
                or not width or not height):
            return None
        return SizeWanted(width, height, word >> 32 & 0xff)

    def answer_size(self, number: int, answer: wire.SizeAnswer, epoch: int
                    ) -> None:
        """Say what has become of the size with this number."""
        self._words[region_module.DISPLAY_SIZE_ANSWER] = (
            number | answer << 8 | (epoch & _COUNT_MASK) << 32)

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
