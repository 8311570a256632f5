# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""Programs that end with the thread that started them, whatever happens.

A program gets a process namespace, in which the kernel ends all that it has
started, and folders of its own for temporary files, which go with it.
"""

import pathlib
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import IO

from testbedlib.progress import Failure

_MOUNTS = ('mount -t tmpfs tmpfs /tmp && mount -t tmpfs tmpfs /dev/shm '
           '&& exec "$@"')
#: What a command line begins with.
PROGRAM = '/usr/bin/setpriv'
#: For programs that are contained; HOME and TMPDIR are theirs alone.
ENVIRONMENT: Mapping[str, str] = {
    'PATH': '/usr/local/bin:/usr/bin:/bin', 'HOME': '/tmp', 'TMPDIR': '/tmp',
    'LANG': 'C.UTF-8'}
_START_S = 10.0
_END_S = 10.0


def command(argv: Sequence[str]) -> list[str]:
    """The command line that runs a program so; it needs root."""
    return [PROGRAM, '--pdeathsig', 'KILL', 'unshare', '--mount', '--pid',
            '--fork', '--kill-child', '--mount-proc', '--propagation',
            'private', '--', 'sh', '-c', _MOUNTS, 'sh', *argv]


def first(process: subprocess.Popen) -> int | None:
    """The pid of the namespace's first process, if it is there."""
    children = pathlib.Path(f'/proc/{process.pid}/task/{process.pid}/children')
    if process.poll() is None and (found := children.read_text().split()):
        return int(found[0])
    return None


def end(process: subprocess.Popen) -> None:
    """End a contained program and everything that it has started.

    :raises Failure: the kernel does not
    """
    inner = first(process)
    process.kill()
    process.wait()
    # The kernel lets the first process go as the last one.
    deadline = time.monotonic() + _END_S
    while inner is not None and pathlib.Path(f'/proc/{inner}').exists():
        if time.monotonic() > deadline:
            raise Failure(str(process.args[-1]), f'process {inner} of it '
                          'does not end')
        time.sleep(0.01)


class Contained:
    """One that runs, and in whose surroundings others can be run.

    :param log: takes the output of all of them
    """

    def __init__(self, argv: Sequence[str], log: IO[bytes]) -> None:
        self._name = argv[0]
        self._log = log
        self._process = subprocess.Popen(
            command(argv), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env=ENVIRONMENT)

    def enter(self, argv: Sequence[str]) -> list[str]:
        """The command line that runs another program beside it.

        :raises Failure: it has ended, or does not start
        """
        return ['nsenter', '-t', str(self._first()), '-m', '-p', '-W', '/',
                '--', *argv]

    def run(self, *argv: str, **variables: str) -> None:
        """Run another program beside it, to its end.

        :param variables: added to its environment
        :raises Failure: it failed
        """
        done = subprocess.run(
            self.enter(argv), stdin=subprocess.DEVNULL, stdout=self._log,
            stderr=self._log, env={**ENVIRONMENT, **variables})
        if done.returncode:
            raise Failure(argv[0], f'ended with {done.returncode}',
                          self._log.name)

    def output(self, *argv: str, **variables: str) -> bytes:
        """What another program prints; nothing if it fails."""
        done = subprocess.run(
            self.enter(argv), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=self._log,
            env={**ENVIRONMENT, **variables})
        return done.stdout if done.returncode == 0 else b''

    def close(self) -> None:
        """End all of it."""
        end(self._process)

    def _first(self) -> int:
        deadline = time.monotonic() + _START_S
        while self._process.poll() is None and time.monotonic() < deadline:
            if inner := first(self._process):
                return inner
            time.sleep(0.01)
        raise Failure(self._name, 'does not run', self._log.name)
