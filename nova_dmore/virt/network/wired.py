# SPDX-License-Identifier: Apache-2.0
"""Whether a port is wired on this host: what Open vSwitch's database shows.

A tap that os-vif has plugged carries no packet until Neutron's part of the
host has dealt with it. Both of those that use Open vSwitch leave a sign:

* ML2/OVS: the agent gives the port the tag of its network (``port_bound`` in
  neutron/plugins/ml2/drivers/openvswitch/agent/ovs_neutron_agent.py), and its
  flows in the same turn. An agent may keep a port on a tag of its own, from
  which nothing gets out (``port_dead``).
* ML2/OVN: ovn-controller notes ``ovn-installed`` at the interface when all of
  its flows are installed (controller/if-status.c), also where the port is in
  addition only, as at a destination.

Neither Neutron nor Nova knows it before the migration is over: the port is
shown ``DOWN`` meanwhile, and the event ``network-vif-plugged`` is sent for
ports whose ``device_id`` is an instance's.

One question on a connection of its own, by RFC 7047: nova-compute reaches the
database as os-vif does ([os_vif_ovs] ovsdb_connection), and a library would
keep a copy of all of it.
"""

import json
import socket
from typing import Any

from nova.network import model as network_model
from oslo_config import cfg
from oslo_log import log as logging

from nova_dmore.channel import text

LOG = logging.getLogger(__name__)

#: Longest wait for the database, which is on this host, in seconds.
_TIMEOUT_S = 2.0
_ANSWER_MAX = 1 << 20
#: The tag of ports that are not wired (DEAD_VLAN_TAG of the agent).
_DEAD_TAG = 4095
#: Names of a port begin so, the second where a bridge is in between for
#: security groups.
_PREFIXES = ('tap', 'qvo')


def database_of(conf: cfg.ConfigOpts) -> str | None:
    """Where os-vif reaches the database of this host; None: nobody says, for
    os-vif was not initialized."""
    try:
        connection: str = conf.os_vif_ovs.ovsdb_connection
    except cfg.NoSuchOptError:
        return None
    return connection


def is_wired(database: str | None, port_id: str) -> bool:
    """Whether the database shows that a port is wired; what cannot be seen is
    not shown.

    :param database: what :func:`database_of` returned.
    """
    if database is None:
        return False
    try:
        return shows(_ask(database, question(port_id)))
    except (OSError, ValueError) as error:
        LOG.debug('%(database)s does not say whether port %(port)s is wired: '
                  '%(error)s', {'database': database, 'port': port_id,
                                'error': text.printable(error)})
        return False


def question(port_id: str) -> dict[str, Any]:
    """What the database is asked."""
    names = [(prefix + port_id)[:network_model.NIC_NAME_LEN]
             for prefix in _PREFIXES]
    return {'method': 'transact', 'id': port_id, 'params': [
        'Open_vSwitch',
        *({'op': 'select', 'table': 'Port', 'columns': ['tag'],
           'where': [['name', '==', name]]} for name in names),
        {'op': 'select', 'table': 'Interface', 'columns': ['external_ids'],
         'where': [['external_ids', 'includes',
                    ['map', [['iface-id', port_id]]]]]}]}


def shows(answer: object) -> bool:
    """Whether an answer shows that the port is wired.

    :raises ValueError: it is no answer.
    """
    if not isinstance(answer, dict) or not isinstance(
            answer.get('result'), list):
        raise ValueError(f'it answers {answer!a:.200}')
    rows = [row for each in answer['result'] if isinstance(each, dict)
            for row in each.get('rows', ())]
    return any(_is_tag(row.get('tag'))
               or ['ovn-installed', 'true'] in _pairs(row.get('external_ids'))
               for row in rows)


def _is_tag(value: object) -> bool:
    """A port without a tag has an empty set."""
    return type(value) is int and value != _DEAD_TAG


def _pairs(value: object) -> list[Any]:
    match value:
        case ['map', [*pairs]]:
            return pairs
        case _:
            return []


def _ask(database: str, asked: dict[str, Any]) -> object:
    """
    :raises OSError: it cannot be reached, or does not answer.
    :raises ValueError: it is reached by other means, or answers no JSON.
    """
    with _connect(database) as connection:
        connection.sendall(json.dumps(asked).encode())
        received = b''
        while len(received) < _ANSWER_MAX:
            part = connection.recv(1 << 16)
            if not part:
                raise ConnectionError('it hangs up')
            received += part
            # It sends nothing between two answers, and only one is asked for.
            try:
                return json.loads(received)
            except ValueError:
                continue
    raise ValueError('the answer has no end')


def _connect(database: str) -> socket.socket:
    kind, _, place = database.partition(':')
    if kind == 'unix':
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(_TIMEOUT_S)
            connection.connect(place)
        except OSError:
            connection.close()
            raise
        return connection
    if kind != 'tcp':
        raise ValueError('only tcp and unix are known')
    address, _, port = place.rpartition(':')
    return socket.create_connection(
        (address.strip('[]'), int(port)), _TIMEOUT_S)
