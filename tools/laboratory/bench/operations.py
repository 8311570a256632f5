# SPDX-License-Identifier: Apache-2.0
"""What the plug-in adds to Nova's operations: create, live migration, delete.

An instance with the stock consoles and one with a Domain R in turn, in the
same cloud and run.
"""

import statistics
import time
from collections.abc import Callable, Iterator

from laboratory.cloud.api import Cloud
from laboratory.progress import Progress
from laboratory.tables import columns
from laboratory.testbed.settings import COMPUTES

STOCK, DMORE = SIDES = 'stock', 'dmore'
OPERATIONS = 'server create', 'live migration', 'server delete'
#: What the plug-in may add: so many seconds, and this part of what stock
#: takes.
AIM_S, AIM_PART = 1.0, 0.1

_MEMORY_MIB = 256
_LOOK_S = 0.1
#: Seconds by operation and side.
Times = dict[tuple[str, str], list[float]]


def turns(runs: int) -> Iterator[tuple[int, str]]:
    """Number of the run, and side; 0 does not count: what services do for the
    first time takes longer."""
    for run in range(runs + 1):
        # Neither side is always the first.
        for side in SIDES if run % 2 else SIDES[::-1]:
            yield run, side


def time_all(cloud: Cloud, runs: int, progress: Progress) -> Times:
    """How long each operation took, each time.

    :raises Failure: one fails
    """
    for side, specs in ((STOCK, {'dmore:domain_r': 'disabled'}), (DMORE, {})):
        cloud.flavor(f'bench-operations-{side}', _MEMORY_MIB, **specs)
    times: Times = {(name, side): []
                    for name in OPERATIONS for side in SIDES}
    source, destination = COMPUTES
    for run, side in turns(runs):
        with progress.step(f'run {run} of {runs}, {side}'):
            server, created = _timed(lambda: cloud.boot(
                f'bench-operations-{side}', f'bench-operations-{side}',
                source, look_s=_LOOK_S))
            if side == DMORE:
                cloud.ssh_url(server)   # or it was not what is measured
            migrated = cloud.migrate(server, source, destination,
                                     look_s=_LOOK_S)
            _, deleted = _timed(lambda: cloud.delete(server, look_s=_LOOK_S))
        if run:
            for name, seconds in zip(OPERATIONS,
                                     (created, migrated, deleted)):
                times[name, side].append(seconds)
    return times


def _timed(function: Callable):
    """What it returns, and how long it takes, in seconds."""
    begin = time.monotonic()
    result = function()
    return result, time.monotonic() - begin


def figures(times: Times) -> list[dict]:
    """Medians of each operation."""
    made = []
    for name in OPERATIONS:
        stock, dmore = (statistics.median(times[name, side])
                        for side in SIDES)
        made.append({
            'name': name, 'stock_s': round(stock, 2),
            'dmore_s': round(dmore, 2), 'ratio': round(dmore / stock, 3),
            'runs': min(len(times[name, side]) for side in SIDES)})
    return made


def table(made: list[dict]) -> str:
    """As people read them."""
    return columns([
        ['operation', 'stock, s', 'Domain R, s', 'ratio', 'runs'],
        *(each.values() for each in made)], digits=2)


def aims(made: list[dict]) -> Iterator[str]:
    """Whether each operation takes no longer than it may."""
    for each in made:
        added = each['dmore_s'] - each['stock_s']
        limit = AIM_S + AIM_PART * each['stock_s']
        yield (f'{"met" if added <= limit else "MISSED"}: {each["name"]} '
               f'takes {added:+.2f} s, aim: at most {limit:+.2f} s')
