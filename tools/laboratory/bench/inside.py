# SPDX-License-Identifier: Apache-2.0
"""The part of ``tools/bench`` that needs what the set-up has made."""

import argparse
import pathlib
import subprocess
import sys
import tempfile

from laboratory import launch
from laboratory.bench import (
    cli, console, footprint, footprint_report, operations, report)
from laboratory.bench.migration import plan, run, summary
from laboratory.cloud import clouds
from laboratory.cloud.api import Cloud
from laboratory.cloud.borrowed import borrowed
from laboratory.layout import Layout
from laboratory.progress import Failure, Progress
from nova_dmore import exception


def main(arguments: list[str]) -> int:
    """Measure, and report.

    :returns: the exit status: 0 if there are figures
    """
    return launch.run('bench', lambda: _bench(
        cli.parser().parse_args(arguments)))


def _bench(options: argparse.Namespace) -> int:
    layout = Layout.from_environment()
    with clouds.alone(layout, 'bench'):
        # No older result is left.
        launch.write(options.json, '')
        {'console': _alone, 'footprint': _alone, 'migration': _migration,
         'operations': _operations}[options.command](layout, options)
    return 0


def _alone(layout: Layout, options: argparse.Namespace) -> None:
    """What needs no cloud.

    :raises Failure: it cannot be measured
    """
    try:
        with tempfile.TemporaryDirectory(prefix='dmore-bench-') as folder:
            made = (_console if options.command == 'console' else
                    _footprint)(layout, options, pathlib.Path(folder))
    except (exception.DMoreError, OSError,
            subprocess.SubprocessError) as error:
        raise Failure('the measurement', str(error)) from error
    launch.write_json(options.json, made)


def _console(layout: Layout, options: argparse.Namespace,
             folder: pathlib.Path) -> list[dict]:
    found = console.measure_console(layout, folder, options.runs,
                                    options.accel, Progress())
    figures = found['figures']
    print(report.table(figures), '', sep='\n')
    print(*report.aims(figures, options.accel), '', sep='\n')
    print(report.stages_table(found['stages']), '', sep='\n')
    print(report.encodings_table(found['encodings']))
    return figures


def _footprint(layout: Layout, options: argparse.Namespace,
               folder: pathlib.Path) -> list[dict]:
    found = footprint.measure_footprint(
        layout, folder, sorted(set(options.pairs)), options.accel, Progress(),
        merge=options.ksm)
    made = found['footprints']
    print(footprint_report.table(made), '', sep='\n')
    for name, heading in (('pss_mib', 'PSS of a pair, MiB'),
                          ('idle_pct', 'CPU of a pair, % of a core')):
        print(footprint_report.parts_table(heading, made, found[name]), '',
              sep='\n')
    print(*footprint_report.aims(made, options.accel), sep='\n')
    return made


def _operations(layout: Layout, options: argparse.Namespace) -> None:
    progress = Progress()
    with borrowed(layout, progress, options.keep) as place:
        made = operations.figures(operations.time_all(
            Cloud(place), options.runs, progress))
    print(operations.table(made), '', *operations.aims(made), sep='\n')
    launch.write_json(options.json, made)


def _migration(layout: Layout, options: argparse.Namespace) -> None:
    runs = options.runs or (2 if options.quick else 5)
    cells = [cell for cell in (plan.QUICK if options.quick else plan.FULL)
             if options.only.search(str(cell))]
    if not cells:
        raise Failure('--only', 'no circumstances match')
    rows: list[dict] = []
    progress = Progress()
    with borrowed(layout, progress, options.keep) as place:
        try:
            run.measure(place, runs, cells, options.keep, rows, progress)
        finally:
            # Hours of it are not lost when it ends badly.
            if rows:
                _report(options, rows)
    if options.plots is not None:
        # Here, for whoever draws nothing needs no library for it.
        from laboratory.bench.migration import plots
        for path in plots.draw(rows, options.plots):
            print(path)


def _report(options: argparse.Namespace, rows: list[dict]) -> None:
    figures = summary.figures(rows)
    for text in (summary.table(rows, figures), summary.opinions(rows),
                 summary.directions(rows), summary.where_time_goes(rows)):
        print(text, '', sep='\n')
    print(*summary.excluded(rows), *summary.aims(rows, figures), sep='\n')
    launch.write_json(options.json, {'figures': figures, 'raw': rows})


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
