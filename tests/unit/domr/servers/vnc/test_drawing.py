# SPDX-License-Identifier: Apache-2.0
"""Text as pixels."""

import unittest

import hypothesis
from hypothesis import strategies

from nova_dmore.domr.servers.vnc import drawing
from tests import examples


def shown(pixels: bytes, width: int) -> list[str]:
    """Pixels as characters."""
    paper = pixels[:4]
    return [''.join(' ' if pixels[at:at + 4] == paper else '#'
                    for at in range(start, start + width * 4, 4))
            for start in range(0, len(pixels), width * 4)]


class DrawingTest(unittest.TestCase):

    def test_a_letter(self) -> None:
        rows = shown(drawing.draw(['T'], 12, 15), 12)
        self.assertEqual('  #######   ', rows[3])
        self.assertEqual('     #      ', rows[4])
        self.assertEqual({' ' * 12}, set(rows[:3] + rows[12:]))

    def test_lines(self) -> None:
        rows = shown(drawing.draw(['T', 'T'], 8, 26), 8)
        self.assertEqual(rows[:13], rows[13:])

    def test_what_has_no_glyph(self) -> None:
        self.assertEqual(drawing.draw(['?'], 8, 13),
                         drawing.draw(['\u65e5'], 8, 13))

    @examples.settings()
    @hypothesis.given(strategies.lists(strategies.text(max_size=30)),
                      strategies.integers(1, 40), strategies.integers(1, 40))
    def test_anything_fits(self, lines, width, height) -> None:
        self.assertEqual(width * height * 4,
                         len(drawing.draw(lines, width, height)))
