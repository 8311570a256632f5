# SPDX-License-Identifier: Apache-2.0
"""Text as pixels: what a client sees of an instance without a picture, and a
line that is laid over one. Pure; colours are blue, green, red, unused.
"""

from collections.abc import Sequence

from nova_dmore.domr.servers.vnc import glyphs

_INK = b'\xe0\xe0\xe0\0'
_PAPER = b'\x30\x20\x18\0'


def draw(lines: Sequence[str], width: int, height: int, scale: int = 1
         ) -> bytes:
    """Lines of text in the middle of a picture.

    :param lines: what is no printable ASCII becomes a question mark, and what
        has no room is left out
    :param scale: pixels of the picture for one of a glyph
    """
    most = width // (glyphs.WIDTH * scale)
    row_height = glyphs.HEIGHT * scale
    lines = lines[:height // row_height]
    empty = _PAPER * width
    above = (height - len(lines) * row_height) // 2
    rows = [empty] * above
    for line in lines:
        text = line[:most]
        left = (width - len(text) * glyphs.WIDTH * scale) // 2
        for y in range(glyphs.HEIGHT):
            bits = b''.join(_PIXELS[_row(character, y)] for character in text)
            if scale > 1:
                bits = b''.join(bits[at:at + 4] * scale
                                for at in range(0, len(bits), 4))
            row = _PAPER * left + bits
            rows += [row + _PAPER * (width - len(row) // 4)] * scale
    rows += [empty] * (height - len(rows))
    return b''.join(rows)


def _row(character: str, y: int) -> int:
    index = ord(character) - 0x20
    if not 0 <= index < len(glyphs.GLYPHS) // glyphs.HEIGHT:
        index = ord('?') - 0x20
    return glyphs.GLYPHS[index * glyphs.HEIGHT + y]


_PIXELS = [b''.join(_INK if byte << bit & 0x80 else _PAPER
                    for bit in range(glyphs.WIDTH)) for byte in range(256)]
