# SPDX-License-Identifier: Apache-2.0
"""What the steps of one host have in common: run, start, wait."""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence

from laboratory import command, namespaces
from laboratory.progress import Failure
from laboratory.testbed.hosts import Host
from laboratory.testbed import probe, services
from laboratory.testbed.settings import Place

_LOOK_S = 0.2


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

    def wait(self, service: services.Service, answers: Callable[[], bool],
             seconds: float = 90) -> None:
        """Wait until a service answers.

        :param answers: asks it, on the host's network
        :raises Failure: it ended, or does not answer in time
        """
        deadline = time.monotonic() + seconds
        with namespaces.network(self.host.namespace):
            while not answers():
                if service.pid() is None:
                    raise Failure(service.name, 'ended\n'
                                  + command.tail(service.log), service.log)
                if time.monotonic() > deadline:
                    raise Failure(service.name,
                                  f'no answer within {seconds:.0f} s',
                                  service.log)
                time.sleep(_LOOK_S)

    def wait_tcp(self, service: services.Service, address: str, port: int,
                 seconds: float = 90) -> None:
        """Wait until a service takes TCP connections, see :meth:`wait`."""
        self.wait(service, lambda: probe.answers_tcp(address, port), seconds)
