# SPDX-License-Identifier: Apache-2.0
"""Neutron with OVN in place of its own agents (``testbed up --network ovn``).

The two databases and northd are on the controller, ovn-controller on each
compute host. OVN's programs are those of Debian's packages, unpacked and not
installed (``setup/prepare.py``).
"""

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


def start_databases(place: Place) -> None:
    """Both, empty, on the controller; and what translates the one into the
    other."""
    node = Node(place, CONTROLLER)
    node.run('ovn-folder', ['mkdir', '-p', _RUN])
    address = settings.address(CONTROLLER)
    for name, port in _PORTS.items():
        schema = place.layout.ovn / f'usr/share/ovn/ovn-{name}.ovsschema'
        database = f'{_RUN}/{name}.db'
        node.run(f'ovn-{name}-create', [
            'ovsdb-tool', 'create', database, str(schema)])
        service = node.service(f'ovn-{name}', [
            'ovsdb-server', f'--remote=punix:{_socket(name)}',
            f'--remote=ptcp:{port}:{address}',
            f'--unixctl={_RUN}/{name}.ctl', database])
        node.wait_tcp(service, address, port)
    node.service('ovn-northd', [
        _program(place, 'ovn-northd'),
        f'--ovnnb-db=unix:{_socket("nb")}',
        f'--ovnsb-db=unix:{_socket("sb")}',
        f'--unixctl={_RUN}/northd.ctl'])


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
    """ovn-controller on a compute host, not started yet."""
    name = 'ovn-controller'
    return services.Unit(name, place.compute(host),
                         [_program(place, name), _OVSDB],
                         place.log(host, name), {},
                         {'RuntimeDirectory': 'ovn', 'Type': 'exec'})
