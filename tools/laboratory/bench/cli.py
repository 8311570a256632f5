# SPDX-License-Identifier: Apache-2.0
"""``tools/bench``: set up, measure in namespaces, report."""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys

from laboratory.bench import footprint_report, report
from laboratory.bench.migration import outside, plan, summary
from laboratory.layout import Layout, TOOLS
from laboratory.progress import Failure, Progress
from laboratory.setup import prepare


def main(arguments: list[str] | None = None) -> int:
    """Run a measurement.

    :returns: the exit status: 0 if there are figures
    """
    options = _parser().parse_args(arguments)
    layout = Layout.from_environment()
    try:
        if os.geteuid() != 0:
            raise Failure('bench', 'needs root: it makes namespaces')
        if options.json is not None:
            # Not at the end of a long run; and no older result is left.
            _write(options.json, '')
        prepare.Setup(layout, Progress()).everything()
        made = options.run(layout, options)
        if options.json is not None:
            _write_json(options.json, made)
    except Failure as failure:
        print(f'bench: {failure}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('bench: interrupted', file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='bench', description='Measure what Domain R gives and costs, '
        'against the stock console in the same run.')
    commands = parser.add_subparsers(required=True, metavar='COMMAND')
    console = commands.add_parser(
        'console', help="the graphical console against QEMU's own, at the "
        'same instance: latency, updates, CPU, wire')
    console.add_argument('--runs', type=_positive, default=3, metavar='N',
                         help='of each measurement; their median counts '
                         '(default: %(default)s)')
    console.set_defaults(run=_console)
    footprint = commands.add_parser(
        'footprint', help='what pairs cost that nobody uses: memory, disk, '
        'CPU; and how long one takes to boot')
    footprint.add_argument('--pairs', type=_positive, nargs='+',
                           default=[1, 5, 20], metavar='N',
                           help='how many on the machine, ever more '
                           '(default: 1 5 20)')
    footprint.add_argument('--ksm', action='store_true',
                           help='have the kernel merge equal pages, and leave '
                           'that as it was')
    footprint.set_defaults(run=_footprint)
    migration = commands.add_parser(
        'migration', help='a live migration with the stock consoles, with a '
        'pair whose machines move side by side, and with one that moves in '
        'step')
    migration.add_argument('--runs', type=_positive, metavar='N',
                           help='of each circumstance (default: 5; with '
                           '--quick: 2)')
    migration.add_argument('--quick', action='store_true',
                           help='only some circumstances, in 25 minutes')
    migration.add_argument('--only', type=_pattern, default='',
                           metavar='REGEX', help='circumstances that match, '
                           'as "512 MiB, idle, ssh, a key per 50 ms" or '
                           '"2048 MiB, dirty, no input"')
    migration.add_argument('--plots', type=pathlib.Path, metavar='DIR',
                           help='draw the figures as PNG files')
    migration.add_argument('--keep', action='store_true',
                           help='leave the cloud up; a later run uses it')
    migration.set_defaults(run=_migration)
    for command in (console, footprint, migration):
        command.add_argument('--json', type=pathlib.Path, metavar='FILE',
                             help='write the figures to a file')
    for command in (console, footprint):
        command.add_argument('--accel', choices=('tcg', 'kvm'), default='tcg',
                             help="QEMU's accelerator (default: %(default)s)")
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'{text} is no positive number')
    return int(text)


def _pattern(text: str) -> re.Pattern:
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f'{text}: {error}') from error


def _write_json(path: pathlib.Path, made: object) -> None:
    """:raises Failure: the file cannot be written"""
    _write(path, json.dumps(made, indent=1) + '\n')


def _write(path: pathlib.Path, text: str) -> None:
    """:raises Failure: the file cannot be written"""
    try:
        path.write_text(text)
    except OSError as error:
        raise Failure('--json', str(error)) from error


def _console(layout: Layout, options: argparse.Namespace) -> list[dict]:
    found = _inside(layout, 'console', options.accel, options.runs)
    figures = found['figures']
    print(report.table(figures), '', sep='\n')
    print(*report.aims(figures, options.accel), '', sep='\n')
    print(report.stages_table(found['stages']), '', sep='\n')
    print(report.encodings_table(found['encodings']))
    return figures


def _footprint(layout: Layout, options: argparse.Namespace) -> list[dict]:
    found = _inside(layout, 'footprint-ksm' if options.ksm else 'footprint',
                    options.accel, *sorted(set(options.pairs)))
    made = found['footprints']
    print(footprint_report.table(made), '', sep='\n')
    for name, heading in (('pss_mib', 'PSS of a pair, MiB'),
                          ('idle_pct', 'CPU of a pair, % of a core')):
        print(footprint_report.parts_table(heading, made, found[name]), '',
              sep='\n')
    print(*footprint_report.aims(made, options.accel), sep='\n')
    return made


def _migration(layout: Layout, options: argparse.Namespace) -> dict:
    runs = options.runs or (2 if options.quick else 5)
    cells = [cell for cell in (plan.QUICK if options.quick else plan.FULL)
             if options.only.search(str(cell))]
    if not cells:
        raise Failure('--only', 'no circumstances match')
    rows, all_there = outside.measure(layout, runs, cells, options.keep)
    figures = summary.figures(rows)
    for text in (summary.table(rows, figures), summary.opinions(rows),
                 summary.directions(rows), summary.where_time_goes(rows)):
        print(text, '', sep='\n')
    print(*summary.excluded(rows), *summary.aims(rows, figures), sep='\n')
    made = {'figures': figures, 'raw': rows}
    if not all_there:
        if options.json is not None:
            _write_json(options.json, made)
        raise Failure('bench', 'not all was measured, see above; the cloud is '
                      'left as it is: "tools/testbed down" removes it')
    if options.plots is not None:
        _draw(layout, made, options.plots)
    return made


def _draw(layout: Layout, made: dict, folder: pathlib.Path) -> None:
    """:raises Failure: it ended with an error, after saying why"""
    done = subprocess.run(
        [layout.venv_program('python'), '-m',
         'laboratory.bench.migration.plots', folder.absolute()],
        input=json.dumps(made), text=True,
        env={**os.environ, 'PYTHONPATH': str(TOOLS)})
    if done.returncode:
        raise Failure('--plots', 'the figures were not drawn, see above')


def _inside(layout: Layout, name: str, accelerator: str, *numbers: int
            ) -> dict:
    """Run the part in a network of its own; what it has found.

    :raises Failure: it ended with an error, after saying why
    """
    done = subprocess.run(
        ['unshare', '--net', '--', layout.venv_program('python'), '-m',
         'laboratory.bench.inside', name, accelerator, *map(str, numbers)],
        stdout=subprocess.PIPE,
        env={**os.environ, 'PYTHONPATH': str(TOOLS),
             'DMORE_STATE': str(layout.state)})
    if done.returncode:
        raise Failure('bench', 'the measurement ended with '
                      f'{done.returncode}, see above')
    return json.loads(done.stdout)
