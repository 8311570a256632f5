# SPDX-License-Identifier: Apache-2.0
"""Tables for people. Pure."""


def columns(rows: list[list[str]]) -> str:
    """A table: the first column to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    return '\n'.join('  '.join(
        cell.rjust(width) if place else cell.ljust(width)
        for place, (cell, width) in enumerate(zip(row, widths))).rstrip()
        for row in rows)
