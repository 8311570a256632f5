# SPDX-License-Identifier: Apache-2.0
"""``tools/test``: the command line."""

import argparse
import os
import pathlib
import sys
from collections.abc import Sequence
from typing import NoReturn

from laboratory.clients import cli as clients
from laboratory import launch
from laboratory.layout import Layout
from laboratory.progress import Failure, Progress
from laboratory.setup import prepare
from laboratory.tempest import cli as tempest
from laboratory.testruns import layers
from laboratory.testruns.counts import Counts

#: What is no layer, and has a command line of its own.
_OTHERS = {'clients': clients.main, 'tempest': tempest.main}


def main(arguments: list[str] | None = None) -> int:
    """Set up what the tests need, and become what runs them.

    :returns: the exit status, if that cannot be
    """
    words = sys.argv[1:] if arguments is None else arguments
    if words[:1] and words[0] in _OTHERS:
        return _OTHERS[words[0]](words[1:])
    options = parser().parse_args(words)
    launch.run('test', lambda: _become(options, words))
    return print_sum(Counts(failed=1))


def print_sum(total: Counts) -> int:
    """Print what failed, and how many tests did what.

    :returns: the exit status: 0 if none failed
    """
    # Once more at the end, where the end is all that is kept of an output.
    for failure in total.failures:
        print(f'FAILED {failure}')
    print(total, flush=True)
    return 1 if total.failed else 0


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    made = argparse.ArgumentParser(
        prog='test', description='Set up what the tests need and run them: '
        'all of them, or some layers. "unit" needs neither root nor QEMU. '
        '"tools/test clients" tries the programs that people use, '
        '"tools/test tempest" runs tests of OpenStack itself.')
    made.add_argument('layer', nargs='*', metavar='LAYER',
                      help=', '.join(layers.LAYERS) + ' (default: '
                      f'{", ".join(layers.STANDARD)})')
    made.add_argument('--only', metavar='REGEX',
                      help='run only tests whose names match')
    made.add_argument('--json', type=pathlib.Path, metavar='FILE',
                      help='of "operations": write what becomes of a pair in '
                      'each, and whether its tests passed')
    return made


def chosen(options: argparse.Namespace) -> list[str]:
    """The layers.

    :raises Failure: there is no such layer
    """
    names = options.layer or list(layers.STANDARD)
    for name in names:
        if name not in layers.LAYERS:
            raise Failure('tests', f'there is no layer {name}')
    if options.json is not None and names != ['operations']:
        raise Failure('tests', '--json is for the layer operations')
    return names


def _become(options: argparse.Namespace, words: Sequence[str]) -> NoReturn:
    """:raises Failure: the set-up does not work"""
    venv = _prepare(chosen(options))
    launch.become(venv, 'laboratory.testruns.inside', words)


def _prepare(names: Sequence[str]) -> pathlib.Path:
    """The environment that the tests run in.

    :raises Failure: a step failed
    """
    layout = Layout.from_environment()
    setup = prepare.Setup(layout, Progress())
    if os.geteuid() != 0 and set(names) != {'unit'}:
        raise Failure('tests', 'need root, all but "tools/test unit"')
    own = {run.environment for name in names for run in layers.LAYERS[name]
           if run.environment is not None}
    if own:
        # Those of what is compiled for them.
        setup.packages()
    for environment in sorted(own, key=lambda one: one.name):
        setup.series_environment(environment)
    if set(names) <= {'unit', 'devstack', 'constraints', 'python'}:
        return setup.unit_environment()
    setup.everything()
    return layout.venv
