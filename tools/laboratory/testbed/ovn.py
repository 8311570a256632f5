# SPDX-License-Identifier: Apache-2.0
"""Neutron with OVN in place of its own agents (``testbed up --network ovn``).

The two databases and northd are on the controller, ovn-controller on each
compute host. OVN's programs are those of Debian's packages, unpacked and not
installed (``setup/prepare.py``).
"""

import pathlib

from laboratory.progress import Failure
from laboratory.testbed import inifile, services, settings
from laboratory.testbed.inifile import Sections
from laboratory.testbed.node import Node
from laboratory.testbed.settings import CONTROLLER, Place

#: Of the northbound and the southbound database.
_PORTS = {'nb': 6641, 'sb': 6642}
_RUN = '/run/ovn'
#: Open vSwitch's database, as root reaches it in a compute host.
_OVSDB = 'unix:/run/openvswitch/db.sock'


def ml2(sections: Sections) -> Sections:
    """Neutron's ``ml2_conf.ini``, made that of a cloud with OVN."""
    return inifile.merge(sections, {
        'ml2': {'mechanism_drivers': 'ovn'},
        'ovn': {f'ovn_{name}_connection': _remote(name) for name in _PORTS},
    })


def _remote(name: str) -> str:
    return f'tcp:{settings.address(CONTROLLER)}:{_PORTS[name]}'


def _program(place: Place, name: str) -> str:
    return str(place.layout.ovn / 'usr' / 'bin' / name)


class Central:
    """What runs on the controller; its methods are steps."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._node = Node(place, CONTROLLER)

    def databases(self) -> None:
        """Both, empty; and what translates the one into the other."""
        self._node.run('ovn-folder', ['mkdir', '-p', _RUN])
        address = settings.address(CONTROLLER)
        for name, port in _PORTS.items():
            schema = (self._place.layout.ovn
                      / f'usr/share/ovn/ovn-{name}.ovsschema')
            database = f'{_RUN}/{name}.db'
            self._node.run(f'ovn-{name}-create', [
                'ovsdb-tool', 'create', database, str(schema)])
            service = self._node.service(f'ovn-{name}', [
                'ovsdb-server', f'--remote=punix:{_socket(name)}',
                f'--remote=ptcp:{port}:{address}',
                f'--unixctl={_RUN}/{name}.ctl', database])
            self._node.wait_tcp(service, address, port)
        self._node.service('ovn-northd', [
            _program(self._place, 'ovn-northd'),
            f'--ovnnb-db=unix:{_socket("nb")}',
            f'--ovnsb-db=unix:{_socket("sb")}',
            f'--unixctl={_RUN}/northd.ctl'])

    def maintenance(self) -> None:
        """What Neutron does beside its API. Nothing tells that it is
        ready, and nothing waits for it."""
        name = 'neutron-ovn-maintenance-worker'
        self._node.service(name, [
            self._place.layout.venv_program(name),
            *(word for each in ('neutron.conf', 'ml2_conf.ini') for word in (
                '--config-file', str(self._place.config('neutron', each))))])


def _socket(name: str) -> str:
    return f'{_RUN}/{name}.sock'


def options(host: str) -> list[str]:
    """The words for ``ovs-vsctl`` that tell a host's ovn-controller all."""
    known = {
        'system-id': host,
        'hostname': host,
        'ovn-remote': _remote('sb'),
        'ovn-encap-type': 'geneve',
        'ovn-encap-ip': settings.address(host),
        'ovn-bridge-mappings': f'{settings.PHYSICAL_NETWORK}:br-ex',
        'ovn-bridge-datapath-type': 'netdev',
    }
    return ['set', 'open_vswitch', '.', *(
        f'external_ids:{name}="{value}"' for name, value in known.items())]


def controller_unit(place: Place, host: str) -> services.Unit:
    """ovn-controller on a compute host, not started yet.

    :raises Failure: OVN's packages are not there
    """
    program = pathlib.Path(_program(place, 'ovn-controller'))
    if not program.exists():
        raise Failure('ovn-controller', f'{program} is not there')
    name = 'ovn-controller'
    return services.Unit(name, place.compute(host), [str(program), _OVSDB],
                         place.log(host, name), {},
                         {'RuntimeDirectory': 'ovn', 'Type': 'exec'})
