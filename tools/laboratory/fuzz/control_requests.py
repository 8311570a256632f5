# SPDX-License-Identifier: Apache-2.0
"""The requests on the control socket of a shadow-device process."""

import json
import socket
import types
from typing import Any
from unittest import mock

from laboratory.fuzz import oracle, reader as reader_module
from nova_dmore.channel import errors
from nova_dmore.posix import loop as loop_module
from nova_dmore import wire
from nova_dmore.worker import gaps
from nova_dmore.worker import recorded
from nova_dmore.worker import request_handler
from nova_dmore.worker import requests
from nova_dmore.worker import sessions
from nova_dmore.worker import state_machine

_PARAMS: dict[str, dict[str, Any]] = {
    'status': {}, 'configure': {'config': {'ssh_port': 22}},
    'arm': {'migration_id': 'm1', 'role': 'source', 'on': True},
    'adopt': {}, 'hold': {'on': True}, 'let_go': {'on': False},
    'frozen': {'timeout_ms': 0}, 'hand_over': {'timeout_ms': 0},
    'carry_over': {'migration_id': 'm1', 'carry_over': {}},
    'live': {'timeout_ms': 0}, 'gaps': {'timeout_ms': 0},
    'forget_gaps': {'numbers': [1, 2]},
    'forget_session_events': {'numbers': [1]}, 'end_session': {'number': 1}}
_METHODS = sorted(_PARAMS)

SEEDS = [bytes([0, number]) * 3 + bytes(range(30))
         for number in range(len(_METHODS))] + [
    b'\x01{"id":1,"method":"status"}\n{"id":2,"method":"arm","params":'
    b'{"migration_id":"m1","role":"source","on":true}}\n',
    b'\x01[]\n3\n{"id":[],"method":{}}\n\n{"params":[]}\n' + b'[' * 300,
    # For the state, and nothing of it changed.
    bytes.fromhex('0008000800080001020d0e18191a1b0800')]


class _Pair:
    """What the requests reach of a Pair, without any process."""

    def __init__(self) -> None:
        self.machine = state_machine.PairMachine()
        self.commands = mock.Mock()
        self.devices = mock.Mock()
        self.devices.status.return_value = {}
        self.control = types.SimpleNamespace(
            serving=None, sessions=sessions.SessionLog())
        self.host_end = mock.Mock(epoch=0)
        self.host_end.positions.return_value = {}
        self.vms = {'instance': (False, None), 'domain_r': (False, None)}
        self.domain_r_attached = False
        self.stop = mock.Mock(domain_r_may_stop=False, frozen=None)
        self.loop = mock.Mock()
        self.carried = None
        self.gap_log = gaps.GapLog()
        self.recorded = recorded.Recorded(None)
        self.worker_starts = self.keeper_pid = 1
        self.configured: Any = None

    def configure(self, config) -> None:
        try:
            json.dumps(config)
        except (TypeError, ValueError) as error:
            raise errors.ControlError(str(error)) from error
        self.configured = config
        self.recorded.configure(config, 0)

    def note(self) -> None:
        """See Pair: it is kept as JSON."""
        json.dumps([self.configured, self.carried, self.gap_log.to_notes(),
                    self.recorded.to_notes()])

    def end_session(self, number) -> None:
        raise errors.StateError('Domain R is not there')

    def act(self, actions) -> None:
        """See Pair."""


class _Waiters:
    """A requests.Waiters where time stands still: nobody waits."""

    def wait(self, later, told) -> None:
        later.is_so()
        told(later.result())


_loop = loop_module.Loop()


def run(data: bytes) -> None:
    """Whoever reaches the socket sends lines."""
    reader = reader_module.Reader(data)
    lines = [_line(reader) for _ in range(6) if not reader.done]
    ours, peer = socket.socketpair()
    peer.setblocking(False)
    requests.Connection(_loop, _Waiters(), ours,
                        request_handler.RequestHandler(_Pair()).handle)
    answered = b''
    good = 0
    for line in lines:
        good += line.count(b'\n')
        if not _send(peer, line):
            break       # a line was too long, and it hung up
        if not line.endswith(b'\n'):
            continue
        for _ in range(1000):
            answered += _received(peer)
            if ours.fileno() < 0 or answered.count(b'\n') >= good:
                break
            _loop.turn(0)
        oracle.check(ours.fileno() < 0 or answered.count(b'\n') == good,
                     '%d answers to %d requests', answered.count(b'\n'), good)
    for answer in answered.splitlines():
        oracle.check(set(json.loads(answer)) <= {
            'id', 'result', 'error'}, 'the answer %.200a', answer)
    peer.close()
    while ours.fileno() >= 0:
        _loop.turn(0)


def _send(peer: socket.socket, line: bytes) -> bool:
    while line:
        try:
            line = line[peer.send(line):]
        except BlockingIOError:
            pass
        except OSError:
            return False
        _loop.turn(0)
    return True


def _received(peer: socket.socket) -> bytes:
    try:
        return peer.recv(1 << 20)
    except OSError:
        return b''      # nothing is there, or it hung up


def _line(reader: reader_module.Reader) -> bytes:
    if reader.byte() & 1:
        return reader.take(reader.byte() * 4).replace(b'shutdown', b'')
    method = reader.pick(_METHODS)
    request = {'id': 1, 'method': method,
               'params': reader.changed(_PARAMS[method])}
    request = reader.changed(request)
    text = json.dumps(request).encode()
    # It would end the fuzzer, and takes no parameters.
    return text.replace(b'shutdown', b'') + b'\n'


#: Each request has its parameters here.
assert set(_PARAMS) == {each.value for each in wire.Request} - {'shutdown'}
