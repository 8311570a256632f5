# SPDX-License-Identifier: Apache-2.0
"""The figures of a migration, drawn by the real library."""

import pathlib
import tempfile
import unittest

from PIL import Image

# For the path that it sets.
from tests.unit import tools  # noqa: F401
from laboratory.bench.migration import plan
from laboratory.bench.migration import plots
from tests.unit.tools import test_bench_migration

_COLOUR = (0, 114, 178)     # of the synchronised pair


class PlotsTest(unittest.TestCase):

    def draw(self, rows) -> list[Image.Image]:
        folder = pathlib.Path(self.enterContext(
            tempfile.TemporaryDirectory())) / 'new'
        made = plots.draw(rows, folder)
        self.assertEqual(['keys-lost.png', 'total.png', 'stop.png',
                          'response.png'], [path.name for path in made])
        pictures = []
        for path in made:
            with Image.open(path) as picture:
                pictures.append(picture.convert('RGB'))
        return pictures

    def pixels(self, picture: Image.Image) -> int:
        """How much of it has the colour of the synchronised pair."""
        return sum(count for count, colour in picture.getcolors(1 << 20)
                   if colour == _COLOUR)

    def test_all_of_them(self):
        rows = [row for cell in plan.QUICK for run in (1, 2)
                for side in plan.SIDES
                for row in test_bench_migration.make_rows(cell, run, side)]
        without = self.draw([row for row in rows
                             if row['side'] != plan.DMORE])
        for picture, other in zip(self.draw(rows), without):
            # The legend has it in any case.
            self.assertGreater(self.pixels(picture), self.pixels(other))

    def test_next_to_nothing(self):
        self.draw(test_bench_migration.make_rows(
            plan.QUICK[0], 1, plan.STOCK))
        self.draw([])
