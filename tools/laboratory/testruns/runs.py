# SPDX-License-Identifier: Apache-2.0
"""How stestr runs a layer of tests."""

import contextlib
import fcntl
import os
import pathlib
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping

from laboratory import command
from laboratory.layout import Layout, REPOSITORY
from laboratory.progress import Progress
from laboratory.testruns import expected as expected_ones
from laboratory.testruns import layers, results
from laboratory.testruns.counts import Counts
from laboratory.testruns.leftovers import Leftovers


def run(layer: str, layout: Layout, venv: pathlib.Path, progress: Progress,
        only: str | None = None) -> Counts:
    """Run a layer to its end; nothing that it started runs on.

    :param venv: the environment to run it in, if it has none of its own
    :param only: a regular expression that tests' names are to match; where
        none does, nothing is counted
    :raises Failure: stestr cannot be started
    """
    total = Counts()
    for one in layers.LAYERS[layer]:
        name = layer if one.kind is None else f'{layer}, {one.kind}'
        with progress.step(f'tests: {name}'):
            counts = _run(name, one, layout, venv if one.environment is None
                          else layout.series_venv(one.environment.name),
                          progress, only)
        progress.say(f'tests: {name}: {counts}')
        total += counts
    return total


def _run(name: str, one: layers.Run, layout: Layout, venv: pathlib.Path,
         progress: Progress, only: str | None) -> Counts:
    records = (layout.state / 'stestr'
               / name.replace(', ', '-').replace(' ', '-'))
    wanted = both(one.tests, only)
    choice = [*([] if one.without is None else
                ['--exclude-regex', one.without]),
              *([] if wanted is None else [wanted])]
    records.mkdir(parents=True, exist_ok=True)
    log = layout.logs / f'test-{records.name}.log'
    log.parent.mkdir(parents=True, exist_ok=True)
    ends = records / 'ends'
    expected = {} if one.expected is None else expected_ones.load(
        one.expected)
    with _alone(records), log.open('wb') as stream:
        ends.write_text('')
        left = Leftovers()
        environment = {**_environment(layout, venv, one, ends),
                       **left.environment()}
        if wanted is not None:
            if not (records / '.stestr').exists():
                # Nothing can be listed before; a run would make it.
                subprocess.run(_argv(one, venv, records, 'init'),
                               cwd=REPOSITORY, env=environment,
                               stdin=subprocess.DEVNULL, capture_output=True)
            if not _matches(_argv(one, venv, records, 'list', *choice),
                            environment, one.limit_s):
                return Counts()
        stestr = subprocess.Popen(
            _argv(one, venv, records, 'run', '--subunit', '--concurrency',
                  str(one.processes), *choice),
            cwd=REPOSITORY, env=environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=stream, start_new_session=True)

        def too_long() -> None:
            progress.say(f'tests: {name}: not at their end after '
                         f'{one.limit_s:.0f} s')
            end(stestr)

        limit = threading.Timer(one.limit_s, too_long)
        limit.start()
        try:
            counts = results.read(stestr.stdout, name, one.each, progress,
                                  expected)
            with contextlib.suppress(subprocess.TimeoutExpired):
                stestr.wait(60)
        finally:
            limit.cancel()
            end(stestr)
            stestr.stdout.close()
            left.end(layout if one.has_cloud else None, progress)
        broken = ends.read_text()
    if wanted is None:
        counts += _absent(name, expected, counts)
    # Its status is another one also for a failure that is expected.
    checked = counts.checked(
        bool(stestr.returncode == 0 or expected) and not broken)
    if checked != counts:
        progress.say(f'tests: {name}: stestr ended with {stestr.returncode} '
                     f'after {counts.total} tests\n{broken}'
                     f'{command.tail(log)}\n  log: {log}')
    return checked


def _absent(name: str, expected: Mapping[str, str], counts: Counts) -> Counts:
    """A failure for each test that is expected to fail and is none."""
    lines = tuple(
        f'{name}: {test} is expected to fail, and there is no such test'
        for test in expected_ones.absent(expected, dict(counts.ended)))
    return Counts(failed=len(lines), failures=lines)


def both(one: str | None, other: str | None) -> str | None:
    """A regular expression for what both are found in, if there are two."""
    if one is None or other is None:
        return one or other
    return f'^(?=.*(?:{one}))(?=.*(?:{other}))'


def _argv(one: layers.Run, venv: pathlib.Path, records: pathlib.Path,
          *words: str) -> list[str]:
    return [str(venv / 'bin' / 'python'), '-m', 'stestr',
            '--test-path', one.path, '--top-dir', '.',
            '--repo-url', str(records), *words]


def _matches(argv: list[str], environment: dict[str, str], limit_s: float
             ) -> bool:
    """Whether there is a test to be run; so it is, too, where nobody can tell:
    the run itself then says what is wrong.

    :param argv: lists the tests
    """
    try:
        listed = subprocess.run(
            argv, cwd=REPOSITORY, env=environment, timeout=limit_s,
            stdin=subprocess.DEVNULL, capture_output=True)
    except subprocess.TimeoutExpired:
        return True
    return listed.returncode != 0 or bool(listed.stdout.strip())


def end(stestr: subprocess.Popen[bytes]) -> None:
    """End stestr with its processes, if it has not ended by itself."""
    if stestr.poll() is not None:
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(stestr.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            stestr.wait(10)
            return


@contextlib.contextmanager
def _alone(records: pathlib.Path) -> Iterator[None]:
    """One run after the other, for stestr's records."""
    with (records / 'lock').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _environment(layout: Layout, venv: pathlib.Path, one: layers.Run,
                 ends: pathlib.Path) -> dict[str, str]:
    """Nothing that a developer's shell has set for something else."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith(('OS_', 'PYTHON', 'STESTR', 'TEST_'))}
    kept |= {
        'PATH': f'{venv}/bin:{kept.get("PATH", os.defpath)}',
        'LC_ALL': 'C.UTF-8',
        'DMORE_STATE': str(layout.state),
        'DMORE_VENV': str(venv),
        # stestr's name for it.
        'PYTHON': str(pathlib.Path(__file__).with_name('worker')),
        'DMORE_TEST_PYTHON': str(venv / 'bin' / 'python'),
        'DMORE_TEST_ENDS': str(ends),
        # Shown with a test that fails.
        'OS_LOG_CAPTURE': '1',
        'OS_STDERR_CAPTURE': '1',
        'PYTHONWARNINGS': 'ignore::DeprecationWarning',
        'HYPOTHESIS_STORAGE_DIRECTORY': str(layout.state / 'hypothesis'),
    }
    if one.profile is not None:
        kept['DMORE_HYPOTHESIS'] = one.profile
    if one.qemu is not None:
        kept['DMORE_QEMU'] = one.qemu
    return kept
