# SPDX-License-Identifier: Apache-2.0
"""Pictures that clients show and that QEMU takes, compared pixel by pixel."""

import dataclasses
import io
import pathlib

from PIL import Image
from PIL import ImageChops


@dataclasses.dataclass(frozen=True)
class Picture:
    """Pixels of 24 bits.

    :param rgb: three bytes for each, row by row from the top
    """

    width: int
    height: int
    rgb: bytes

    @classmethod
    def decode(cls, data: bytes) -> 'Picture':
        """From the bytes of a PNG or PPM file."""
        with Image.open(io.BytesIO(data)) as image:
            return cls(*image.size, image.convert('RGB').tobytes())

    def _image(self) -> Image.Image:
        return Image.frombytes('RGB', (self.width, self.height), self.rgb)

    def save(self, path: pathlib.Path) -> None:
        """As PNG."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._image().save(path, 'PNG', optimize=True)

    def wrong_pixels(self, right: 'Picture') -> int:
        """How many pixels are not as in another picture.

        All of them, if the sizes differ.
        """
        if (self.width, self.height) != (right.width, right.height):
            return self.width * self.height
        if self.rgb == right.rgb:
            return 0
        bands = ImageChops.difference(self._image(), right._image()).split()
        any_band = bands[0]
        for band in bands[1:]:
            any_band = ImageChops.lighter(any_band, band)
        return self.width * self.height - any_band.histogram()[0]
