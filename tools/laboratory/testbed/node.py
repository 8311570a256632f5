# SPDX-License-Identifier: Apache-2.0
"""What the steps of one host have in common: run, start, wait."""

import dataclasses
import subprocess
from collections.abc import Mapping, Sequence

from laboratory import command
from laboratory.progress import Failure
from laboratory.testbed.hosts import Host
from laboratory.testbed import probe, services
from laboratory.testbed.settings import Place

_SYSTEM_PYTHON = '/usr/bin/python3'


@dataclasses.dataclass(frozen=True)
class Node:
    """A host of a certain cloud."""

    place: Place
    name: str

    @property
    def host(self) -> Host:
        return self.place.host(self.name)

    def run(self, step: str, argv: Sequence[str],
            environment: Mapping[str, str] | None = None) -> None:
        """Run a program in the host to its end, logged under the step's name.

        :raises Failure: it ended with an error
        """
        merged = {**self.place.environment(), **(environment or {})}
        command.logged(step, self.host.enter(argv),
                       self.place.log(self.name, step), environment=merged)

    def service(self, name: str, argv: Sequence[str],
                environment: Mapping[str, str] | None = None
                ) -> services.Service:
        """Start a long-running program.

        :raises Failure: the host is not up
        """
        service = services.Service(
            name, self.host, argv, self.place.log(self.name, name),
            {**self.place.environment(), **(environment or {})})
        service.start()
        return service

    def wsgi(self, name: str, port: int, module: str, threads: int,
             address: str, environment: Mapping[str, str],
             options: Sequence[str] = ()) -> services.Service:
        """Start a WSGI application under uwsgi, one process.

        :param options: further ones of uwsgi
        """
        return self.service(name, [
            self.place.layout.venv_program('uwsgi'),
            '--http-socket', f'{address}:{port}', '--module', module,
            '--master', '--processes', '1', '--threads', str(threads),
            '--enable-threads', '--lazy-apps', '--thunder-lock',
            '--die-on-term', '--need-app', '--buffer-size', '65535',
            '--virtualenv', str(self.place.layout.venv),
            # uwsgi's HTTP socket does not keep connections open.
            '--add-header', 'Connection: close', *options], environment)

    def wait(self, service: services.Service, *what: str,
             seconds: float = 90) -> None:
        """Wait until a service answers, as ``probe.py`` tells.

        :raises Failure: it ended, or does not answer in time
        """
        argv = self.host.enter([_SYSTEM_PYTHON, '-I', str(probe.__file__),
                                *what, str(seconds)])
        waiting = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
        while True:
            try:
                code = waiting.wait(timeout=0.5)
            except subprocess.TimeoutExpired:
                if service.pid() is not None:
                    continue
                waiting.terminate()
                waiting.wait()
                raise Failure(service.name, 'ended\n'
                              + command.tail(service.log), service.log
                              ) from None
            if code:
                raise Failure(service.name,
                              f'no answer within {seconds:.0f} s',
                              service.log)
            return
