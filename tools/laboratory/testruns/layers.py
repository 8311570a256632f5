# SPDX-License-Identifier: Apache-2.0
"""The layers of the tests, and how stestr runs one."""

import contextlib
import dataclasses
import fcntl
import os
import pathlib
import signal
import subprocess
from collections.abc import Iterator

from laboratory import command
from laboratory.layout import Layout, REPOSITORY, TOOLS
from laboratory.progress import Failure, Progress
from laboratory.testruns.counts import Counts
from laboratory.testruns.leftovers import Leftovers


@dataclasses.dataclass(frozen=True)
class Run:
    """One run of stestr.

    :param path: the folder of its tests
    :param processes: how many of them run tests
    :param limit_s: seconds after which it is ended, and has failed
    :param each: the start and the end of each test are said
    :param profile: of the property tests, see ``tests/examples.py``
    """

    path: str
    processes: int
    limit_s: float
    each: bool = False
    profile: str | None = None


#: Layers by name. Those after the first need root and QEMU; ``faults`` is not
#: among those that run by themselves.
LAYERS = {
    'unit': (Run('tests/unit', 2, 600),),
    'functional': (Run('tests/functional', 2, 1200),),
    'integration': (Run('tests/unit/channel', 2, 900, profile='middle'),
                    Run('tests/integration', 1, 3600, each=True)),
    'faults': (Run('tests/unit/channel', 2, 3600, profile='thorough'),
               Run('tests/faults', 1, 6 * 3600, each=True)),
}
STANDARD = ('unit', 'functional', 'integration')


def run(layer: str, layout: Layout, venv: pathlib.Path, progress: Progress,
        only: str | None = None) -> Counts:
    """Run a layer to its end; nothing that it started runs on.

    :param venv: the environment to run it in
    :param only: a regular expression that tests' names are to match; where
        none does, nothing is counted
    :raises Failure: stestr cannot be started
    """
    total = Counts()
    for one in LAYERS[layer]:
        name = layer if one.profile is None else f'{layer}, {one.profile}'
        with progress.step(f'tests: {name}'):
            counts = _run(name, one, layout, venv, progress, only)
        progress.say(f'tests: {name}: {counts}')
        total += counts
    return total


def _run(name: str, one: Run, layout: Layout, venv: pathlib.Path,
         progress: Progress, only: str | None) -> Counts:
    results = layout.state / 'stestr' / name.replace(', ', '-')
    results.mkdir(parents=True, exist_ok=True)
    log = layout.logs / f'test-{results.name}.log'
    log.parent.mkdir(parents=True, exist_ok=True)
    ends = results / 'ends'
    with _alone(results), log.open('wb') as stream:
        ends.write_text('')
        left = Leftovers()
        environment = {**_environment(layout, venv, one, ends),
                       **left.environment()}
        if only is not None and not _matches(
                _argv(one, venv, results, 'list', only), environment,
                one.limit_s):
            return Counts()
        stestr = subprocess.Popen(
            _argv(one, venv, results, 'run', '--subunit', '--concurrency',
                  str(one.processes), *([] if only is None else [only])),
            cwd=REPOSITORY, env=environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=stream, start_new_session=True)
        try:
            counts = _read(name, one, venv, stestr)
            status = stestr.wait(60)
        except subprocess.TimeoutExpired:
            progress.say(f'tests: {name}: not at their end after '
                         f'{one.limit_s:.0f} s')
            counts, status = Counts(), 1
        finally:
            _end(stestr)
            left.end(layout, progress)
        broken = ends.read_text()
    checked = counts.checked(status == 0 and not broken)
    if checked != counts:
        progress.say(f'tests: {name}: stestr ended with {status} after '
                     f'{counts.total} tests\n{broken}{command.tail(log)}\n'
                     f'  log: {log}')
    return checked


def _argv(one: Run, venv: pathlib.Path, results: pathlib.Path,
          *words: str) -> list[str]:
    return [str(venv / 'bin' / 'python'), '-m', 'stestr',
            '--test-path', one.path, '--top-dir', '.',
            '--repo-url', str(results), *words]


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


def _read(name: str, one: Run, venv: pathlib.Path,
          stestr: subprocess.Popen[bytes]) -> Counts:
    """:raises subprocess.TimeoutExpired: the tests take too long"""
    reader = subprocess.Popen(
        [str(venv / 'bin' / 'python'), '-m', 'laboratory.testruns.results',
         name, *(['each'] if one.each else [])],
        stdin=stestr.stdout, stdout=subprocess.PIPE, text=True,
        env={**os.environ, 'PYTHONPATH': str(TOOLS)})
    # The reader's alone now: stestr is to notice if it goes away.
    stestr.stdout.close()
    try:
        output, _none = reader.communicate(timeout=one.limit_s)
    finally:
        reader.kill()
        reader.wait()
    if reader.returncode:
        raise Failure(f'tests: {name}', 'their results cannot be read, see '
                      'above')
    return Counts.load(output.splitlines()[-1])


def _end(stestr: subprocess.Popen[bytes]) -> None:
    """End stestr with its processes, if it has not ended by itself."""
    if stestr.poll() is not None:
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        os.killpg(stestr.pid, number)
        try:
            stestr.wait(10)
            return
        except subprocess.TimeoutExpired:
            continue


@contextlib.contextmanager
def _alone(results: pathlib.Path) -> Iterator[None]:
    """One run after the other, for stestr's records."""
    with (results / 'lock').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _environment(layout: Layout, venv: pathlib.Path, one: Run,
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
    return kept
