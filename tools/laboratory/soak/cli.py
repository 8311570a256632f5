# SPDX-License-Identifier: Apache-2.0
"""``tools/soak``: the command line."""

import argparse
import os
import pathlib
import sys

from laboratory.cloud import clouds
from laboratory.layout import Layout, TOOLS
from laboratory import load
from laboratory.progress import Failure, Progress
from laboratory.setup import prepare


def main(arguments: list[str] | None = None) -> int:
    """Set up what is needed, and become what runs in it.

    :returns: the exit status, if that cannot be
    """
    words = sys.argv[1:] if arguments is None else arguments
    parser().parse_args(words)
    layout = Layout.from_environment()
    try:
        with clouds.alone(layout, 'soak'):
            prepare.Setup(layout, Progress()).everything()
    except Failure as failure:
        print(f'soak: {failure}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('soak: interrupted', file=sys.stderr)
        return 130
    python = str(layout.venv_program('python'))
    os.execve(python, [python, '-m', 'laboratory.soak.inside', *words], {
        **os.environ, 'PYTHONPATH': str(TOOLS)})


def parser() -> argparse.ArgumentParser:
    """Of the command line."""
    made = argparse.ArgumentParser(
        prog='soak', description='Live-migrate an instance there and back '
        'while users type, with random faults, and keep a ledger.')
    made.add_argument('--minutes', type=float, default=30, metavar='N',
                      help='no migration begins later (default: '
                      '%(default)s)')
    made.add_argument('--migrations', type=_positive, metavar='N',
                      help='end after so many, if the minutes are not over '
                      'before')
    made.add_argument('--seed', type=int, default=None, metavar='S',
                      help='the same one gives the same faults in the same '
                      'order (default: another one each time)')
    which = made.add_mutually_exclusive_group()
    which.add_argument('--faults', choices=('random', 'none'),
                       default='random', help='"none": plain migrations, with '
                       'three users as in tools/demo (default: %(default)s)')
    which.add_argument('--case', action='append', default=[],
                       metavar='FAULT:PHASE', help='instead of random '
                       'ones, each of these once; "*" for all of either')
    made.add_argument('--stock', action='store_true', help='with an '
                      'instance without Domain R: what stock Nova leaves')
    made.add_argument('--record', type=pathlib.Path, metavar='FILE',
                      help='append each outcome, a line of JSON')
    made.add_argument('--keep', action='store_true',
                      help='leave the cloud up; a later run uses it')
    load.add_option(made)
    return made


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'{text} is no positive number')
    return int(text)
