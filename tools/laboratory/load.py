# SPDX-License-Identifier: Apache-2.0
"""Other work of the machine, beside what is measured: loops that are busy.

``-m laboratory.load PID`` is one of them. It ends with the process that
started it, whose id that is, however that one ends.
"""

import argparse
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

from laboratory.layout import TOOLS
from laboratory.progress import Failure

#: More than these would only show how a machine breaks down.
_MOST = 256
_PR_SET_PDEATHSIG = 1


def add_option(parser: argparse.ArgumentParser) -> None:
    """``--load``, the same for every command that has it."""
    parser.add_argument('--load', type=_number, default=0, metavar='N',
                        help='keep so many processors of the machine busy '
                        'meanwhile (default: none)')


def _number(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text[:9]) <= _MOST:
        raise argparse.ArgumentTypeError(
            f'{text} is no number from 1 to {_MOST}')
    return int(text)


@contextlib.contextmanager
def busy(number: int) -> Iterator[None]:
    """Run so many loops meanwhile; none is left afterwards.

    The thread that enters is to live as long as they do.

    :raises Failure: not all of them ran until the end
    """
    loops: list[subprocess.Popen[bytes]] = []
    try:
        for _loop in range(number):
            loops.append(_start())
        yield
        ended = sum(loop.poll() is not None for loop in loops)
        if ended:
            raise Failure('--load', f'{ended} of {number} busy loops have '
                          'ended too early')
    finally:
        for loop in loops:
            loop.kill()
        for loop in loops:
            loop.wait()


def _start() -> subprocess.Popen[bytes]:
    """:raises Failure: there can be no more processes"""
    try:
        # A session of its own: what is typed to interrupt the command is for
        # the command, which ends its loops itself.
        return subprocess.Popen(
            [sys.executable, '-m', 'laboratory.load', str(os.getpid())],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            start_new_session=True, env={
                **os.environ, 'PYTHONPATH': str(TOOLS)})
    except OSError as error:
        raise Failure('--load', str(error)) from error


def _die_with(parent: int) -> None:
    """Have the kernel end this process when its parent ends.

    :raises OSError: the kernel does not do that
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL):
        raise OSError(ctypes.get_errno(), 'prctl')
    # It may have ended before that.
    if os.getppid() != parent:
        sys.exit(1)


def main(arguments: list[str]) -> None:
    """Be busy without an end."""
    _die_with(int(arguments[0]))
    while True:
        pass


if __name__ == '__main__':
    main(sys.argv[1:])
