# SPDX-License-Identifier: Apache-2.0
"""Tables for people. Pure."""

from collections.abc import Sequence

import prettytable


def columns(rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """A table.

    :param rows: the first one is the heading
    :param left: so many columns are texts, the others numbers
    """
    heading, *others = rows
    made = prettytable.PrettyTable(heading, border=False, align='r')
    for name in heading[:left]:
        made.align[name] = 'l'
    made.add_rows(others)
    # There is a space on both sides of each cell.
    return '\n'.join(line[1:].rstrip()
                     for line in made.get_string().splitlines())
