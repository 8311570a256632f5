# SPDX-License-Identifier: Apache-2.0
"""A pair's record, from its file or from another host."""

import json
import types
import typing

from laboratory.fuzz import oracle, reader as reader_module
from nova_dmore.virt.network import address
from nova_dmore.virt.pair import record

_GOOD = {
    'instance_uuid': '0c2e8ee4-1ab5-4ee5-ae47-5a2e07b5e2b4',
    'instance_name': 'web', 'project_id': 'p1', 'digest': 'd' * 64,
    'address': {
        'port_id': '31d9ad29-ee7f-4c09-a4a6-9ea4b3e9f1c1',
        'network_id': '5e1a3ee7-19c5-4dd5-b1f8-1f86a83a40d4',
        'mac': 'fa:16:3e:00:00:01', 'interface': '10.0.0.5/24',
        'gateway': None, 'mtu': 1500, 'vif_type': 'ovs',
        'vif_details': {'port_filter': True}},
    'key_data': None, 'display': True, 'incoming': False}

SEEDS = [b'\x00' + json.dumps(_GOOD).encode(), b'\x01\x00', b'\x00[]',
         b'\x00' + b'[' * 900, b'\x01' + bytes(range(1, 200)),
         b'\x01' + bytes(range(90, 255))]


def run(data: bytes) -> None:
    """The text is anything."""
    reader = reader_module.Reader(data)
    if reader.byte() & 1:
        text = json.dumps(reader.changed(_GOOD))
    else:
        text = reader.rest().decode('utf-8', 'replace')
        if len(text) > 800:
            text *= 40      # deeper than a parser likes
    try:
        found = record.from_json(text)
    except ValueError as error:
        oracle.check_error(error)
        return
    _check_types(record.PairRecord, found)
    _check_types(address.Address, found.address)
    oracle.check(record.from_json(record.to_json(found)) == found,
                 'it became another')
    oracle.check('/' not in found.instance_uuid, 'the uuid is a path')


def _check_types(kind, value) -> None:
    for name, wanted in typing.get_type_hints(kind).items():
        allowed = (typing.get_args(wanted)
                   if isinstance(wanted, types.UnionType) else (
                       typing.get_origin(wanted) or wanted,))
        oracle.check(type(getattr(value, name)) in allowed,
                     '%s is %.99r', name, getattr(value, name))
