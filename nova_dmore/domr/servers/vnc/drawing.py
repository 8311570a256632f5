# SPDX-License-Identifier: Apache-2.0
"""Text as pixels: what a client sees of an instance without a picture, and a
line that is laid over one. Pure; colours are blue, green, red, unused.
"""

from collections.abc import Sequence

from nova_dmore.domr.servers.vnc import glyphs

#: Ink and paper.
LIGHT_ON_BLACK = b'\xe0\xe0\xe0\0', bytes(4)
BLACK_ON_YELLOW = bytes(4), b'\x40\xd0\xf0\0'


def draw(lines: Sequence[str], width: int, height: int,
         colours: tuple[bytes, bytes] = LIGHT_ON_BLACK) -> bytes:
    """Lines of text in the middle of a picture.

    :param lines: what is no printable ASCII becomes a question mark, and what
        has no room is left out
    """
    ink, paper = colours
    lines = lines[:height // glyphs.HEIGHT]
    empty = paper * width
    rows = [empty] * ((height - len(lines) * glyphs.HEIGHT) // 2)
    for line in lines:
        text = line[:width // glyphs.WIDTH]
        left = (width - len(text) * glyphs.WIDTH) // 2
        for y in range(glyphs.HEIGHT):
            bits = ''.join(f'{_row(each, y):08b}' for each in text)
            row = paper * left + b''.join(
                ink if bit == '1' else paper for bit in bits)
            rows.append(row + paper * (width - len(row) // 4))
    rows += [empty] * (height - len(rows))
    return b''.join(rows)


def _row(character: str, y: int) -> int:
    index = ord(character) - 0x20
    if not 0 <= index < len(glyphs.GLYPHS) // glyphs.HEIGHT:
        index = ord('?') - 0x20
    return glyphs.GLYPHS[index * glyphs.HEIGHT + y]
