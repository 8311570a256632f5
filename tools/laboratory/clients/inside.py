# SPDX-License-Identifier: Apache-2.0
"""The part of ``tools/test clients`` that needs what the set-up has made."""

import argparse
import pathlib
import sys
import tempfile

from laboratory import launch
from laboratory.clients import cases, cli, report
from laboratory.clients.scene import Scene, Wrong
from laboratory.clients.subject import Dmore, Stock, Subject
from laboratory.clients.users import Unavailable
from laboratory.cloud import clouds
from laboratory.cloud.api import Cloud
from laboratory.cloud.borrowed import borrowed
from laboratory.layout import Layout
from laboratory.progress import Failure, Progress
from laboratory.testbed.settings import Place


def main(arguments: list[str]) -> int:
    """Try everything, and print what came of it.

    :returns: the exit status: 0 if nothing failed at Domain R's consoles
    """
    options = cli.parser().parse_args(arguments)
    rows: list[report.Row] = []
    status = launch.run('test clients', lambda: _run(options, rows))
    if rows:
        print(report.table(rows))
    passed, failed = report.counted(rows)
    print(f'{passed} passed, {failed + status} failed', flush=True)
    return 1 if failed or status else 0


def _run(options: argparse.Namespace, rows: list[report.Row]) -> int:
    """:raises Failure: no cloud, or no instance in it"""
    layout, progress = Layout.from_environment(), Progress()
    wanted = [case for case in cases.every() if options.only is None
              or options.only.search(f'{case.client}: {case.name}')]
    if not wanted:
        raise Failure('--only', 'no case matches')
    with clouds.alone(layout, 'test clients'):
        with (borrowed(layout, progress, options.keep) as place,
              tempfile.TemporaryDirectory() as folder):
            _try_all(place, pathlib.Path(folder), wanted, progress, rows)
    launch.write_json(options.json, [row.as_json() for row in rows])
    launch.write(options.page, report.page(rows))
    return 0


def _try_all(place: Place, folder: pathlib.Path, wanted: list[cases.Case],
             progress: Progress, rows: list[report.Row]) -> None:
    cloud = Cloud(place)
    subjects: list[Subject] = []
    try:
        with progress.step('two instances'):
            for kind, flavor in ((Stock, 'm1.guest-stock'),
                                 (Dmore, 'm1.guest')):
                subjects.append(kind(kind.__name__.lower(), flavor, place,
                                     cloud, folder))
        stock, dmore = subjects
        for case in wanted:
            with progress.step(f'{case.client}: {case.name}'):
                row = report.Row(case.client, case.name, {
                    'stock': _try(case, stock, False),
                    'dmore': _try(case, dmore, False),
                    'dmore_migrated': _try(case, dmore, True)})
            rows.append(row)
            progress.say(report.line(row))
    finally:
        for subject in subjects:
            subject.close()


def _try(case: cases.Case, subject: Subject, moves: bool) -> report.Result:
    try:
        with Scene(subject, moves) as scene:
            case.run(scene)
    except Unavailable as reason:
        return report.Result(report.NOT_APPLICABLE, str(reason))
    except (Wrong, Failure, OSError) as error:
        return report.Result(report.FAILS, str(error))
    return report.Result(report.OK)


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
