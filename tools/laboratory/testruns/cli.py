# SPDX-License-Identifier: Apache-2.0
"""``tools/test``: the command line."""

import argparse
import os
import pathlib
import signal
import sys
from collections.abc import Iterator

from laboratory.layout import Layout
from laboratory.progress import Failure, Progress
from laboratory.setup import prepare
from laboratory.testruns.counts import Counts
from laboratory.testruns import layers


def main(arguments: list[str] | None = None) -> int:
    """Set up what the tests need, run them, and say how many failed.

    :returns: the exit status: 0 if none did
    """
    options = _parser().parse_args(arguments)
    total = Counts()
    # In both cases what was started is ended before this process is.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        for counts in _results(options):
            total += counts
        if not total.total:
            # A layer in which none matches is no failure, all of them are.
            total += Counts(failed=1, failures=(
                f'no test at all matches {options.only}',))
    except Failure as failure:
        print(f'test: {failure}', file=sys.stderr)
        total += Counts(failed=1)
    except KeyboardInterrupt:
        print('test: interrupted', file=sys.stderr)
        total += Counts(failed=1)
    # Once more at the end, where the end is all that is kept of an output.
    for failure in total.failures:
        print(f'FAILED {failure}')
    print(total, flush=True)
    return 1 if total.failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='test', description='Set up what the tests need and run them: '
        'all of them, or some layers. "unit" needs neither root nor QEMU.')
    parser.add_argument('layer', nargs='*', metavar='LAYER',
                        help=', '.join(layers.LAYERS) + ' (default: '
                        f'{", ".join(layers.STANDARD)})')
    parser.add_argument('--only', metavar='REGEX',
                        help='run only tests whose names match')
    return parser


def _results(options: argparse.Namespace) -> Iterator[Counts]:
    """Of one layer after the other.

    :raises Failure: the set-up, or stestr, does not work
    """
    chosen = options.layer or list(layers.STANDARD)
    for name in chosen:
        if name not in layers.LAYERS:
            raise Failure('tests', f'there is no layer {name}')
    layout = Layout.from_environment()
    progress = Progress()
    setup = prepare.Setup(layout, progress)
    venv = _prepare(setup, layout, chosen)
    for name in chosen:
        yield layers.run(name, layout, venv, progress, options.only)


def _prepare(setup: prepare.Setup, layout: Layout, chosen: list[str]
             ) -> pathlib.Path:
    """The environment that the tests run in.

    :raises Failure: a step failed
    """
    if set(chosen) == {'unit'}:
        return setup.unit_environment()
    if os.geteuid() != 0:
        raise Failure('tests', 'need root, all but "tools/test unit"')
    setup.everything()
    return layout.venv
