# SPDX-License-Identifier: Apache-2.0
"""Neutron with OVN in place of its own agents (``testbed up --network ovn``).

The two databases and northd are on the controller, ovn-controller on each
compute host. OVN's programs are those of Debian's packages, unpacked and not
installed (``setup/prepare.py``).
"""

import json
from typing import Any

from laboratory import command
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


def host_of(place: Place, port_id: str) -> str | None:
    """Where OVN has a port; None: nowhere, or at two hosts, as while it moves.

    That is its own word, of its southbound database. What Neutron shows as a
    port's status is made of the changes that it has been told of.
    """
    bindings = _rows(place, ['find', 'Port_Binding',
                             f'logical_port="{port_id}"'],
                     'chassis', 'additional_chassis', 'up')
    match bindings:
        case [[['uuid', chassis], ['set', []], True]]:
            names = {uuid: name for (_kind, uuid), name in _rows(
                place, ['list', 'Chassis'], '_uuid', 'hostname')}
            return names.get(chassis)
    return None


def _rows(place: Place, asked: list[str], *columns: str) -> list[list[Any]]:
    """What the southbound database answers, by RFC 7047's values.

    :raises Failure: it does not answer
    """
    answer = command.output(place.host(CONTROLLER).enter([
        _program(place, 'ovn-sbctl'), f'--db=unix:{_socket("sb")}',
        '--format=json', f'--columns={",".join(columns)}', *asked]))
    if not answer:
        raise Failure('ovn-sbctl', 'does not answer')
    rows: list[list[Any]] = json.loads(answer)['data']
    return rows
