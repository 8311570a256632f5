# SPDX-License-Identifier: Apache-2.0
"""What a worker answers nova-compute, for which it reads hostile bytes."""

import dataclasses
import functools
import json
import socket
from typing import Any

from laboratory.fuzz import oracle, reader as reader_module
from nova_dmore import exception
from nova_dmore.client import shadow_client
from nova_dmore.virt.pair import sessions
from nova_dmore import wire

_UUID = '0c2e8ee4-1ab5-4ee5-ae47-5a2e07b5e2b4'
_VM = {'connected': True, 'status': 'running', 'attached': True}
_GAP = {'number': 1, 'stream': 'serial0_out', 'at': 7, 'bytes': None,
        'kind': 'unknown', 'reason': 'Domain R ended', 'migration_id': 'm1',
        'time': 1.5}
_SESSION = {'server': 'ssh', 'number': 3, 'since': 1.5, 'address': 'fe80::1',
            'port': 22, 'who': 'SHA256:x', 'view_only': False}
_STATUS = {
    'state': 'live', 'epoch': 7, 'migration_id': None, 'instance': _VM,
    'domain_r': _VM, 'streams': {'serial0_out': {'position': 9, 'base': 1}},
    'serving': {'ssh': 1, 'serial': 0, 'vnc': 2},
    'devices': {'input': {'dropped': 0}}, 'gaps': [_GAP, _GAP],
    'worker_starts': 1, 'pid': 7, 'worker_pid': 8, 'sessions': [_SESSION],
    'session_events': [{'number': 1, 'event': 'began', 'time': 2.5,
                        'session': _SESSION}],
    'session_events_untold': 0, 'recording': {'start': 0, 'gaps': [_GAP]}}

#: What nova-compute calls, and a good result of it.
_CALLS: list[tuple[Any, dict[str, Any]]] = [
    (shadow_client.ShadowClient.status, _STATUS),
    (functools.partial(shadow_client.ShadowClient.frozen, timeout_ms=0),
     {'acknowledged': True, 'at': {
         'stopped': 1.5, 'frozen': 2, 'domain_r_stopped': None}}),
    (functools.partial(shadow_client.ShadowClient.hand_over, timeout_ms=0),
     {'carry_over': {'epoch': 7}}),
    (functools.partial(shadow_client.ShadowClient.carry_over,
                       migration_id='m1', carry_over={}),
     {'accepted': False, 'reason': 'it comes too late'}),
    (functools.partial(shadow_client.ShadowClient.live, timeout_ms=0),
     {'state': 'live'}),
    (functools.partial(shadow_client.ShadowClient.end_session, number=3),
     {})]

#: Whole numbers are smaller, and times.
_NUMBER_MAX = 1 << 63

SEEDS = [bytes([number, 1, 0, 0]) for number in range(len(_CALLS))] + [
    b'\x00\x01\x02' + bytes(range(each, each + 60)) for each in (0, 60, 120)
] + [b'\x00\x00{"id":1,"result":{}}\n', b'\x04\x00{"id":1,"error":"\\ud800"}',
     b'\x01\x00[]\n', b'\x02\x02' + b'[' * 900 + b'\n',
     b'\x00\x00{"id":1,"result":' + json.dumps(_STATUS).encode() + b'}\n']


class _Worker:
    """A socket to a worker that has answered already, and hung up."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self.closed = False

    def settimeout(self, timeout: float) -> None:
        oracle.check(timeout > 0, 'a timeout of %r s', timeout)

    def setblocking(self, on: bool) -> None:
        """See socket."""

    def sendall(self, data: bytes) -> None:
        oracle.check(json.loads(data)['id'] == 1, 'sent twice: %r', data)

    def recv(self, size: int) -> bytes:
        data, self._answer = self._answer[:size], self._answer[size:]
        return data

    def close(self) -> None:
        self.closed = True


class _Service:
    """A shadow_client.Opener of one connection: the worker ends with it."""

    def __init__(self, worker: _Worker) -> None:
        self._worker: Any = worker

    def open(self, instance: str, timeout: float) -> socket.socket | None:
        worker, self._worker = self._worker, None
        return worker


def run(data: bytes) -> None:
    """One answer, to any of the calls."""
    reader = reader_module.Reader(data)
    call, good = reader.pick(_CALLS)
    kind = reader.byte()
    if kind & 1:
        answer = json.dumps(reader.changed(
            {'id': 1, 'result': reader.changed(good)})).encode() + b'\n'
    else:
        answer = reader.rest()
        if kind & 2:
            answer = answer[:-1] * 40 + b'\n'   # deeper than a parser likes
    worker = _Worker(answer)
    shadow_client.GapsRequest(worker).is_refused()
    worker = _Worker(answer)
    client = shadow_client.ShadowClient(_Service(worker), _UUID)
    try:
        found = call(client)
    except exception.ShadowAnswerError as error:
        oracle.check_error(error)
    else:
        _check(found)
        if isinstance(found, wire.Status):
            _check_status(found)
    client.close()
    oracle.check(worker.closed, 'the connection is kept')


def _check_status(status: wire.Status) -> None:
    counts = sessions.of(status)
    oracle.check(counts is None or set(counts) == set(wire.SESSION_SERVERS),
                 'counts %r', counts)
    told = 0 if status.recording is None else len(status.recording.gaps)
    oracle.check(told <= wire.RECORDED_GAPS_MAX, '%d gaps are marked', told)
    # Metrics count them, and operators see a table of them.
    for count in (len(status.gaps), len(status.session_events),
                  len(status.sessions or ())):
        oracle.check(count <= 2 * wire.GAPS_MAX, '%d in a list', count)


def _check(value: object) -> None:
    """What has a type is of it; each text may be shown in a terminal."""
    if isinstance(value, str):
        oracle.check(value.isascii() and value.isprintable()
                     and len(value) < 1000, 'a text %.200a', value)
    elif isinstance(value, int | float):
        oracle.check(0 <= value < _NUMBER_MAX, 'a number %r', value)
    elif isinstance(value, tuple):
        for each in value:
            _check(each)
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            _check(getattr(value, field.name))
    else:
        # An object is looked at by those who use it.
        oracle.check(value is None or isinstance(value, dict),
                     'a value %.200r', value)
