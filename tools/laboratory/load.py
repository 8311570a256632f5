# SPDX-License-Identifier: Apache-2.0
"""Other work of the machine, beside what is measured: loops that are busy.

Each ends with the process that started it, however that one ends.
"""

import argparse
import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

from laboratory.progress import Failure

#: More than these would only show how a machine breaks down.
_MOST = 256
#: A loop; its argument is the process that started it.
_LOOP = '''
import os, sys
while os.getppid() == int(sys.argv[1]):
    for _ in range(10 ** 6):
        pass
'''


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
            [sys.executable, '-c', _LOOP, str(os.getpid())],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            start_new_session=True)
    except OSError as error:
        raise Failure('--load', str(error)) from error
