# SPDX-License-Identifier: Apache-2.0
"""``tools/test tempest``: the command line."""

import argparse

from laboratory import launch
from laboratory.layout import Layout
from laboratory.progress import Progress
from laboratory.setup import prepare


def main(words: list[str]) -> int:
    """Set up what is needed, and become what runs in it.

    :returns: the exit status, if that cannot be
    """
    parser().parse_args(words)

    def run() -> int:
        prepare.Setup(Layout.from_environment(), Progress()).tempest()
        return launch.prepared('tempest', words)

    return launch.run('test tempest', run)


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    made = argparse.ArgumentParser(
        prog='test tempest', description="Run Tempest's tests of servers, "
        'their actions, consoles, live migrations and volumes in the test '
        'cloud. Those that cannot hold are in tests/tempest/expected.txt.')
    made.add_argument('--only', metavar='REGEX',
                      help='run only tests whose names match')
    made.add_argument('--keep', action='store_true',
                      help='leave the cloud up; a later run uses it')
    return made
