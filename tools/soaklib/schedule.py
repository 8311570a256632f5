# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""What happens in which order, from a seed. Pure."""

import itertools
import random
from collections.abc import Iterator

from faultlib import catalogue

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
            raise ValueError(f'there is no case {word}')
        found += here
    return found
