# SPDX-License-Identifier: Apache-2.0
"""What happens in which order, from a seed. Pure."""

import itertools
import random
from collections.abc import Iterator

from laboratory.faults import catalogue

#: So many migrations in a hundred have no fault.
_QUIET = 20

Step = tuple[str | None, str | None]


def schedule(seed: int, stock: bool = False) -> Iterator[Step]:
    """A fault and a phase for each migration, without an end; neither in a
    quiet one. The same seed gives the same ones.

    All cases come before one comes again.
    """
    source = random.Random(seed)
    cases = list(catalogue.cases(stock))
    while True:
        source.shuffle(cases)
        for case in cases:
            while source.randrange(100) < _QUIET:
                yield None, None
            yield case


def plain() -> Iterator[Step]:
    """Migrations without a fault, without an end."""
    return itertools.repeat((None, None))


def chosen(words: list[str], stock: bool = False) -> list[Step]:
    """Cases that ``FAULT:PHASE`` names; either part may be ``*``.

    :raises ValueError: there is no such case
    """
    found: list[Step] = []
    for word in words:
        fault, _colon, phase = word.partition(':')
        here = [case for case in catalogue.cases(stock)
                if fault in ('*', case[0]) and phase in ('*', case[1])]
        if not here:
            known = catalogue.cases(stock)
            raise ValueError(
                f'there is no case {word}: the faults are '
                f'{", ".join(sorted({each for each, _phase in known}))}, the '
                f'phases {", ".join(sorted({each for _fault, each in known}))}'
            )
        found += here
    return found
