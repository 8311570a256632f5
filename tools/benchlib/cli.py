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
"""``tools/bench``: set up, measure in a network of its own, report."""

import argparse
import json
import os
import pathlib
import subprocess
import sys

from benchlib import footprint_report, report
from testbedlib import prepare
from testbedlib.layout import REPOSITORY, Layout
from testbedlib.progress import Failure, Progress


def main(arguments: list[str] | None = None) -> int:
    """Run a measurement.

    :returns: the exit status: 0 if there are figures
    """
    options = _parser().parse_args(arguments)
    layout = Layout.from_environment()
    try:
        if os.geteuid() != 0:
            raise Failure('bench', 'needs root: it makes a network namespace')
        if options.json is not None:
            # Not at the end of a long run; and no older result is left.
            _write(options.json, '')
        prepare.Setup(layout, Progress()).everything()
        made = options.run(layout, options)
        if options.json is not None:
            _write(options.json, json.dumps(made, indent=1) + '\n')
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
    footprint.set_defaults(run=_footprint)
    for command in (console, footprint):
        command.add_argument('--json', type=pathlib.Path, metavar='FILE',
                             help='write the figures to a file')
        command.add_argument('--accel', choices=('tcg', 'kvm'), default='tcg',
                             help="QEMU's accelerator (default: %(default)s)")
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'{text} is no positive number')
    return int(text)


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
    found = _inside(layout, 'footprint', options.accel,
                    *sorted(set(options.pairs)))
    made = found['footprints']
    print(footprint_report.table(made), '', sep='\n')
    for name, heading in (('pss_mib', 'PSS of a pair, MiB'),
                          ('idle_pct', 'CPU of a pair, % of a core')):
        print(footprint_report.parts_table(heading, made, found[name]), '',
              sep='\n')
    print(*footprint_report.aims(made, options.accel), sep='\n')
    return made


def _inside(layout: Layout, name: str, accelerator: str, *numbers: int
            ) -> dict:
    """Run the part in a network of its own; what it has found.

    :raises Failure: it ended with an error, after saying why
    """
    done = subprocess.run(
        ['unshare', '--net', '--', layout.venv_program('python'), '-m',
         'benchlib.inside', name, accelerator, *map(str, numbers)],
        stdout=subprocess.PIPE,
        env={**os.environ, 'PYTHONPATH': f'{REPOSITORY / "tools"}',
             'DMORE_STATE': str(layout.state)})
    if done.returncode:
        raise Failure('bench', 'the measurement ended with '
                      f'{done.returncode}, see above')
    return json.loads(done.stdout)
