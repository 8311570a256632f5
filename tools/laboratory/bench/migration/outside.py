# SPDX-License-Identifier: Apache-2.0
"""Has a cloud, of which one host sends pairs side by side, and runs the part
in its controller."""

import contextlib
import dataclasses
import json
import subprocess
from collections.abc import Sequence

from laboratory.bench.migration import plan
from laboratory.bench.migration.plan import Cell
from laboratory.cloud import clouds
from laboratory.layout import Layout, TOOLS
from laboratory.progress import Progress
from laboratory.testbed import conf_compute, inifile, services
from laboratory.testbed.settings import CONTROLLER, Place


def measure(layout: Layout, runs: int, cells: Sequence[Cell], keep: bool
            ) -> tuple[list[dict], bool]:
    """The rows, and whether they are all that was asked for.

    :param keep: leave the cloud up; a later run uses it
    :raises Failure: there is no cloud
    """
    progress = Progress()
    with clouds.alone(layout, 'bench'):
        place = clouds.get(layout, progress)
        host = plan.SOURCES[plan.UNSYNCHRONISED]
        with progress.step(f'from {host} pairs migrate side by side'):
            _synchronise(place, host, False)
        made, ended = _measure(place, runs, cells)
        if keep:
            _synchronise(place, host, True)
        elif not ended:
            clouds.testbed('remove the cloud', progress, 'down')
    return made, not ended


def _measure(place: Place, runs: int, cells: Sequence[Cell]
             ) -> tuple[list[dict], int]:
    made = []
    with subprocess.Popen(
            place.host(CONTROLLER).enter([
                place.layout.venv_program('python'), '-m',
                'laboratory.bench.migration.inside', str(runs),
                json.dumps([dataclasses.asdict(cell) for cell in cells])]),
            stdout=subprocess.PIPE, text=True, env={
                **place.environment(), **place.credentials(),
                'PYTHONPATH': str(TOOLS),
                'DMORE_STATE': str(place.layout.state)}) as process, (
                    contextlib.ExitStack()) as failing:
        failing.callback(process.terminate)
        for line in process.stdout:
            made.append(json.loads(line))
        failing.pop_all()
    return made, process.returncode


def _synchronise(place: Place, name: str, wanted: bool) -> None:
    """Have a host send both machines of a pair in step, or side by side.

    :raises Failure: nova-compute does not start again
    """
    inifile.write(
        place.config('nova', f'nova-{name}.conf'), inifile.render(
            inifile.merge(conf_compute.nova_compute(place, name),
                          {'dmore': {'synchronise': wanted}})))
    for service in services.recorded([place.host(name)]):
        if service.name == 'nova-compute':
            service.stop()
            service.start()
            service.wait_until_ready()
