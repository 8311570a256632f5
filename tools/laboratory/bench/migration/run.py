# SPDX-License-Identifier: Apache-2.0
"""Has a cloud, of which one host sends pairs side by side, and measures where
its users are."""

import pathlib
import tempfile
from collections.abc import Sequence

from laboratory.bench.migration import plan
from laboratory.bench.migration.plan import Cell
from laboratory.bench.migration.runner import Runner
from laboratory.cloud.api import Cloud
from laboratory.progress import Progress
from laboratory.testbed import conf_compute, inifile, services
from laboratory.testbed.settings import Place


def measure(place: Place, runs: int, cells: Sequence[Cell], keep: bool,
            rows: list[dict], progress: Progress) -> None:
    """Measure all that was asked for.

    :param keep: a later run uses the cloud
    :param rows: gets what was measured, one after the other
    :raises Failure: not all could be measured
    """
    host = plan.SOURCES[plan.UNSYNCHRONISED]
    with progress.step(f'from {host} pairs migrate side by side'):
        _synchronise(place, host, False)
    try:
        _measure(place, runs, cells, rows, progress)
    finally:
        if keep:
            _synchronise(place, host, True)


def _measure(place: Place, runs: int, cells: Sequence[Cell],
             rows: list[dict], progress: Progress) -> None:
    """:raises Failure: something else than what is measured went wrong"""
    with (tempfile.TemporaryDirectory() as folder,
          Runner(Cloud(place), place, pathlib.Path(folder),
                 progress) as runner):
        for block in plan.blocks(cells):
            for row in runner.block(block, runs):
                rows.append(row)


def _synchronise(place: Place, name: str, wanted: bool) -> None:
    """Have a host send both machines of a pair in step, or side by side.

    :raises Failure: nova-compute does not start again
    """
    inifile.write(
        place.config('nova', f'nova-{name}.conf'), inifile.render(
            inifile.merge(conf_compute.nova_compute(place, name),
                          {'dmore': {'synchronise': wanted}})))
    services.find(place.host(name), 'nova-compute').restart()
