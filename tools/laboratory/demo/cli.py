# SPDX-License-Identifier: Apache-2.0
"""``tools/demo``: the command line."""

import argparse
import json
import pathlib

from laboratory import launch, load
from laboratory.users import figures

TRIALS = ('stock', 'dmore')


def main(arguments: list[str] | None = None) -> int:
    """Set up what is needed, and become what runs in it.

    :returns: the exit status, if that cannot be
    """
    return launch.command('demo', parser(), arguments)


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    made = argparse.ArgumentParser(
        prog='demo', description='Live-migrate an instance with the stock '
        'consoles and one with Domain R, each while users type and read at '
        'it, and count what becomes of every key, byte and pixel.')
    made.add_argument('--migrations', type=launch.positive, default=2,
                      metavar='N', help='how many of each (default: 2, '
                      'there and back)')
    made.add_argument('--json', type=pathlib.Path, metavar='FILE',
                      help='write the figures to a file')
    made.add_argument('--keep', action='store_true',
                      help='leave the cloud up, with an instance to try, and '
                      'say how; a later run uses it')
    made.add_argument('--block', action='store_true',
                      help='disks are per host (block migration), not '
                      'shared')
    made.add_argument('--only', choices=TRIALS,
                      help='one of the two instances')
    made.add_argument('--before', type=_earlier, metavar='FILE',
                      help='what --json FILE wrote in an earlier run: say '
                      'how much of the output of then comes now')
    load.add_option(made)
    return made


def _earlier(path: str) -> float:
    """The rate of output of an earlier run."""
    try:
        rate = figures.output_rate(json.loads(pathlib.Path(path).read_text()))
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise argparse.ArgumentTypeError(f'{path}: {error}') from error
    if rate is None:
        raise argparse.ArgumentTypeError(f'{path} tells no rate of output')
    return rate
