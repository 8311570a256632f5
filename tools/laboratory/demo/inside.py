# SPDX-License-Identifier: Apache-2.0
"""The part of ``tools/demo`` that needs what the set-up has made."""

import argparse
import pathlib
import sys
import tempfile

from laboratory import launch, load
from laboratory.cloud import clouds
from laboratory.cloud.api import Cloud
from laboratory.cloud.borrowed import borrowed
from laboratory.demo import by_hand, cli, report
from laboratory.layout import Layout
from laboratory.progress import Failure, Progress
from laboratory.testbed.settings import COMPUTES, Place
from laboratory.users.entries import Results
from laboratory.users.subject import DMORE, STOCK
from laboratory.users.trial import Runner

_TRIALS = {trial.name: trial for trial in (STOCK, DMORE)}


def main(arguments: list[str]) -> int:
    """Run the demonstration.

    :returns: the exit status: 0 if all is as asked for
    """
    options = cli.parser().parse_args(arguments)
    return launch.run('demo', lambda: _demonstrate(options),
                      '; "tools/testbed down" removes the cloud')


def _demonstrate(options: argparse.Namespace) -> int:
    progress, layout = Progress(), Layout.from_environment()
    results: Results = {}
    with clouds.alone(layout, 'demo'):
        # No older result is left.
        launch.write(options.json, '')
        with borrowed(layout, progress, options.keep, options.block,
                      options.only != 'stock') as place:
            try:
                _measure(place, options, progress, results)
            finally:
                print(report.table(results), flush=True)
            launch.write_json(options.json,
                              report.as_json(results, options.load))
            then = (_leave_one(place, progress) if options.keep
                    else by_hand.NEXT)
    wrong = report.problems(results, options.migrations)
    for line in (*wrong, report.aim(results, options.before)):
        if line is not None:
            print(line)
    print(report.summary(results, options.migrations, options.before))
    print(then)
    return 1 if wrong else 0


def _leave_one(place: Place, progress: Progress) -> str:
    """Leave an instance, and say what to do with it.

    :raises Failure: it does not start
    """
    cloud = Cloud(place)
    host = COMPUTES[0]
    with progress.step(f'an instance to try, {by_hand.NAME}'):
        server = cloud.boot(by_hand.NAME, DMORE.flavor, host)
        cloud.wait_until_booted(server, host)
    try:
        page = cloud.console_url(server, 'novnc')
    except OSError as error:
        raise Failure(by_hand.NAME, str(error)) from error
    return by_hand.commands(place, cloud.ssh_url(server), page)


def _measure(place: Place, options: argparse.Namespace, progress: Progress,
             results: Results) -> None:
    """
    :param results: what is measured is added
    :raises Failure: something else than what is measured went wrong
    """
    with tempfile.TemporaryDirectory() as folder, load.busy(options.load):
        runner = Runner(Cloud(place), place, pathlib.Path(folder), progress)
        for name in [options.only] if options.only else cli.TRIALS:
            results[name] = []
            for entry in runner.run(_TRIALS[name], options.migrations):
                results[name].append(entry)


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
