# SPDX-License-Identifier: Apache-2.0
"""Long-running programs of a host: start, find, stop, start again."""

import contextlib
import dataclasses
import json
import pathlib
import shlex
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence

from laboratory.progress import Failure
from laboratory.testbed.hosts import Host, Machine
from laboratory.testbed import inifile
from laboratory import waiting

# The inner shell records its own pid and becomes the program, so the pid is
# the one that the host's own process namespace knows.
_LAUNCH = 'echo $$ > "$0"; exec "$@"'
#: Seconds within which a program's own shell runs.
_PID_S = 30.0
#: What a service logs when it takes requests, for those that take a while.
_READY = {
    'nova-compute': 'Join ServiceGroup membership',
    # It forks those that answer.
    'neutron-rpc-server': 'Selected multiprocessing start method'}


@dataclasses.dataclass(frozen=True)
class Service:
    """One program on one host, with all that is needed to start it again."""

    name: str
    host: Host
    argv: Sequence[str]
    log: pathlib.Path
    environment: Mapping[str, str]

    def _save(self, **more: object) -> None:
        inifile.write(
            self.host.records / f'{self.name}@{self.host.name}.json',
            json.dumps({
                'name': self.name, 'argv': list(self.argv),
                'log': str(self.log), 'environment': dict(self.environment),
                **more}))

    def _pid_file(self) -> pathlib.Path:
        return self.host.records / f'{self.name}@{self.host.name}.pid'

    def start(self) -> None:
        """Start in the background; the output goes to the log file.

        :raises Failure: the host is not up, or the program does not start
        """
        self._save()
        pid_file = self._pid_file()
        pid_file.unlink(missing_ok=True)
        argv = self.host.enter(
            ['setsid', '--fork', 'sh', '-c', _LAUNCH, str(pid_file),
             *self.argv])
        with self.log.open('a') as stream:
            stream.write(self._headline())
            stream.flush()
            subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=stream,
                           stderr=stream, env=self.environment, check=True)
        # Until then it would look as if it had ended.
        if not waiting.until(lambda: pid_file.exists() and (
                pid_file.read_text().strip()), _PID_S, 0.02):
            raise self._failure('does not start')

    def _failure(self, reason: str) -> Failure:
        return Failure(f'{self.name} on {self.host.name}', reason, self.log)

    def wait_until_ready(self, seconds: float = 60) -> None:
        """Wait until a service that was just started has said that it is
        ready.

        Returns at once for a service of which no such sign is known.

        :raises Failure: it ended, or says nothing in time
        """
        sign = _READY.get(self.name)
        deadline = time.monotonic() + seconds
        while sign is not None:
            # What came before the last start is of an earlier process.
            if sign in self.log.read_text(errors='replace').rpartition(
                    self._headline())[2]:
                return
            if self.pid() is None or time.monotonic() > deadline:
                raise self._failure('did not get ready')
            time.sleep(0.2)

    def _headline(self) -> str:
        return f'$ {shlex.join(self.argv)}\n'

    def pid(self) -> int | None:
        """The pid inside the host, or nothing if the program has ended."""
        pid_file = self._pid_file()
        if not pid_file.exists() or self.host.holder() is None:
            return None
        text = pid_file.read_text().strip()
        if not text:
            return None
        try:
            stat = (self.host.root() / 'proc' / text / 'stat').read_text()
        except (FileNotFoundError, ProcessLookupError):
            # The latter if it ends between the opening and the reading.
            return None
        # A zombie is about to be reaped: it is not running any more.
        state = stat.rpartition(')')[2].split()[0]
        return None if state == 'Z' else int(text)

    def stop(self, seconds: float = 15) -> None:
        """End the program (not what it started), politely at first.

        :raises Failure: it does not even react to SIGKILL
        """
        for name, patience in (('TERM', seconds), ('KILL', 5.0)):
            pid = self.pid()
            if pid is None:
                return
            subprocess.run(self.host.enter(['kill', f'-{name}', str(pid)]),
                           stderr=subprocess.DEVNULL)
            waiting.until(lambda: self.pid() != pid, patience, 0.05)
        if self.pid() is not None:
            raise self._failure('does not stop')

    def restart(self) -> None:
        """Stop and start it, and wait until it is ready.

        :raises Failure: it does not stop, or does not get ready
        """
        self.stop()
        self.start()
        self.wait_until_ready()


@dataclasses.dataclass(frozen=True)
class Unit(Service):
    """A service of a host that systemd has booted.

    What a package, or this project, ships as a unit is used, and here is
    only what differs; where there is no such unit, this is all of it. Nothing
    starts again by itself unless the settings say so: who kills it wants it
    away.

    :param argv: none: that of the unit
    :param settings: further ones of its ``[Service]``
    """

    settings: Mapping[str, str]

    def start(self) -> None:
        """Start it; returns when it runs, or when it has said that it is
        ready, by what kind of unit it is.

        :raises Failure: the host is not up, or it does not start
        """
        self._save(settings=dict(self.settings))
        self._install()
        with self.log.open('a') as stream:
            stream.write(self._headline())
        self._systemctl('reset-failed')
        done = self._systemctl('start')
        if done.returncode:
            raise self._failure(done.stderr.strip())

    @contextlib.contextmanager
    def started_again(self) -> Iterator[None]:
        """Have systemd start it again whenever it fails, for a while, as
        units of Nova in Debian say. It runs already, and runs on.

        :raises Failure: it does not run, and does not start either
        """
        dataclasses.replace(self, settings={
            **self.settings, 'Restart': 'on-failure'}).start()
        try:
            yield
        finally:
            self.start()

    def kill(self, seconds: float = 90) -> None:
        """Kill its main process with SIGKILL, and wait until systemd has
        started it again and it is ready.

        :raises Failure: it does not start, or does not get ready in time
        """
        with self.started_again():
            pid = self.pid()
            subprocess.run(self.host.enter(['kill', '-KILL', str(pid)]),
                           check=True)
            if not waiting.until(lambda: self.pid() not in (None, pid),
                                 seconds):
                raise self._failure('is not started again')
            self.wait_until_ready(seconds)

    def _install(self) -> None:
        """Write what systemd is to know of it."""
        root = self.host.root()
        shipped = any((root / folder / 'systemd/system' / self._unit()
                       ).exists() for folder in ('etc', 'usr/lib'))
        path = root / 'run/systemd/system' / (
            f'{self._unit()}.d/laboratory.conf' if shipped else self._unit())
        text = self.text()
        if not path.exists() or path.read_text() != text:
            inifile.write(path, text, 0o644)
            subprocess.run(self.host.enter(['systemctl', 'daemon-reload']),
                           check=True)

    def text(self) -> str:
        """What systemd is to know of it."""
        lines = ['[Service]', *(f'{name}={value}' for name, value in {
            'Restart': 'no', 'TimeoutStopSec': '15',
            'StandardOutput': f'append:{self.log}', **self.settings}.items())]
        lines += [f'Environment={quoted(f"{name}={value}")}'
                  for name, value in self.environment.items()]
        if self.argv:
            # The first takes back what the shipped unit says.
            lines += ['ExecStart=',
                      f'ExecStart={" ".join(map(quoted, self.argv))}']
        return '\n'.join([*lines, ''])

    def _unit(self) -> str:
        return f'{self.name}.service'

    def _systemctl(self, verb: str, *options: str
                   ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.host.enter(['systemctl', verb, *options, self._unit()]),
            capture_output=True, text=True)

    def _headline(self) -> str:
        return f'$ systemctl start {self._unit()}\n'

    def pid(self) -> int | None:
        """The pid inside the host, or nothing if the program has ended."""
        if self.host.holder() is None:
            return None
        shown = self._systemctl('show', '-P', 'MainPID').stdout.strip()
        return int(shown or 0) or None

    def stop(self, seconds: float = 15) -> None:
        """End it, politely at first, and what it has started where its unit
        says so.

        :param seconds: of no effect: the unit says how patient systemd is
        :raises Failure: it does not even react to SIGKILL
        """
        if self.host.holder() is not None:
            self._systemctl('stop')
        if self.pid() is not None:
            raise self._failure('does not stop')


def quoted(word: str) -> str:
    """A word as systemd reads it in a unit."""
    text = word.translate({ord('\\'): r'\\', ord('"'): r'\"',
                           ord('%'): '%%'})
    return f'"{text}"'


def find(host: Host, name: str) -> Service:
    """A service that was started on a host.

    :raises Failure: it never was
    """
    found = {service.name: service for service in recorded([host])}
    if name not in found:
        raise Failure(host.name, f'has no service {name}, only '
                                 f'{", ".join(found)}')
    return found[name]


def recorded(hosts: Sequence[Host]) -> list[Service]:
    """The services that were started on these hosts, in the order of names."""
    found: list[Service] = []
    for host in hosts:
        for record in sorted(host.records.glob(f'*@{host.name}.json')):
            saved = json.loads(record.read_text())
            words = (saved['argv'], pathlib.Path(saved['log']),
                     saved['environment'])
            if isinstance(host, Machine):
                found.append(Unit(saved['name'], host, *words,
                                  saved['settings']))
            else:
                found.append(Service(saved['name'], host, *words))
    return found
