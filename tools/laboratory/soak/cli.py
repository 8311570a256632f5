# SPDX-License-Identifier: Apache-2.0
"""``tools/soak``: the command line."""

import argparse
import pathlib

from laboratory import launch, load


def main(arguments: list[str] | None = None) -> int:
    """Set up what is needed, and become what runs in it.

    :returns: the exit status, if that cannot be
    """
    return launch.command('soak', parser(), arguments)


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    made = argparse.ArgumentParser(
        prog='soak', description='Live-migrate an instance there and back '
        'while users type, with random faults, and keep a ledger.')
    made.add_argument('--minutes', type=float, default=30, metavar='N',
                      help='no migration begins later (default: '
                      '%(default)s)')
    made.add_argument('--migrations', type=launch.positive, metavar='N',
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
