# SPDX-License-Identifier: Apache-2.0
"""How a command of this project ends: with a status, and never in a traceback
for what its user did."""

import os
import signal
import sys
from collections.abc import Callable


def run(name: str, command: Callable[[], int], failed: int = 1) -> int:
    """Run a command, and say in one line what it cannot read or write.

    Called by the entry points of the programs that an operator calls.

    :param name: of the program, before that line.
    :param command: returns its exit status.
    :param failed: the exit status after an ``OSError``.
    :returns: the exit status: that of the command, or what a shell has for a
        program that was ended by SIGINT, or by SIGPIPE as nobody reads what
        it prints.
    """
    try:
        try:
            return command()
        finally:
            # Here, for an error at the end of Python is past all handling.
            sys.stdout.flush()
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except BrokenPipeError:
        _print_no_more()
        return 128 + signal.SIGPIPE
    except OSError as error:
        _print_no_more()
        print(f'{name}: {error}', file=sys.stderr)
        return failed


def _print_no_more() -> None:
    """What could not be written Python would try to write at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
