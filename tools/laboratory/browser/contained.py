# SPDX-License-Identifier: Apache-2.0
"""Programs that end with the thread that started them, whatever happens.

A program gets a process namespace, in which the kernel ends all that it has
started, and folders of its own for temporary files, which go with it.
"""

import subprocess
from collections.abc import Mapping, Sequence
from typing import IO

import psutil

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


def end(process: subprocess.Popen) -> None:
    """End a contained program and everything that it has started.

    :raises Failure: the kernel does not
    """
    # The namespace's first process, which the kernel lets go as the last one.
    inner = ([] if process.poll() is not None
             else psutil.Process(process.pid).children())
    process.kill()
    process.wait()
    _gone, left = psutil.wait_procs(inner, _END_S)
    if left:
        raise Failure(str(process.args[-1]), f'process {left[0].pid} of it '
                      'does not end')


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
