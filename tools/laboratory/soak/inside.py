# SPDX-License-Identifier: Apache-2.0
"""The part of ``tools/soak`` that needs what the set-up has made."""

import argparse
import dataclasses
import itertools
import json
import pathlib
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence

from laboratory import launch, load
from laboratory.cloud import clouds, machines
from laboratory.cloud.api import Cloud
from laboratory.cloud.borrowed import borrowed
from laboratory.faults import case, session, stock, verdict
from laboratory.faults.outcome import Outcome
from laboratory.layout import Layout
from laboratory.progress import Failure, Progress
from laboratory.soak import cli, report, schedule
from laboratory.testbed.settings import COMPUTES, Place
from laboratory.users.subject import Trial


def main(arguments: list[str]) -> int:
    """Run it.

    :returns: the exit status: 0 if no ledger and no state was wrong
    """
    options = cli.parser().parse_args(arguments)
    outcomes: list[Outcome] = []
    status = launch.run('soak', lambda: _soak(options, outcomes),
                        '; "tools/testbed down" removes the cloud')
    finished = _finish(options, outcomes)
    return status or finished


def _soak(options: argparse.Namespace, outcomes: list[Outcome]) -> int:
    """:raises Failure: no cloud, or no instance in it"""
    layout, progress = Layout.from_environment(), Progress()
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(10 ** 6)
    steps = _steps(options)
    with clouds.alone(layout, 'soak'):
        with (borrowed(layout, progress, options.keep) as place,
              tempfile.TemporaryDirectory() as folder,
              load.busy(options.load)):
            _run(place, options, progress, pathlib.Path(folder), steps,
                 outcomes)
    return 0


def _steps(options: argparse.Namespace) -> Iterator[schedule.Step]:
    """:raises Failure: there is no such case"""
    steps = schedule.schedule(options.seed, options.stock)
    if options.faults == 'none':
        steps = schedule.plain()
    if options.case:
        try:
            steps = iter(schedule.chosen(options.case, options.stock))
        except ValueError as error:
            raise Failure('--case', str(error)) from error
    return itertools.islice(steps, options.migrations)


def _trial(options: argparse.Namespace) -> Trial:
    if options.stock:
        return session.STOCK
    return session.EVERYBODY if options.faults == 'none' else session.PAIR


def _run(place: Place, options: argparse.Namespace, progress: Progress,
         folder: pathlib.Path, steps: Iterator[schedule.Step],
         outcomes: list[Outcome]) -> None:
    api = Cloud(place)
    runner = case.Runner(place, api, progress,
                         {} if options.stock else stock.load())
    one = session.Session(runner, _trial(options), folder)
    logs = [machines.GrowingLog(machines.compute_log(place, host))
            for host in COMPUTES]
    end = time.monotonic() + options.minutes * 60
    try:
        for number in itertools.count(1):
            step = next(steps, None)
            if step is None or time.monotonic() > end:
                return
            outcome = one.run(*step)
            # Not from when this migration began: a host tells at its next
            # look only, and what it told meanwhile counts as well.
            outcome = dataclasses.replace(
                outcome, ambiguous=_ambiguous(logs), load=options.load)
            outcomes.append(outcome)
            progress.say(f'{number}: {outcome.line()}')
            if options.record:
                with options.record.open('a') as stream:
                    print(json.dumps(dataclasses.asdict(outcome)),
                          file=stream)
    finally:
        one.close()


def _ambiguous(logs: Sequence[machines.GrowingLog]) -> int:
    """How many such reports have come since this was asked last."""
    gaps, _rebuilt = verdict.reports([log.fresh() for log in logs], '')
    return verdict.ambiguous(gaps)


def _finish(options: argparse.Namespace, outcomes: list[Outcome]) -> int:
    print(report.ledger(outcomes))
    for outcome in outcomes:
        for problem in outcome.problems:
            print(f'{outcome.title}: {problem}')
    random_ones = not options.case and options.faults == 'random'
    print(report.summary(outcomes, options.seed if random_ones else None))
    return 1 if report.failed(outcomes) else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
