# SPDX-License-Identifier: Apache-2.0
"""The part of ``tools/test`` that needs what the set-up has made."""

import argparse
import pathlib
import sys

from laboratory import launch
from laboratory.layout import Layout
from laboratory.operations import catalogue
from laboratory.progress import Progress
from laboratory.testruns import cli, runs
from laboratory.testruns.counts import Counts


def main(arguments: list[str]) -> int:
    """Run the tests, and say how many failed.

    :returns: the exit status: 0 if none did
    """
    options = cli.parser().parse_args(arguments)
    results: list[Counts] = []
    if launch.run('test', lambda: _run(options, results)):
        results.append(Counts(failed=1))
    return cli.print_sum(sum(results, Counts()))


def _run(options: argparse.Namespace, results: list[Counts]) -> int:
    """One layer after the other.

    :param results: those of each are added
    :raises Failure: stestr does not work
    """
    layout, progress = Layout.from_environment(), Progress()
    for name in cli.chosen(options):
        results.append(runs.run(name, layout, pathlib.Path(sys.prefix),
                                progress, options.only))
    launch.write_json(options.json, catalogue.report(
        dict(sum(results, Counts()).ended)))
    if not sum(each.total for each in results):
        # A layer in which none matches is no failure, all of them are.
        results.append(Counts(failed=1, failures=(
            f'no test at all matches {options.only}',)))
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
