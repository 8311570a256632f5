# SPDX-License-Identifier: Apache-2.0
"""What is measured in which order. Pure."""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

from laboratory.testbed.settings import COMPUTES

STOCK, UNSYNCHRONISED, DMORE = SIDES = 'stock', 'unsynchronised', 'dmore'
#: The pair is migrated there in step and back side by side: from where a side
#: starts, if that matters.
SOURCES = {DMORE: COMPUTES[0], UNSYNCHRONISED: COMPUTES[1]}
#: In which order they are measured, now and then.
_TURNS = (STOCK, DMORE, UNSYNCHRONISED), (DMORE, UNSYNCHRONISED, STOCK)
IDLE, DIRTY = 'idle', 'dirty'
SSH, VNC = CLIENTS = 'ssh', 'vnc'

_MEMORIES_MIB = (512, 2048)
_INTERVALS_MS = (50, 5)


@dataclasses.dataclass(frozen=True)
class Cell:
    """One set of circumstances.

    :param guest: what it does beside its helper: nothing (IDLE), or writing
        to a quarter of its memory (DIRTY)
    :param client: who types, if anybody does; with the stock consoles its
        serial console takes the place of SSH
    """

    instance_mib: int
    guest: str
    client: str | None = None
    key_interval_ms: int | None = None

    def __str__(self) -> str:
        typing = (f'{self.client}, a key per {self.key_interval_ms} ms'
                  if self.client else 'no input')
        return f'{self.instance_mib} MiB, {self.guest}, {typing}'


def _cells(instance_mib: int, guest: str) -> list[Cell]:
    return [Cell(instance_mib, guest), *(
        Cell(instance_mib, guest, client, interval)
        for interval, client in itertools.product(_INTERVALS_MS, CLIENTS))]


FULL = [cell for memory, guest in itertools.product(
    _MEMORIES_MIB, (IDLE, DIRTY)) for cell in _cells(memory, guest)]
#: ``--quick``: each circumstance by itself beside the usual ones. An emulated
#: keyboard takes a minute for what is typed at 5 ms meanwhile: not here.
QUICK = [
    Cell(512, IDLE), Cell(512, IDLE, SSH, 50), Cell(512, IDLE, VNC, 50),
    Cell(512, IDLE, SSH, 5), Cell(512, DIRTY, SSH, 50),
    Cell(2048, IDLE, SSH, 50),
]


@dataclasses.dataclass(frozen=True)
class Measurement:
    """One migration that is to be made."""

    cell: Cell
    run: int
    side: str


def blocks(cells: Sequence[Cell]) -> list[list[Cell]]:
    """Cells that can share their instances."""
    return [list(block) for _, block in itertools.groupby(
        cells, lambda cell: (cell.instance_mib, cell.guest))]


def measurements(block: Sequence[Cell], runs: int) -> Iterator[Measurement]:
    """All of a block: in each run each cell, and of that each side."""
    turn = itertools.cycle(_TURNS)
    for run in range(1, runs + 1):
        for cell in block:
            for side in next(turn):
                yield Measurement(cell, run, side)
