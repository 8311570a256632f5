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

from benchlib import report
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
        found = _measure(layout, options.runs, options.accel)
        figures = found['figures']
        print(report.table(figures), '', sep='\n')
        print(*report.aims(figures, options.accel), '', sep='\n')
        print(report.stages_table(found['stages']), '', sep='\n')
        print(report.encodings_table(found['encodings']))
        if options.json is not None:
            _write(options.json, json.dumps(figures, indent=1) + '\n')
    except Failure as failure:
        print(f'bench: {failure}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('bench: interrupted', file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='bench', description='Measure a console through Domain R '
        "against QEMU's own, at the same instance in the same run.")
    commands = parser.add_subparsers(required=True, metavar='COMMAND')
    console = commands.add_parser(
        'console', help='the graphical console: latency, updates, CPU, wire')
    console.add_argument('--json', type=pathlib.Path, metavar='FILE',
                         help='write the figures to a file')
    console.add_argument('--runs', type=_positive, default=3, metavar='N',
                         help='of each measurement; their median counts '
                         '(default: %(default)s)')
    console.add_argument('--accel', choices=('tcg', 'kvm'), default='tcg',
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


def _measure(layout: Layout, runs: int, accelerator: str) -> dict:
    """Run the part in a network of its own; what it has found.

    :raises Failure: it ended with an error, after saying why
    """
    done = subprocess.run(
        ['unshare', '--net', '--', layout.venv_program('python'), '-m',
         'benchlib.inside', str(runs), accelerator], stdout=subprocess.PIPE,
        env={**os.environ, 'PYTHONPATH': f'{REPOSITORY / "tools"}',
             'DMORE_STATE': str(layout.state)})
    if done.returncode:
        raise Failure('bench', 'the measurement ended with '
                      f'{done.returncode}, see above')
    return json.loads(done.stdout)
