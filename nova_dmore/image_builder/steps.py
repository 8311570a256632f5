# SPDX-License-Identifier: Apache-2.0
"""Running the tools that build an image, and telling how far it is."""

import contextlib
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from nova_dmore import exception

#: How much of a failed tool's output is quoted, in characters.
QUOTED_OUTPUT = 2000

Report = Callable[[str], None]


@contextlib.contextmanager
def step(report: Report, title: str) -> Iterator[None]:
    """Report ``title`` and, once the body has run, the seconds it took."""
    started = time.monotonic()
    report(f'{title} ...')
    yield
    report(f'{title}: {time.monotonic() - started:.1f} s')


def run(argv: Sequence[str], advice: str = '', **kwargs: Any) -> str:
    """Run a tool and return what it printed to standard output.

    :param advice: what the operator can do about a failure
    :raises ImageError: the tool is missing or failed
    """
    try:
        done: subprocess.CompletedProcess[str] = subprocess.run(
            argv, check=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            errors='replace', **kwargs)
    except FileNotFoundError as error:
        raise exception.ImageError(
            f'{argv[0]} is not installed: install the Debian packages that '
            'bindep.txt names') from error
    except subprocess.CalledProcessError as error:
        output = (error.stdout + error.stderr)[-QUOTED_OUTPUT:].strip()
        raise exception.ImageError(
            f'{argv[0]} failed with status {error.returncode}. {advice}\n'
            f'{output}') from error
    return done.stdout


class Machine:
    """Where something is compiled: this machine itself, as the tests do."""

    @property
    def interpreter(self) -> str:
        """The path of a Python that has cffi."""
        return sys.executable

    def run(self, argv: Sequence[str], advice: str = '') -> str:
        """As :func:`run`, there."""
        return run(argv, advice)

    def place(self, path: pathlib.Path) -> pathlib.Path:
        """By which path a folder is found there; it is brought there first if
        it has to be.
        """
        return path


#: This machine.
HERE = Machine()
