# SPDX-License-Identifier: Apache-2.0
"""How a command begins and ends.

With any Python 3 it sets up what it needs; then it becomes its module
``inside``, which the virtual environment's Python runs.
"""

import argparse
import json
import os
import pathlib
import signal
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from laboratory.cloud import clouds
from laboratory.layout import Layout, TOOLS
from laboratory.progress import Failure, Progress
from laboratory.setup import prepare


def run(name: str, action: Callable[[], int], interrupted: str = '') -> int:
    """Do what a command is for, and say in a line why it could not be done.

    :param interrupted: what is to be known when somebody interrupts it
    :returns: the exit status: that of the action, 1 after a failure, and 130
        after an interruption
    """
    # In both cases what was started is ended before this process is.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return action()
    except Failure as failure:
        print(f'{name}: {failure}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f'{name}: interrupted{interrupted}', file=sys.stderr)
        return 130
    finally:
        signal.signal(signal.SIGTERM, before)


def command(package: str, parser: argparse.ArgumentParser,
            arguments: list[str] | None, written: str = 'json') -> int:
    """Set up what a command line needs, and become what runs in it.

    :param package: of the command
    :param arguments: None: those of this process
    :param written: the option that names a file which is written in the end;
        another one, ``around``, can be a command line that runs the one that
        is added to it
    :returns: the exit status, if that cannot be
    """
    words = sys.argv[1:] if arguments is None else arguments
    options = vars(parser.parse_args(words))
    return run(parser.prog, lambda: prepared(
        package, words, options.get(written), options.get('around', ())))


def prepared(name: str, words: Sequence[str],
             written: pathlib.Path | None = None, around: Sequence[str] = ()
             ) -> NoReturn:
    """Set up everything, and become what runs in it.

    :param name: of the command and of its package
    :param words: the command line
    :param written: a file that has to be writable in the end
    :param around: a command line that runs the one that is added to it
    :raises Failure: a step failed, or somebody else measures
    """
    layout = Layout.from_environment()
    with clouds.alone(layout, name):
        # Not at the end of a long run.
        write(written, '', 'a')
        prepare.Setup(layout, Progress()).everything()
    become(layout.venv, f'laboratory.{name}.inside', words, around)


def become(venv: pathlib.Path, module: str, words: Sequence[str],
           around: Sequence[str] = ()) -> NoReturn:
    """Have an environment's Python run a module in the place of this."""
    argv = [*around, str(venv / 'bin' / 'python'), '-m', module, *words]
    os.execvpe(argv[0], argv, {**os.environ, 'PYTHONPATH': str(TOOLS)})


def write(path: pathlib.Path | None, text: str, mode: str = 'w') -> None:
    """What a command was told to write to a file, if it was.

    :raises Failure: the file cannot be written
    """
    if path is None:
        return
    try:
        with path.open(mode) as stream:
            stream.write(text)
    except OSError as error:
        raise Failure('--json', str(error)) from error


def write_json(path: pathlib.Path | None, value: object) -> None:
    """The same, as JSON.

    :raises Failure: the file cannot be written
    """
    write(path, json.dumps(value, indent=1) + '\n')


def positive(text: str) -> int:
    """The value of an option."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'{text} is no positive number')
    return int(text)
