# SPDX-License-Identifier: Apache-2.0
"""The services of one compute host, as steps."""

import time

from laboratory.progress import Failure
from laboratory.testbed import conf_compute, inifile, settings
from laboratory.testbed.node import Node
from laboratory.testbed.settings import Place, PORTS

_SCHEMA = '/usr/share/openvswitch/vswitch.ovsschema'


class Compute:
    """Its methods are steps; ``bringup`` says what goes before what."""

    def __init__(self, place: Place, name: str) -> None:
        self._place = place
        self._name = name
        self._node = Node(place, name)
        self._nova_conf = place.config('nova', f'nova-{name}.conf')
        self._agent_conf = place.config('neutron', f'agent-{name}.ini')
        self._hostd_conf = place.config('nova-dmore', f'hostd-{name}.conf')

    def configure(self) -> None:
        """Write every configuration file of the host."""
        place, name = self._place, self._name
        inifile.write(self._nova_conf, inifile.render(
            conf_compute.nova_compute(place, name)))
        inifile.write(self._agent_conf, inifile.render(
            conf_compute.openvswitch_agent(place, name)))
        inifile.write(self._hostd_conf, inifile.render(
            conf_compute.hostd(place)))
        libvirt = place.own(name, 'etc-libvirt')
        inifile.write(libvirt / 'libvirtd.conf', conf_compute.libvirtd(name))
        inifile.write(libvirt / 'qemu.conf', conf_compute.qemu(name))
        place.certificates(name).mkdir(exist_ok=True)
        place.own(name, 'nova').mkdir(parents=True, exist_ok=True)

    def storage(self) -> None:
        """Mount the instances' folder: shared, or the host's own."""
        place = self._place
        place.instances.mkdir(exist_ok=True)
        if place.cloud.block:
            own = place.own(self._name, 'instances')
            own.mkdir(parents=True, exist_ok=True)
            self._node.run('storage', ['mount', '--bind', str(own),
                                       str(place.instances)])
            return
        shared = place.root / 'shared'
        shared.mkdir(exist_ok=True)
        # libvirt migrates without copying disks only from a file system that
        # it takes for a shared one, which it tells by the type's name.
        service = self._node.service('storage', [
            'bindfs', '-f', '-o', 'fsname=shared,subtype=glusterfs',
            str(shared), str(place.instances)])
        deadline = time.monotonic() + 10
        mounts = self._node.host.root() / 'proc' / '1' / 'mounts'
        while f' {place.instances} fuse.glusterfs ' not in mounts.read_text():
            if service.pid() is None or time.monotonic() > deadline:
                raise Failure('storage', 'bindfs did not mount', service.log)
            time.sleep(0.05)

    def libvirt(self) -> None:
        self._node.service('virtlogd', ['virtlogd'])
        service = self._node.service('libvirtd', ['libvirtd', '--listen'])
        self._node.wait_tcp(service, settings.address(self._name),
                            PORTS['libvirt'], seconds=30)

    def openvswitch(self) -> None:
        """The switch with its two bridges, on the userspace datapath."""
        log = '/var/log/openvswitch'
        database = '/etc/openvswitch/conf.db'
        self._node.run('ovsdb-create', ['ovsdb-tool', 'create', database,
                                        _SCHEMA])
        self._node.service('ovsdb-server', [
            'ovsdb-server', database, f'--remote=p{conf_compute.OVSDB}',
            '--remote=db:Open_vSwitch,Open_vSwitch,manager_options',
            f'--log-file={log}/ovsdb-server.log'])
        self._vsctl('--no-wait', 'init')
        self._node.service('ovs-vswitchd', [
            'ovs-vswitchd', conf_compute.OVSDB,
            f'--log-file={log}/ovs-vswitchd.log'])
        for bridge in ('br-ex', 'br-int'):
            self._vsctl('--may-exist', 'add-br', bridge, '--', 'set', 'bridge',
                        bridge, 'datapath_type=netdev')
        self._vsctl('--may-exist', 'add-port', 'br-ex', 'data0')

    def _vsctl(self, *arguments: str) -> None:
        # --retry: the database server may still be about to listen.
        self._node.run('ovs-vsctl', ['ovs-vsctl', '--retry', '--timeout=20',
                                     *arguments])

    def agent(self) -> None:
        program = 'neutron-openvswitch-agent'
        self._node.service(program, [
            self._place.layout.venv_program(program),
            '--config-file', str(self._place.config('neutron/neutron.conf')),
            '--config-file', str(self._agent_conf)])

    def hostd(self) -> None:
        """The host service of the plug-in."""
        self._node.service('nova-dmore-hostd', [
            self._place.layout.venv_program('nova-dmore-hostd'),
            '--config-file', str(self._hostd_conf)])

    def nova(self) -> None:
        self._node.service('nova-compute', [
            self._place.layout.venv_program('nova-compute'),
            '--config-file', str(self._nova_conf)])
