# SPDX-License-Identifier: Apache-2.0
"""The hosts' networks, and the mounts of the controller."""

import subprocess

from laboratory import command
from laboratory.testbed import emulator, inifile, settings, volumes
from laboratory.testbed.settings import COMPUTES, CONTROLLER, Place

#: Paths that the controller has of its own, with the folder that is behind,
#: and the user who must own it: neither daemon runs as root, and neither user
#: may be able to reach into the state directory.
_CONTROLLER_BINDS = {
    'mysql': ('/var/lib/mysql', 'mysql'),
    'rabbitmq': ('/var/lib/rabbitmq', 'rabbitmq'),
    'log-rabbitmq': ('/var/log/rabbitmq', 'rabbitmq'),
}
_FOLDERS = [('/run/lock', '1777'), ('/run/tmp', '1777'), ('/run/home', '0700'),
            ('/run/mysqld', '0777')]


def create(place: Place) -> None:
    """Make the hosts' networks, connect them, and start the controller.

    Two bridges on the controller: ``br-control`` for the cloud's own traffic,
    and ``br-data``, which is the physical network that neutron knows.

    :raises Failure: a namespace of that name exists, or the kernel refuses
    """
    hosts = {host.name: host for host in place.hosts()}
    for host in hosts.values():
        host.create_network()
    controller = hosts[CONTROLLER]
    for bridge, own in (('br-control', settings.address(CONTROLLER)),
                        ('br-data', settings.MANAGEMENT_CONTROLLER)):
        controller.ip('link', 'add', bridge, 'type', 'bridge')
        controller.ip('link', 'set', bridge, 'up')
        controller.ip('addr', 'add', f'{own}/24', 'dev', bridge)
    controller.ip('addr', 'add', f'{settings.MANAGEMENT_USER}/24', 'dev',
                  'br-data')
    for name in COMPUTES:
        for bridge, near, far in (
                ('br-control', f'{name}-control', 'control0'),
                ('br-data', f'{name}-data', 'data0')):
            controller.ip('link', 'add', near, 'type', 'veth', 'peer', 'name',
                          far, 'netns', hosts[name].namespace)
            controller.ip('link', 'set', near, 'master', bridge, 'up')
            hosts[name].ip('link', 'set', far, 'up')
        hosts[name].ip('addr', 'add', f'{settings.address(name)}/24',
                       'dev', 'control0')
    _without_offload(place)
    _write_hosts_file(place)
    if emulator.is_needed(place.cloud):
        for name in COMPUTES:
            emulator.install(place, name)
    _start(place)


def _without_offload(place: Place) -> None:
    """Have every packet on the data network carry a complete checksum.

    The userspace datapath reads frames from a raw socket, where one whose
    checksum was left to hardware that does not exist looks damaged.
    """
    devices = [(CONTROLLER, 'br-data')]
    for name in COMPUTES:
        devices += [(CONTROLLER, f'{name}-data'), (name, 'data0')]
    for host, device in devices:
        command.said(f'offloads of {device} of {host}', place.host(
            host).on_network(['ethtool', '-K', device, 'tx', 'off', 'gso',
                              'off', 'gro', 'off']))


def _write_hosts_file(place: Place) -> None:
    lines = ['127.0.0.1 localhost']
    lines += [f'{settings.address(name)} {name}'
              for name in (CONTROLLER, *COMPUTES)]
    inifile.write(place.config('hosts'), '\n'.join(lines) + '\n', 0o644)


def _start(place: Place) -> None:
    binds = [(str(place.config('hosts')), '/etc/hosts')]
    for own, (path, _user) in _CONTROLLER_BINDS.items():
        place.own(CONTROLLER, own).mkdir(parents=True, exist_ok=True)
        binds.append((str(place.own(CONTROLLER, own)), path))
    binds.append(volumes.bind(place))
    log = place.log(CONTROLLER, 'host')
    log.parent.mkdir(parents=True, exist_ok=True)
    place.host(CONTROLLER).start_holder(
        {'tmpfs': ['/run'], 'folders': _FOLDERS, 'binds': binds}, log)
    for own, (_path, user) in _CONTROLLER_BINDS.items():
        subprocess.run(['chown', user, str(place.own(CONTROLLER, own))],
                       check=True)
