# SPDX-License-Identifier: Apache-2.0
"""nova-dmore-vnc as Domain R's init starts it, for tests."""

import atexit
import fcntl
import functools
import os
import pathlib
import shutil
import signal
import socket
import tempfile
import time

from nova_dmore.domr.servers.vnc import program as program_module

_LINK, _REGION = 3, 4
_ABOVE = 10
_END_S = 20


@functools.cache
def _directory() -> pathlib.Path:
    directory = pathlib.Path(tempfile.mkdtemp(prefix='dmore-vnc-program-'))
    atexit.register(shutil.rmtree, directory)
    return directory


@functools.cache
def program(sanitizers: str = '') -> pathlib.Path:
    """The program, built once; see native.Program."""
    if sanitizers:
        return program_module.PROGRAM.build_checked(_directory(), sanitizers)
    return program_module.PROGRAM.build(_directory())


class Processes:
    """Starts them, and sees that none ended badly.

    :ivar pids: of those that were started, the newest last
    """

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path
        self.pids: list[int] = []
        self.statuses: dict[int, int] = {}
        self._errors = tempfile.TemporaryFile()

    def start(self, region: int) -> socket.socket:
        """Start one; ``region`` is the file with the region."""
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        readable = os.open(f'/proc/self/fd/{region}', os.O_RDONLY)
        # So that none is in the way of another's number.
        high = [fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, _ABOVE)
                for file in (its.fileno(), readable,
                             self._errors.fileno())]
        try:
            self.pids.append(os.posix_spawn(
                self._path, [str(self._path)], {}, file_actions=[
                    (os.POSIX_SPAWN_DUP2, high[0], _LINK),
                    (os.POSIX_SPAWN_DUP2, high[1], _REGION),
                    (os.POSIX_SPAWN_DUP2, high[2], 2)]))
        finally:
            for file in (*high, readable):
                os.close(file)
            its.close()
        return ours

    def kill(self) -> None:
        """Have the newest crash."""
        os.kill(self.pids[-1], signal.SIGSEGV)
        self.statuses[self.pids[-1]] = os.waitpid(self.pids[-1], 0)[1]

    def errors(self) -> str:
        """What they wrote to their standard error output."""
        self._errors.seek(0)
        return self._errors.read().decode(errors='replace')

    def memory_kib(self) -> int:
        """Memory of the newest that is its own."""
        with open(f'/proc/{self.pids[-1]}/status') as file:
            for line in file:
                if line.startswith('RssAnon'):
                    return int(line.split()[1])
        raise AssertionError('no RssAnon')

    def finish(self) -> None:
        """Wait for their end, after that of the agent's desktop.

        :raises AssertionError: one failed, or does not end
        """
        until = time.monotonic() + _END_S
        for pid in self.pids:
            while pid not in self.statuses:
                ended, status = os.waitpid(pid, os.WNOHANG)
                if ended:
                    assert status == 0, f'{status}: {self.errors()}'
                    break
                if time.monotonic() > until:
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
                    raise AssertionError('the VNC process does not end')
                time.sleep(0.01)
        self._errors.close()
