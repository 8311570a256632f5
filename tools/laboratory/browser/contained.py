# SPDX-License-Identifier: Apache-2.0
"""Programs that end with the thread that started them, whatever happens.

A program gets a process namespace, in which the kernel ends all that it has
started, and folders of its own for temporary files, which go with it.
"""

import pathlib
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import IO

from laboratory.progress import Failure

_MOUNTS = ('mount -t tmpfs tmpfs /tmp && mount -t tmpfs tmpfs /dev/shm '
           '&& exec "$@"')
#: What a command line begins with.
PROGRAM = '/usr/bin/setpriv'
#: For programs that are contained; HOME and TMPDIR are theirs alone.
ENVIRONMENT: Mapping[str, str] = {
    'PATH': '/usr/local/bin:/usr/bin:/bin', 'HOME': '/tmp', 'TMPDIR': '/tmp',
    'LANG': 'C.UTF-8'}
_END_S = 10.0


def command(argv: Sequence[str]) -> list[str]:
    """The command line that runs a program so; it needs root."""
    return [PROGRAM, '--pdeathsig', 'KILL', 'unshare', '--mount', '--pid',
            '--fork', '--kill-child', '--mount-proc', '--propagation',
            'private', '--', 'sh', '-c', _MOUNTS, 'sh', *argv]


def _first(process: subprocess.Popen) -> int | None:
    """The pid of the namespace's first process, if it is there."""
    children = pathlib.Path(f'/proc/{process.pid}/task/{process.pid}/children')
    if process.poll() is None and (found := children.read_text().split()):
        return int(found[0])
    return None


def end(process: subprocess.Popen) -> None:
    """End a contained program and everything that it has started.

    :raises Failure: the kernel does not
    """
    inner = _first(process)
    process.kill()
    process.wait()
    # The kernel lets the first process go as the last one.
    deadline = time.monotonic() + _END_S
    while inner is not None and pathlib.Path(f'/proc/{inner}').exists():
        if time.monotonic() > deadline:
            raise Failure(str(process.args[-1]), f'process {inner} of it '
                          'does not end')
        time.sleep(0.01)


def start(argv: Sequence[str], log: IO[bytes], *, descriptors: Sequence[int]
          = (), **variables: str) -> subprocess.Popen:
    """Start a program so.

    :param log: takes its output
    :param descriptors: which it inherits
    :param variables: added to its environment
    """
    return subprocess.Popen(
        command(argv), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        pass_fds=descriptors, env={**ENVIRONMENT, **variables})
