# SPDX-License-Identifier: Apache-2.0
"""``tools/demo``: set up, start a cloud, measure in it, report."""

import argparse
import json
import pathlib
import subprocess
import sys

from laboratory.cloud import clouds
from laboratory.demo import report
from laboratory.layout import Layout, TOOLS
from laboratory import load
from laboratory.progress import Failure, Progress
from laboratory.setup import prepare
from laboratory.testbed.settings import CONTROLLER, Place
from laboratory.users import entries
from laboratory.users.entries import Results

_TRIALS = ('stock', 'dmore')


def main(arguments: list[str] | None = None) -> int:
    """Run the demonstration.

    :returns: the exit status: 0 if all is as asked for
    """
    options = _parser().parse_args(arguments)
    progress = Progress()
    layout = Layout.from_environment()
    try:
        with clouds.alone(layout):
            return _demonstrate(layout, options, progress)
    except Failure as failure:
        print(f'demo: {failure}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('demo: interrupted; "tools/testbed down" removes the cloud',
              file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='demo', description='Live-migrate an instance with the stock '
        'consoles and one with Domain R, each while users type and read at '
        'it, and count what becomes of every key, byte and pixel.')
    parser.add_argument('--migrations', type=_positive, default=2,
                        metavar='N', help='how many of each (default: 2, '
                        'there and back)')
    parser.add_argument('--json', type=pathlib.Path, metavar='FILE',
                        help='write the figures to a file')
    parser.add_argument('--keep', action='store_true',
                        help='leave the cloud up; a later run uses it')
    parser.add_argument('--block', action='store_true',
                        help='disks are per host (block migration), not '
                        'shared')
    parser.add_argument('--only', choices=_TRIALS,
                        help='one of the two instances')
    parser.add_argument('--before', type=_earlier, metavar='FILE',
                        help='what --json FILE wrote in an earlier run: say '
                        'how much of the output of then comes now')
    load.add_option(parser)
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'{text} is no positive number')
    return int(text)


def _earlier(path: str) -> float:
    """The rate of output of an earlier run."""
    try:
        rate = report.output_rate(json.loads(pathlib.Path(path).read_text()))
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise argparse.ArgumentTypeError(f'{path}: {error}') from error
    if rate is None:
        raise argparse.ArgumentTypeError(f'{path} tells no rate of output')
    return rate


def _demonstrate(layout: Layout, options: argparse.Namespace,
                 progress: Progress) -> int:
    if options.json is not None:
        # Not at the end of a long run; and no older result is left.
        _write_json(options.json, None)
    prepare.Setup(layout, progress).everything()
    place = clouds.get(layout, progress, options.block,
                       options.only != 'stock')
    names = [options.only] if options.only else list(_TRIALS)
    with load.busy(options.load):
        results, ended = _measure(place, options.migrations, names)
    print(report.table(results))
    if ended:
        print('demo: the cloud is left as it is; "tools/testbed down" removes '
              'it', file=sys.stderr)
        return 1
    if options.json is not None:
        _write_json(options.json, report.as_json(results, options.load))
    if not options.keep:
        clouds.testbed('remove the cloud', progress, 'down')
    wrong = report.problems(results, options.migrations)
    for line in (*wrong, report.aim(results, options.before)):
        if line is not None:
            print(line)
    print(report.summary(results, options.migrations))
    return 1 if wrong else 0


def _write_json(path: pathlib.Path, content: dict | None) -> None:
    """:raises Failure: the file cannot be written"""
    try:
        path.write_text('' if content is None
                        else json.dumps(content, indent=1) + '\n')
    except OSError as error:
        raise Failure('--json', str(error)) from error


def _measure(place: Place, migrations: int, names: list[str]
             ) -> tuple[Results, int]:
    """Run the part in the controller; its results and its exit status."""
    argv = place.host(CONTROLLER).enter([
        place.layout.venv_program('python'), '-m', 'laboratory.demo.inside',
        str(migrations), *names])
    done = subprocess.run(argv, stdout=subprocess.PIPE, env={
        **place.environment(), **place.credentials(),
        'PYTHONPATH': str(TOOLS),
        'DMORE_STATE': str(place.layout.state)})
    if not done.stdout:
        raise Failure('demo', 'the part in the controller ended with '
                      f'{done.returncode}, see above')
    return entries.load(json.loads(done.stdout)), done.returncode
