# SPDX-License-Identifier: Apache-2.0
"""``tools/cast``: the command line."""

import argparse
import pathlib

from laboratory import launch


def main(arguments: list[str] | None = None) -> int:
    """Set up what is needed, and become what runs in it.

    :returns: the exit status, if that cannot be
    """
    return launch.command('cast', parser(), arguments, 'file')


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    made = argparse.ArgumentParser(
        prog='cast', description='Record a terminal: above, a console by '
        'ssh; below, the live migration of its instance. "asciinema play '
        'FILE" shows it.')
    made.add_argument('file', type=pathlib.Path, metavar='FILE',
                      help='an asciinema cast (version 2)')
    made.add_argument('--svg', type=pathlib.Path, metavar='FILE',
                      help='the same as a picture that moves')
    made.add_argument('--keep', action='store_true',
                      help='leave the cloud up; a later run uses it')
    return made
