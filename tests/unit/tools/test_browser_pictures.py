# SPDX-License-Identifier: Apache-2.0

import pathlib
import tempfile
import unittest

# For the path that it sets.
from tests.unit import tools  # noqa: F401
from laboratory.browser.pictures import Picture

_PIXELS = bytes(range(18))


class PictureTest(unittest.TestCase):

    def setUp(self):
        super().setUp()
        self.picture = Picture(3, 2, _PIXELS)

    def test_ppm(self):
        self.assertEqual(self.picture,
                         Picture.decode(b'P6\n3 2\n255\n' + _PIXELS))

    def test_png(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / 'new' / 'picture.png'
            self.picture.save(path)
            self.assertEqual(self.picture, Picture.decode(path.read_bytes()))

    def test_the_same(self):
        self.assertEqual(0, self.picture.wrong_pixels(self.picture))

    def test_a_pixel_is_counted_once(self):
        for wrong, changes in ((1, {0: 99}), (1, {0: 1, 1: 0, 2: 0}),
                               (2, {2: 3, 17: 16})):
            pixels = bytearray(_PIXELS)
            for at, value in changes.items():
                pixels[at] = value
            self.assertEqual(wrong, self.picture.wrong_pixels(
                Picture(3, 2, bytes(pixels))))

    def test_another_size_is_all_wrong(self):
        self.assertEqual(6, self.picture.wrong_pixels(
            Picture(2, 3, _PIXELS)))
