# SPDX-License-Identifier: Apache-2.0
"""Pictures: read from a file, compared, and read by their text. Pure."""

import pathlib
from typing import BinaryIO

import numpy
from PIL import Image

from guest import protocol
from laboratory.vnc.encodings import Pixels

#: Height of a character; its width is 9 in VGA's text mode, else 8.
_CELL_HEIGHT = 16
_TEXT_MODE_WIDTHS = (720, 1440)
_DIGITS = 8


def load(file: pathlib.Path | BinaryIO) -> Pixels:
    """A picture from a file, as a program has written it.

    :raises OSError: it is no picture
    """
    with Image.open(file) as image:
        return pixels(image)


def pixels(image: Image.Image) -> Pixels:
    """The same in our form."""
    parts = numpy.asarray(image.convert('RGB'), numpy.uint32)
    return parts[..., 0] << 16 | parts[..., 1] << 8 | parts[..., 2]


def save(picture: Pixels, path: pathlib.Path) -> None:
    """In the form that the name's suffix tells, in a folder that is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    parts = numpy.stack([picture >> shift & 0xff for shift in (16, 8, 0)],
                        axis=-1)
    Image.fromarray(parts.astype(numpy.uint8)).save(path)


def wrong_pixels(shown: Pixels, right: Pixels) -> int:
    """How many pixels differ; of different sizes, all of the larger one."""
    if shown.shape != right.shape:
        return max(shown.size, right.size)
    return int(numpy.count_nonzero(shown != right))


class Screen:
    """What ``dmore-screen`` shows in a picture; see ``guest/protocol.py``.

    The digits' looks are learnt from the picture itself, each time.
    """

    def __init__(self, picture: Pixels) -> None:
        self._picture = picture
        self._width = 9 if picture.shape[1] in _TEXT_MODE_WIDTHS else 8
        looks = [self._cell(1, place)
                 for place in range(len(protocol.SCREEN_RULER))]
        self._digits = {look: value for value, look in enumerate(looks)}
        self._known = len(self._digits) == len(protocol.SCREEN_RULER)

    def next(self) -> int | None:
        """The number of the key that is expected, if it can be read."""
        numbers = self._row(protocol.SCREEN_NEXT_ROW, 1)
        return numbers[0] if numbers else None

    def ledger(self) -> dict[str, int] | None:
        """The ledger that was asked for last, if there is one."""
        numbers = self._row(protocol.SCREEN_LEDGER_ROW,
                            len(protocol.SCREEN_LEDGER))
        return dict(zip(protocol.SCREEN_LEDGER, numbers)) if numbers else None

    def _cell(self, row: int, column: int) -> bytes:
        top, left = (row - 1) * _CELL_HEIGHT, column * self._width
        # The ninth column of text mode is empty.
        return self._picture[top:top + _CELL_HEIGHT,
                             left:left + 8].tobytes()

    def _row(self, row: int, count: int) -> list[int] | None:
        if not self._known:
            return None
        numbers = []
        for place in range(count + 1):
            value = 0
            for digit in range(_DIGITS):
                found = self._digits.get(
                    self._cell(row, place * (_DIGITS + 1) + digit))
                if found is None:
                    return None
                value = value << 4 | found
            numbers.append(value)
        # A picture may have been taken while the guest wrote.
        *values, check = numbers
        text = protocol.screen_row(row, values)
        return values if text[-_DIGITS:] == b'%08x' % check else None
