# SPDX-License-Identifier: Apache-2.0
"""What Nova, Neutron, libvirt and the hosts say about one instance."""

import dataclasses
import re
import subprocess

from laboratory.cloud import machines
from laboratory.faults.scene import Scene
from laboratory.faults import shortages
from laboratory.testbed.settings import COMPUTES
from laboratory.testbed import status

_DOMAIN = re.compile(r'^\s*(?:\d+|-)\s+(\S+)\s+(\S.*?)\s*$', re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Bound:
    """A port: its bindings by host (``ACTIVE``, ``INACTIVE``)."""

    tap: str
    bindings: dict[str, str]


@dataclasses.dataclass(frozen=True)
class On:
    """One host's part.

    :param domains: states of the instance's domain and of Domain R's
    :param taps: network devices of ports of either
    :param files: the pair's directory and what is half fetched
    """

    instance: str | None
    domain_r: str | None
    qemus: int
    keepers: int
    workers: int
    strays: int
    taps: frozenset[str]
    files: frozenset[str]


@dataclasses.dataclass(frozen=True)
class State:
    """All of it at one moment.

    :param nova: status, task and host
    :param moving: migrations that Nova takes for being under way
    :param ended: services of the cloud that do not run
    """

    status: str
    task: str | None
    host: str
    moving: int
    hosts: dict[str, On]
    instance_ports: tuple[Bound, ...]
    domain_r_ports: tuple[Bound, ...]
    ended: tuple[str, ...]


def look(scene: Scene) -> State:
    """Ask all of them.

    :raises Failure: a host does not answer
    :raises openstack.exceptions.SDKException: an API does not
    :raises subprocess.SubprocessError: libvirt does not
    """
    sdk = scene.api._sdk
    server = sdk.compute.get_server(scene.server)
    moving = scene.api.migrations(scene.server)
    mine = tuple(_bound(sdk, port) for port in sdk.network.ports(
        device_id=scene.server))
    domain_r = tuple(_bound(sdk, port) for port in sdk.network.ports(
        device_id=shortages.port_name(scene.server)))
    taps = {port.tap for port in (*mine, *domain_r)}
    return State(
        server.status, server.task_state, server.compute_host,
        len(moving),
        {host: _on(scene, host, taps) for host in COMPUTES}, mine, domain_r,
        tuple(f'{service} on {host}' for (host, service), pid
              in status.collect(scene.place).pids.items() if pid is None))


def _bound(sdk, port) -> Bound:
    return Bound(f'tap{port.id}'[:14], {
        binding.host: binding.status
        for binding in sdk.network.port_bindings(port)})


def _on(scene: Scene, host: str, taps: set[str]) -> On:
    domains = _domains(host)
    keepers = scene.keeper(host)
    workers = scene.worker(host)
    return On(
        domains.get(scene.domain), domains.get(f'domr-{scene.server}'),
        len(scene.instance_qemu(host)) + len(scene.domain_r_qemu(host)),
        len(keepers), len(workers), 0 if keepers else len(workers),
        frozenset(taps & _links(scene, host)), _files(scene, host))


def _domains(host: str) -> dict[str, str]:
    """:raises subprocess.SubprocessError: libvirt does not answer"""
    done = subprocess.run(
        machines.virsh(host, 'list', '--all'), capture_output=True, text=True,
        timeout=30, check=True)
    return dict(_DOMAIN.findall(done.stdout))


def _links(scene: Scene, host: str) -> set[str]:
    done = subprocess.run(
        ['ip', '-n', scene.place.host(host).namespace, '-br', 'link'],
        capture_output=True, text=True, check=True)
    wired = scene.run(host, [
        'ovs-vsctl', '--db=unix:/run/openvswitch/db.sock', 'list-ports',
        'br-int']).split()
    return {line.split()[0] for line in done.stdout.splitlines()} | set(wired)


def _files(scene: Scene, host: str) -> frozenset[str]:
    cache = scene.place.image_cache(host)
    found = {path.name for path in cache.glob('.fetch-*')}
    if scene.pair_directory(host).exists():
        found.add('pair directory')
    return frozenset(found)
