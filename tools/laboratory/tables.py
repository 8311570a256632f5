# SPDX-License-Identifier: Apache-2.0
"""Tables for people. Pure."""

from collections.abc import Iterable

import prettytable

#: The first one is the heading.
Rows = list[list[object]]


def columns(rows: Iterable[Iterable[object]], left: int = 1,
            digits: int | None = None) -> str:
    """A table.

    :param rows: the first one is the heading; None is nothing
    :param left: so many columns are texts, the others numbers
    :param digits: of numbers with a fraction; None: as many as they have
    """
    (*heading,), *others = rows
    made = prettytable.PrettyTable(heading, border=False, align='r',
                                   none_format='-')
    if digits is not None:
        made.float_format = f'.{digits}'
    for name in heading[:left]:
        made.align[name] = 'l'
    made.add_rows(others)
    # There is a space on both sides of each cell.
    return '\n'.join(line[1:].rstrip()
                     for line in made.get_string().splitlines())
