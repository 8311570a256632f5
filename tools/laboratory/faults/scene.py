# SPDX-License-Identifier: Apache-2.0
"""Where a fault happens: an instance that moves from one host to another."""

import dataclasses
import os
import pathlib
import signal

from laboratory import command
from laboratory.cloud.api import Cloud
from laboratory.cloud.processes import Processes
from laboratory.progress import Failure
from laboratory.testbed import probe, services, settings
from laboratory.testbed.settings import Place
from laboratory import waiting

SOURCE = 'source'
DESTINATION = 'destination'
_READY_S = 90.0
_PORTS = {'libvirtd': 'libvirt', 'rabbitmq': 'rabbitmq'}


@dataclasses.dataclass(frozen=True)
class Scene:
    """One migration of one instance.

    :param server: the instance's id
    :param domain: the name of its libvirt domain
    :param source, destination: the names of the hosts
    """

    place: Place
    api: Cloud
    server: str
    domain: str
    source: str
    destination: str

    def host(self, side: str) -> str:
        return self.source if side == SOURCE else self.destination

    # Processes.

    def processes(self, host: str, *words: str) -> list[int]:
        return self._all().processes(host, *words)

    def instance_qemu(self, host: str) -> list[int]:
        return self._all().instance_qemu(host, self.domain)

    def domain_r_qemu(self, host: str) -> list[int]:
        return self._all().domain_r_qemu(host, self.server)

    def keeper(self, host: str) -> list[int]:
        return self._all().keeper(host, self.server)

    def worker(self, host: str) -> list[int]:
        return self._all().worker(host, self.server)

    def pair_directory(self, host: str) -> pathlib.Path:
        return self._all().pair_directory(host, self.server)

    def _all(self) -> Processes:
        return Processes(self.place)

    # Services.

    def service(self, host: str, name: str) -> services.Service:
        """:raises Failure: it was never started"""
        return services.find(self.place.host(host), name)

    def run(self, host: str, argv: list[str]) -> str:
        """Run a program in a host; what it prints.

        :raises Failure: it ended with an error
        """
        return command.said(f'{argv[0]} on {host}',
                            self.place.host(host).enter(argv), 60)

    def log(self, host: str) -> pathlib.Path:
        """nova-compute's."""
        return self.place.log(host, 'nova-compute')


def kill(pids: list[int]) -> bool:
    """With SIGKILL; whether there was one."""
    killed = False
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
            killed = True
        except ProcessLookupError:
            continue
    return killed


def start_again(scene: Scene, host: str, name: str) -> None:
    """Start a service that was killed, and wait until it answers.

    :raises Failure: it does not
    """
    service = scene.service(host, name)
    if service.pid() is not None:
        service.stop()
    service.start()
    if name in _PORTS:
        port = settings.PORTS[_PORTS[name]]
        if not waiting.until(lambda: probe.answers_tcp(
                settings.address(host), port), _READY_S):
            raise Failure(f'{name} on {host}', 'does not answer', service.log)
    service.wait_until_ready(_READY_S)
