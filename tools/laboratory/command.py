# SPDX-License-Identifier: Apache-2.0
"""Run a program, its output in a log file, and fail with a useful message."""

import pathlib
import subprocess
from collections.abc import Mapping, Sequence

from laboratory.progress import Failure

_TAIL_LINES = 5


def tail(log: pathlib.Path, lines: int = _TAIL_LINES) -> str:
    """The last non-empty lines of a log file, or nothing if there is none."""
    if not log.exists():
        return ''
    text = log.read_text(errors='replace').splitlines()
    return '\n'.join('    ' + line
                     for line in [x for x in text if x.strip()][-lines:])


def logged(step: str, argv: Sequence[str], log: pathlib.Path, *,
           environment: Mapping[str, str] | None = None) -> None:
    """Run a program to its end.

    :param step: the name for a failure's message
    :param log: takes the program's output; appended to
    :param environment: all of its environment, if not this process's
    :raises Failure: the program is missing or ended with an error
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open('a') as stream:
        stream.write('$ ' + ' '.join(argv) + '\n')
        stream.flush()
        try:
            done = subprocess.run(argv, stdout=stream, stderr=stream,
                                  stdin=subprocess.DEVNULL, env=environment)
        except FileNotFoundError as error:
            raise Failure(step, f'{error.filename} is not there', log
                          ) from error
    if done.returncode:
        raise Failure(step, f'{pathlib.Path(argv[0]).name} ended with '
                            f'{done.returncode}\n{tail(log)}', log)


def said(step: str, argv: Sequence[str | pathlib.Path],
         timeout: float | None = None) -> str:
    """What a program prints.

    :raises Failure: of the step: it ended with an error, whose text it is
    """
    done = subprocess.run(argv, capture_output=True, text=True,
                          timeout=timeout)
    if done.returncode:
        raise Failure(step, done.stderr.strip())
    return done.stdout


def output(argv: Sequence[str], timeout: float | None = None) -> str:
    """What a program prints; nothing if it fails."""
    try:
        return said(argv[0], argv, timeout)
    except Failure:
        return ''
