# SPDX-License-Identifier: Apache-2.0
"""``tools/test clients``: the command line."""

import argparse
import pathlib
import re

from laboratory import launch


def main(words: list[str]) -> int:
    """Set up what is needed, and become what runs in it.

    :returns: the exit status, if that cannot be
    """
    return launch.command('clients', parser(), words)


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    made = argparse.ArgumentParser(
        prog='test clients', description='Try the programs that people use '
        'at a stock console and at one of Domain R, which also moves, side '
        'by side.')
    made.add_argument('--json', type=pathlib.Path, metavar='FILE',
                      help='write a list: client, case, and for each console '
                      '"ok", "fails" or "n/a", with the reasons')
    made.add_argument('--page', type=pathlib.Path, metavar='FILE',
                      help='write the table as the documentation has it')
    made.add_argument('--only', type=re.compile, metavar='REGEX',
                      help='only where "client: case" matches')
    made.add_argument('--keep', action='store_true',
                      help='leave the cloud up; a later run uses it')
    return made
