# SPDX-License-Identifier: Apache-2.0
"""What another host's nova-compute asks a destination, or a source, for."""

import base64
import json
import os
import tempfile
from unittest import mock

import oslo_messaging as messaging

from laboratory.fuzz import control_record, oracle, parts
from laboratory.fuzz import reader as reader_module
from nova_dmore import exception
from nova_dmore.virt.migration import destination
from nova_dmore.virt.migration import send_back
from nova_dmore.virt.migration import uris
from nova_dmore.virt.pair import record
from nova_dmore.virt import rpc

_UUID = '0c2e8ee4-1ab5-4ee5-ae47-5a2e07b5e2b4'
_RECORD = control_record.SEEDS[0][1:].decode()
_CALLS = {
    'prepare': {'migration_id': 'm1', 'record': _RECORD},
    'carry_over': {'migration_id': 'm1', 'instance_uuid': _UUID,
                   'carry_over': {'epoch': 1}},
    'finish': {'migration_id': 'm1', 'record': _RECORD,
               'domain_r_moved': True,
               'console_log': base64.b64encode(b'log').decode()},
    'abort': {'migration_id': 'm1', 'instance_uuid': _UUID},
    'leave': {'instance_uuid': _UUID, 'host': 'c2', 'address': '192.0.2.2'}}
_NAMES = sorted(_CALLS)

SEEDS = [bytes([number, 0]) * 8 for number in range(len(_NAMES))] + [
    bytes(range(number, 200)) for number in range(0, 100, 20)]


def run(data: bytes) -> None:
    """Calls with any arguments, in any order."""
    reader = reader_module.Reader(data)
    with tempfile.TemporaryDirectory(dir=parts.FOLDER) as folder:
        instances = os.path.join(folder, 'instances')
        os.makedirs(os.path.join(instances, _UUID))
        pairs = mock.MagicMock()
        pairs.get.return_value = None
        # Neutron knows the port, whatever the other host says of it.
        pairs.addresses.of_port.return_value = record.from_json(
            _RECORD).address
        pairs.addresses.add_binding.side_effect = lambda found, host: found
        connect = mock.Mock()
        role = destination.DestinationRole(
            pairs, mock.Mock(), connect, instances, send_back.SendBack(
                pairs, connect, 'qemu:///system',
                lambda: uris.MigrationURIs('qemu+tcp://any/system'),
                encrypts=False, connections=2), mock.Mock())
        servers = (rpc.DestinationServer(role), rpc.SourceServer(_Leaves()))
        with mock.patch.multiple(
                destination.where, find=lambda *_: mock.sentinel.here,
                has_shadow_devices=lambda *_: True):
            for _ in range(4):
                _call(reader, *servers)
        oracle.check(os.listdir(folder) == ['instances']
                     and os.listdir(instances) == [_UUID],
                     'files elsewhere: %r, %r', os.listdir(folder),
                     os.listdir(instances))
        for call in pairs.start_incoming.call_args_list:
            record.from_json(record.to_json(call.args[0]))


class _Leaves:
    """What the source would do: it writes what it was told into a URI."""

    @staticmethod
    def leave(_context: object, instance_uuid: str, host: str,
              address: str | None) -> None:
        oracle.check(instance_uuid == instance_uuid.lower()
                     and len(instance_uuid) == len(_UUID), 'uuid')
        for name in (host, address or host):
            oracle.check(not set(name) & set('/?#@%[] \n\0')
                         and not name.startswith('-'), 'host %r', name)


def _call(reader: reader_module.Reader,
          destination_server: rpc.DestinationServer,
          source_server: rpc.SourceServer) -> None:
    name = reader.pick(_NAMES)
    arguments = {}
    for key, value in _CALLS[name].items():
        if key == 'record' and reader.byte() & 1:
            arguments[key] = json.dumps(reader.changed(json.loads(value)))
        else:
            arguments[key] = reader.changed(value)
    server = source_server if name == 'leave' else destination_server
    try:
        getattr(server, name)(None, **arguments)
    except messaging.ExpectedException as error:
        # The only ones that the other side is told without a stack.
        oracle.check(isinstance(error.exc_info[1], exception.DMoreError),
                     'raised %r', error.exc_info[1])
