# SPDX-License-Identifier: Apache-2.0
"""The services of one compute host, as steps."""

import pathlib
import time
from collections.abc import Mapping, Sequence

from laboratory.progress import Failure
from laboratory.testbed import conf_compute, emulator, inifile, installed
from laboratory.testbed import ovn, services, settings
from laboratory.testbed.conf_compute import NOVA
from laboratory.testbed.node import Node
from laboratory.testbed.settings import Place, PORTS, SOURCE

#: What nova-compute is not without, by Debian's unit. That is of the type
#: "notify", but Nova with native threads never says that it is ready.
_NOVA = {'Type': 'exec', 'User': NOVA, 'Group': NOVA, 'WorkingDirectory': '~',
         'RuntimeDirectory': 'nova', 'CacheDirectory': 'nova',
         'LimitNOFILE': '65535'}


class Compute:
    """Its methods are steps; ``bringup`` says what goes before what."""

    def __init__(self, place: Place, name: str) -> None:
        self._place = place
        self._name = name
        self._node = Node(place, name)
        self._host = place.compute(name)
        self._nova_conf = place.config('nova', f'nova-{name}.conf')

    def configure(self) -> None:
        """Write every configuration file of the host."""
        place, name = self._place, self._name
        inifile.write(self._nova_conf, inifile.render(
            conf_compute.nova_compute(place, name)))
        inifile.write(place.config('neutron', f'agent-{name}.ini'),
                      inifile.render(
                          conf_compute.openvswitch_agent(place, name)))
        # Everybody may read it, as it has no secret.
        inifile.write(place.config('nova-dmore', f'hostd-{name}.conf'),
                      inifile.render(conf_compute.hostd()), 0o644)
        for folder in self._folders():
            folder.mkdir(parents=True, exist_ok=True)

    def _folders(self) -> list[pathlib.Path]:
        """What nova-compute writes, beside instances."""
        return [*(self._place.own(self._name, name)
                  for name in ('nova', 'instances')),
                self._place.log(self._name, 'host').with_name('dmore')]

    def boot(self) -> None:
        """Boot it, with its users and folders."""
        place, name = self._place, self._name
        place.shared.mkdir(exist_ok=True)
        if not place.disk(name).exists():
            installed.install(place, name)
        self._host.boot(place.disk(name), place.layer(name),
                        installed.shown(place, name), place.log(name, 'host'))
        self._node.run('users', ['systemd-sysusers'])
        self._node.run('folders', ['systemd-tmpfiles', '--create'])
        # Users of the host go through folders that only root may go through
        # on this machine.
        self._node.run('folders', ['chmod', 'a+x', *{
            str(above) for path in (
                *self._folders(), *emulator.folders(place, name),
                place.public_key, place.layout.venv)
            for above in path.parents}])
        self._node.run('folders', ['mkdir', '-p', settings.IMAGE_CACHE])
        for path in (*self._folders(), place.image_cache(name),
                     self._nova_conf, place.console_secret,
                     place.move_key, place.shared):
            self._host.give(path, NOVA)

    def ssh(self) -> None:
        """What nova-compute of the other host copies disks by."""
        self._start('ssh')

    def storage(self) -> None:
        """Mount the instances' folder: shared, or the host's own."""
        place = self._place
        self._node.run('storage', ['mkdir', '-p', str(place.instances)])
        if place.cloud.block:
            self._node.run('storage', [
                'mount', '--bind', str(place.own(self._name, 'instances')),
                str(place.instances)])
            return
        # libvirt migrates without copying disks only from a file system that
        # it takes for a shared one, which it tells by the type's name.
        service = self._start('storage', [
            '/usr/bin/bindfs', '-f', '-o', 'fsname=shared,subtype=glusterfs',
            str(place.shared), str(place.instances)], Type='exec')
        deadline = time.monotonic() + 10
        mounts = self._host.root() / 'proc' / '1' / 'mounts'
        while f' {place.instances} fuse.glusterfs ' not in mounts.read_text():
            if service.pid() is None or time.monotonic() > deadline:
                raise Failure('storage', 'bindfs did not mount', service.log)
            time.sleep(0.05)

    def libvirt(self) -> None:
        self._start('virtlogd')
        service = self._start('libvirtd')
        self._node.wait_tcp(service, settings.address(self._name),
                            PORTS['libvirt'], seconds=30)

    def openvswitch(self) -> None:
        """The switch with its two bridges, on the userspace datapath."""
        for name in ('ovsdb-server', 'ovs-vswitchd'):
            self._start(name)
        self._vsctl('set-manager', conf_compute.OVSDB_MANAGER)
        for bridge in ('br-ex', 'br-int'):
            self._vsctl('--may-exist', 'add-br', bridge, '--', 'set', 'bridge',
                        bridge, 'datapath_type=netdev')
        self._vsctl('--may-exist', 'add-port', 'br-ex', 'data0')

    def _vsctl(self, *arguments: str) -> None:
        self._node.run('ovs-vsctl', ['ovs-vsctl', '--retry', '--timeout=20',
                                     *arguments])

    def agent(self) -> None:
        """What does on the host what Neutron wants."""
        if self._place.cloud.network == settings.NETWORK_OVN:
            self._vsctl(*ovn.options(self._name))
            ovn.controller_unit(self._place, self._name).start()
            return
        self._start_program(
            'neutron-openvswitch-agent', '/etc/neutron/neutron.conf',
            '/etc/neutron/plugins/ml2/openvswitch_agent.ini',
            # It does not end by SIGTERM.
            Type='exec', TimeoutStopSec='5')

    def hostd(self) -> None:
        """The host service of the plug-in."""
        self._start_program('nova-dmore-hostd', '/etc/nova-dmore/hostd.conf',
                            Restart='always')

    def exporter(self) -> None:
        """What writes the metrics of the host, if its release has it."""
        name = 'nova-dmore-exporter'
        if f'/etc/systemd/system/{name}.service' in installed.shipped(
                self._place.tree(self._name)):
            self._start_program(
                name, conf_compute.NOVA_CONF,
                more=('--output', f'{installed.METRICS}/nova-dmore.prom'))

    def nova(self) -> None:
        self._start_program('nova-compute', conf_compute.NOVA_CONF, **_NOVA)

    def _start_program(self, name: str, *files: str, more: Sequence[str] = (),
                       **settings: str) -> services.Unit:
        """A program of the virtual environment, with its configuration."""
        return self._start(name, [
            self._place.layout.venv_program(name),
            *(word for path in files for word in ('--config-file', path)),
            *more], {
                'PATH': self._place.environment()['PATH'],
                'PYTHONPATH': SOURCE, 'PYTHONDONTWRITEBYTECODE': '1'},
            **settings)

    def _start(self, name: str, argv: Sequence[str] = (),
               environment: Mapping[str, str] | None = None,
               **settings: str) -> services.Unit:
        """A unit; without a command line, one of Debian's."""
        unit = services.Unit(
            name, self._host, argv, self._place.log(self._name, name),
            environment or {}, settings)
        unit.start()
        return unit
