# SPDX-License-Identifier: Apache-2.0
"""The three hosts: a network, mount, UTS and process namespace each.

A host is held by one process, its first one. Everything that is started in the
host is its descendant in the process namespace, so the kernel ends all of it
with the holder, whatever became of the records that this package keeps. The
first process of a compute host is systemd (:class:`Machine`).
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence

from laboratory import command, machine, namespaces, waiting
from laboratory.progress import Failure

_HOLDER = pathlib.Path(__file__).with_name('holder.py')
_SYSTEM_PYTHON = '/usr/bin/python3'


@dataclasses.dataclass(frozen=True)
class Host:
    """One host of the cloud.

    :param name: its host name
    :param prefix: begins the name of its network namespace
    :param records: the folder for pid files, shared by all hosts
    """

    name: str
    prefix: str
    records: pathlib.Path

    @property
    def namespace(self) -> str:
        return f'{self.prefix}-{self.name}'

    def _holder_record(self) -> pathlib.Path:
        return self.records / f'holder@{self.name}'

    def holder(self) -> int | None:
        """The pid of the first process, as this machine sees it, if alive.

        A recorded pid counts only if that process is in our network namespace:
        after a crash the number may belong to somebody else.
        """
        try:
            text = self._holder_record().read_text().strip()
            if not text.isdigit() or not os.path.samefile(
                    f'/proc/{text}/ns/net', namespaces.path(self.namespace)):
                return None
        except (FileNotFoundError, ProcessLookupError):
            return None
        return int(text)

    def processes(self) -> list[int]:
        """Every process in the host's network namespace, as pids out here."""
        if not namespaces.path(self.namespace).exists():
            return []
        listed = command.output(['ip', 'netns', 'pids', self.namespace])
        return [int(pid) for pid in listed.split()]

    def create_network(self) -> None:
        """:raises Failure: the namespace exists or cannot be made"""
        command.said(f'host {self.name}',
                     ['ip', 'netns', 'add', self.namespace])
        self.ip('link', 'set', 'lo', 'up')

    def on_network(self, argv: Sequence[str]) -> list[str]:
        """The command line that runs ``argv`` on the host's network alone."""
        return ['ip', 'netns', 'exec', self.namespace, *argv]

    def ip(self, *arguments: str) -> None:
        """Run ``ip`` on the host's network.

        :raises Failure: it ended with an error
        """
        argv = ['ip', '-n', self.namespace, *arguments]
        command.said(f'network of {self.name}: {" ".join(argv)}', argv)

    def start_holder(self, plan: Mapping[str, object],
                     log: pathlib.Path, seconds: float = 10) -> None:
        """Start the first process, which makes the host's mounts.

        :param plan: what ``holder.py`` is to mount, see there
        :raises Failure: it did not come up in time
        """
        ready = self.records / f'ready@{self.name}'
        ready.unlink(missing_ok=True)
        with log.open('a') as stream:
            outer = subprocess.Popen(
                self.on_network([
                    'unshare', '--mount', '--uts', '--pid', '--fork',
                    '--mount-proc', '--kill-child', '--propagation',
                    'private', _SYSTEM_PYTHON, '-I', str(_HOLDER), str(ready),
                    json.dumps({'hostname': self.name, **plan})]),
                stdin=subprocess.DEVNULL, stdout=stream, stderr=stream,
                start_new_session=True)
        waiting.until(lambda: ready.exists() or outer.poll() is not None,
                      seconds, 0.02)
        if not ready.exists():
            raise Failure(f'host {self.name}', 'its first process did not '
                          f'come up\n{command.tail(log)}', log)
        children = pathlib.Path(f'/proc/{outer.pid}/task/{outer.pid}/children')
        self._holder_record().write_text(children.read_text().strip())

    def enter(self, argv: Sequence[str], cwd: str = '/') -> list[str]:
        """The command line that runs ``argv`` inside the host.

        :raises Failure: the host is not up
        """
        return ['nsenter', '-t', str(self._held()), '-m', '-u', '-n', '-p',
                '-W', cwd, '--', *argv]

    def root(self) -> pathlib.Path:
        """The host's file system as seen from out here.

        :raises Failure: the host is not up
        """
        return pathlib.Path(f'/proc/{self._held()}/root')

    def _held(self) -> int:
        holder = self.holder()
        if holder is None:
            raise Failure(f'host {self.name}', 'is not up')
        return holder

    def destroy(self, seconds: float = 10) -> None:
        """End every process of the host and remove its network.

        Works on whatever is left of a host, also on none. What is on a network
        of its own ends with the holder.

        :raises Failure: a process did not go away
        """
        self._end(seconds)
        if namespaces.path(self.namespace).exists():
            subprocess.run(['ip', 'netns', 'del', self.namespace], check=True)

    def _end(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while pids := self.processes():
            if time.monotonic() > deadline:
                raise Failure(f'host {self.name}',
                              f'processes {pids} do not end')
            for pid in pids:
                # It may have ended between being listed and now.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)


class Machine(Host):
    """A host that systemd has booted."""

    def _machine(self) -> str:
        return f'dmore-machine-{self.namespace}'

    def boot(self, disk: pathlib.Path, layer: pathlib.Path | None,
             options: Sequence[str], log: pathlib.Path) -> None:
        """Start it; returns when systemd has started all that starts by
        itself.

        :param disk: folder for what is written in it; what is in its
            ``upper`` already is laid over this machine's own files
        :param layer: folder that is laid between the two, if there is one
        :param options: of ``systemd-nspawn``
        :raises Failure: it does not come up
        """
        with log.open('a') as stream:
            program = subprocess.Popen(
                ['nsenter', f'--net={namespaces.path(self.namespace)}',
                 _SYSTEM_PYTHON, '-I', machine.__file__, machine.plan(
                     self._machine(), [f'--hostname={self.name}', *options],
                     disk, detached=True, network=True, layer=layer)],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=stream, start_new_session=True, text=True)
        assert program.stdout is not None
        with program.stdout as told:
            leader = told.readline().strip()
        if not leader:
            raise Failure(f'host {self.name}', 'does not boot\n'
                          + command.tail(log), log)
        self._holder_record().write_text(leader)

    def enter(self, argv: Sequence[str], cwd: str = '/') -> list[str]:
        """The command line that runs ``argv`` inside the host, as root.

        :raises Failure: the host is not up
        """
        return machine.enter(self._held(), argv, cwd)

    def user(self, name: str) -> tuple[int, int]:
        """The numbers of a user of the host, and of that user's group.

        :raises Failure: the host is not up
        :raises KeyError: it has no such user
        """
        for line in (self.root() / 'etc/passwd').read_text().splitlines():
            found, _password, user, group, *_rest = line.split(':')
            if found == name:
                return int(user), int(group)
        raise KeyError(name)

    def give(self, path: pathlib.Path, name: str) -> None:
        """Make a file or folder that a user of the host may use that user's.

        :raises Failure: the host is not up
        """
        os.chown(path, *self.user(name))

    def crash(self, seconds: float = 10) -> None:
        """End all of it at once. Its disk and its network stay, for
        :meth:`boot`.

        :raises Failure: a process did not go away
        """
        self._end(seconds)
        machine.remove(self._machine())

    def destroy(self, seconds: float = 10) -> None:
        super().destroy(seconds)
        # Also those of one whose network is gone already.
        machine.remove(self._machine())
