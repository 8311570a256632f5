# SPDX-License-Identifier: Apache-2.0
"""What other hosts, and operators, ask a nova-compute for."""

import base64
import functools
import json
import os
import re
import tempfile
import types
from unittest import mock

import libvirt
import oslo_messaging as messaging

from laboratory.fuzz import control_record, oracle, parts
from laboratory.fuzz import reader as reader_module
from nova_dmore import exception
from nova_dmore.virt.care import operator
from nova_dmore.virt.migration import arrival
from nova_dmore.virt.migration import destination
from nova_dmore.virt.migration import early_preparation
from nova_dmore.virt.migration import send_back
from nova_dmore.virt.migration import uris
from nova_dmore.virt.pair import record
from nova_dmore.virt.pair import renewable
from nova_dmore.virt.rpc import destination as destination_rpc
from nova_dmore.virt.rpc import operator as operator_rpc
from nova_dmore.virt.rpc import source as source_rpc

_UUID = '0c2e8ee4-1ab5-4ee5-ae47-5a2e07b5e2b4'
_RECORD = control_record.SEEDS[0][1:].decode()
_MOVE = {'migration_id': 'm1', 'instance_uuid': _UUID}
_CALLS = {
    'abort': _MOVE,
    'carry_over': {**_MOVE, 'carry_over': {'epoch': 1}},
    'finish': {'migration_id': 'm1', 'record': _RECORD,
               'domain_r_moved': True,
               'console_log': base64.b64encode(b'log').decode()},
    'leave': {'instance_uuid': _UUID, 'host': 'c2', 'address': '192.0.2.2'},
    'prepare': {'migration_id': 'm1', 'record': _RECORD},
    'arrival': _MOVE,
    'send_back': {**_MOVE, 'uri': 'qemu+tcp://192.0.2.1/system',
                  'migrate_uri': 'tcp://c1', 'flags': 33, 'within_s': 5.0},
    # What operators ask for.
    'describe': {},
    'pairs_among': {'instance_uuids': [_UUID]},
    'rebuild': {'instance_uuid': _UUID},
    'renew': {'instance_uuids': [_UUID], 'when': 'idle'},
    'renewals': {}}
_NAMES = list(_CALLS)
#: More instances than may be named in a call.
_MANY = [_UUID] * 1001
#: Deeper than anybody likes.
_DEEP = functools.reduce(lambda inner, _: [inner], range(20000), [])

#: Where Domain R is sent back to, and nowhere else.
_URI = re.compile(r'qemu\+tcp://([\w.-]+|\[[\w:.]+\])/system', re.ASCII)
_MIGRATE_URI = re.compile(r'tcp://([\w.-]+|\[[\w:.]+\])', re.ASCII)

_PREPARES = bytes([_NAMES.index('prepare'), 0, 0, 0])
SEEDS = [bytes([0]) + bytes([number, 0]) * 8
         for number in range(len(_NAMES))] + [
    # What comes after it was prepared.
    bytes([where]) + _PREPARES + bytes([number]) + bytes(40)
    for where in range(4) for number in range(len(_NAMES))] + [
    # What is too deep.
    bytes([32, number]) + bytes([1, 0, 0]) * 8
    for number in range(len(_NAMES))] + [
    bytes(range(number, 200)) for number in range(0, 100, 20)]


def run(data: bytes) -> None:
    """Calls with any arguments, in any order."""
    reader = reader_module.Reader(data)
    kind = reader.byte()
    here = list(destination.where.Here)[kind & 3]
    with tempfile.TemporaryDirectory(dir=parts.FOLDER) as folder:
        instances = os.path.join(folder, 'instances')
        os.makedirs(os.path.join(instances, _UUID))
        pairs = _pairs()
        connect = mock.Mock()
        role = destination.DestinationRole(
            pairs, mock.Mock(), connect, instances, _SendsBack(
                pairs, connect, 'qemu:///system',
                lambda: uris.MigrationURIs(
                    f'qemu+tcp://{uris.ANY_HOST}/system',
                    None if kind & 4 else f'tcp://{uris.ANY_HOST}'),
                encrypts=bool(kind & 8), connections=2), mock.Mock())
        conf = types.SimpleNamespace(dmore=types.SimpleNamespace(
            secret_file=os.path.join(folder, 'none'), run_dir='/run/x',
            image_cache_dir='/x', management_network='mgmt'))
        servers = (
            destination_rpc.DestinationServer(role),
            source_rpc.SourceServer(_Leaves()),
            operator_rpc.OperatorServer(operator.OperatorRole(
                conf, pairs, _Renewals())))
        with (mock.patch.multiple(
                destination.where, find=lambda *_: here,
                has_shadow_devices=lambda *_: not kind & 16),
              mock.patch.object(destination.job, 'stop_s', lambda *_: 0.1),
              # It is a thread, which asks Neutron.
              mock.patch.object(early_preparation, '_start_announcing',
                                mock.Mock())):
            for _ in range(4):
                _call(reader, bool(kind & 32), *servers)
        oracle.check(os.listdir(folder) == ['instances']
                     and os.listdir(instances) == [_UUID],
                     'files elsewhere: %r, %r', os.listdir(folder),
                     os.listdir(instances))
        for call in pairs.start_incoming.call_args_list:
            record.from_json(record.to_json(call.args[0]))


def _pairs() -> mock.MagicMock:
    """Those of a host that has none, and can have some."""
    known: dict[str, record.PairRecord] = {}

    def get(instance_uuid):
        _check_uuid(instance_uuid)
        return known.get(instance_uuid)

    def start_incoming(made, migration_id):
        known[made.instance_uuid] = made

    pairs = mock.MagicMock(impossible=None, host='c2')
    pairs.get.side_effect = get
    pairs.start_incoming.side_effect = start_incoming
    pairs.remove.side_effect = lambda uuid, **_: known.pop(uuid, None)
    pairs.blueprint.cpus.return_value = '0-3,8'
    pairs.is_wired.return_value = True
    pairs.images.newest.return_value = 'd' * 64
    pairs.shadows.instances.return_value = set()
    pairs.client.return_value.status.return_value.migration_id = 'm1'
    # Neutron knows the port, whatever the other host says of it.
    pairs.addresses.of_port.return_value = record.from_json(_RECORD).address
    pairs.addresses.add_binding.side_effect = lambda found, host: found
    pairs.domain.return_value.is_active.return_value = False
    return pairs


class _Leaves:
    """What the source would do: it writes what it was told into a URI."""

    @staticmethod
    def leave(_context: object, instance_uuid: str, host: str,
              address: str | None) -> None:
        _check_uuid(instance_uuid)
        for name in (host, address or host):
            oracle.check(not set(name) & set('/?#@%[] \n\0')
                         and not name.startswith('-'), 'host %r', name)


class _SendsBack(send_back.SendBack):
    """Checks where to; libvirt is not there."""

    def send(self, instance_uuid: str, uri: str, migrate_uri: str | None,
             flags: int, within_s: float) -> None:
        _check_uuid(instance_uuid)
        oracle.check(_URI.fullmatch(uri), 'the URI %r', uri)
        oracle.check(migrate_uri is None or _MIGRATE_URI.fullmatch(
            migrate_uri), 'the URI %r', migrate_uri)
        oracle.check(
            not flags & (libvirt.VIR_MIGRATE_UNDEFINE_SOURCE
                         | libvirt.VIR_MIGRATE_UNSAFE)
            and (not self._encrypts or flags & libvirt.VIR_MIGRATE_TLS),
            'the flags %#x', flags)
        oracle.check(0 <= within_s < 1000, '%r s', within_s)


class _Renewals:
    """What would be renewed."""

    @staticmethod
    def request(instance_uuids: list[str] | None,
                when: renewable.When | None) -> list[dict]:
        oracle.check(when is None or type(when) is renewable.When,
                     'when %r', when)
        for each in instance_uuids or ():
            _check_uuid(each)
        oracle.check(len(instance_uuids or ()) <= 1000, 'too many')
        return []

    @staticmethod
    def rebuild(instance_uuid: str) -> None:
        _check_uuid(instance_uuid)

    @staticmethod
    def progress() -> list[dict]:
        return []


def _check_uuid(value: object) -> None:
    oracle.check(type(value) is str and re.fullmatch(
        '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}', value), 'uuid %r', value)


def _call(reader: reader_module.Reader, is_deep: bool, *servers: object
          ) -> None:
    name = reader.pick(_NAMES)
    arguments = {}
    for key, value in _CALLS[name].items():
        if key == 'record' and reader.byte() & 1:
            arguments[key] = json.dumps(reader.changed(json.loads(value)))
        elif key == 'instance_uuids' and reader.byte() & 1:
            arguments[key] = _MANY
        else:
            arguments[key] = reader.changed(value)
        if is_deep and arguments[key] is None:
            arguments[key] = _DEEP
    call = next(getattr(server, name) for server in servers
                if hasattr(server, name))
    try:
        answer = call(None, **arguments)
    except messaging.ExpectedException as error:
        # The only ones that the other side is told without a stack.
        oracle.check(isinstance(error.exc_info[1], exception.DMoreError),
                     'raised %r', error.exc_info[1])
        oracle.check_error(error.exc_info[1], 5000)
    else:
        json.dumps(answer)
        if name == 'arrival':
            arrival.from_wire(answer)
