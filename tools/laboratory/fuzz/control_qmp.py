# SPDX-License-Identifier: Apache-2.0
"""The QMP connection to a hostile QEMU, and what the worker may send it."""

import functools
import json
from unittest import mock

from laboratory.fuzz import loop as loop_module
from laboratory.fuzz import oracle, reader as reader_module
from nova_dmore.channel import input_event
from nova_dmore.keeper import allowed
from nova_dmore.keeper import peers
from nova_dmore.keeper import qmp
from nova_dmore.link import messages

_GREETING = b'{"QMP": {"version": {}, "capabilities": []}}\r\n'
_AGREED = b'{"return": {}, "id": 1}\r\n'
_SAID = (
    {'return': {'status': 'running', 'running': True}, 'id': 2},
    {'event': 'STOP', 'timestamp': {'seconds': 1, 'microseconds': 2}},
    {'event': 'RESUME', 'timestamp': {'seconds': 1 << 33,
                                      'microseconds': -1}},
    {'event': 'MIGRATION', 'data': {'status': 'completed'}},
    {'error': {'class': 'GenericError', 'desc': 'no'}, 'id': 3},
    {'QMP': {}}, {'event': 'SHUTDOWN', 'data': {'guest': True}},
    {'return': 'portb[0x0064] = 0x1c\r\n', 'id': 3})
_ARGUMENTS = {'events': [
    {'type': 'key', 'data': {'down': True,
                             'key': {'type': 'number', 'data': 30}}},
    {'type': 'btn', 'data': {'down': True, 'button': 'left'}},
    {'type': 'abs', 'data': {'axis': 'x', 'value': 100}}]}
_COMMANDS = ('query-status', 'stop', 'cont', 'input-send-event',
             'chardev-send-break', 'human-monitor-command', '')
#: The one line that the worker may have QEMU's own monitor take: it reads one
#: port of the keyboard.
_MONITOR = {'command-line': 'i /b 0x64'}
_EXECUTED = (('query-status', None), ('human-monitor-command', _MONITOR))
#: Of one line that is not complete, and what is received at once.
_KEPT_MAX = (1 << 20) + (1 << 16)

SEEDS = [bytes([0, number, 0, 0, 0]) * 3 + bytes(range(20))
         for number in range(len(_SAID))] + [
    b'\x01{"return": {"status": "inmigrate"}, "id": 2}\r\n',
    b'\x01{"event": "MIGRATION", "data": {"status": []}}\n' + b'[' * 300,
    b'\x04\x03' + bytes(range(60)), b'\x03' + bytes(40),
    # The monitor's line, as it is and with more; its answer, and a long one.
    b'\x04\x00\x05\x04\x00' + b'\x04\x00\x05\x04\x01\x01\x02\x00\x00\x04',
    b'\x03\x01\x00\x07\x00', b'\x03\x01\x00\x07\x01\x01\x01\x02\x00\x15']


class _Listener:
    """Takes what the link says."""

    def __init__(self) -> None:
        self.replies: list[dict] = []

    def status(self, connected, status, arriving) -> None:
        """See QmpLink's on_status."""
        oracle.check(type(connected) is bool and type(arriving) is bool,
                     'status(%r, %r)', connected, arriving)
        oracle.check(status is None or type(status) is str
                     and len(status) <= 1000, 'the status %.100r', status)
        # The keeper tells its worker.
        oracle.check(len(json.dumps(status)) < messages.MESSAGE_MAX,
                     'a status too long for the worker')

    def event(self, name, at) -> None:
        """See QmpLink's on_event."""
        oracle.check(type(name) is str and len(name) < 40, 'event %.99r',
                     name)
        oracle.check(-1e9 < at < 1e12, 'at %r', at)

    def replied(self, command, reply) -> None:
        """See QmpLink.execute; the keeper passes this on to its worker."""
        self.replies.append(reply)
        told = allowed.told_of(command, reply.get('result'))
        oracle.check(told is None or command == 'human-monitor-command'
                     and told.isprintable() and len(told) < 100,
                     'the worker is told %.99a of %s', told, command)
        oracle.check(('result' in reply) != ('failure' in reply),
                     'the reply %.99r', reply)


def run(data: bytes) -> None:
    """QEMU says anything, in any pieces."""
    reader = reader_module.Reader(data)
    loop, listener = loop_module.Loop(), _Listener()
    connections: list[loop_module.Connection] = []

    def connect():
        connections.append(loop_module.Connection([_GREETING, _AGREED]))
        link.connected(connections[-1], peers.Peer(1, None))

    link = qmp.QmpLink(loop, messages.INSTANCE, listener.status,
                       listener.event)
    # It comes again at once, whatever it has said.
    with mock.patch.object(qmp, '_CONFUSED_PAUSE_S', 0):
        connect()
        asked = 0
        for _ in reader.steps(30):
            asked += _step(reader, link, loop, connections[-1], listener)
            oracle.check(len(link._received) <= _KEPT_MAX,
                         '%d bytes are kept', len(link._received))
            loop.run(0.06)
            if link.state is qmp.LinkState.AWAY:
                connect()
        # Nobody waits for ever.
        connections[-1].over = True
        link.receive()
        loop.run(6)
        oracle.check(len(listener.replies) <= asked,
                     '%d replies to %d commands', len(listener.replies),
                     asked)
        link.close()


def _step(reader, link, loop, connection, listener) -> int:
    kind = reader.byte() % 6
    asked = 0
    if kind == 0:
        said = reader.changed(reader.pick(_SAID))
        connection.feed(json.dumps(said).encode() + b'\r\n')
    elif kind == 1:
        connection.feed(reader.take(reader.byte()))
    elif kind == 2:
        connection.feed(reader.take(4) * (reader.byte() << 10))
    elif kind == 3:
        connection.full = not connection.full
        command, arguments = reader.pick(_EXECUTED)
        link.execute(command, arguments,
                     functools.partial(listener.replied, command))
        asked = 1
    elif kind == 4:
        _ask(reader)
    else:
        connection.over = reader.byte() > 200
    loop_module.deliver(loop, connection)
    return asked


def _ask(reader) -> None:
    """The worker, which read what guests wrote, asks for a command."""
    vm = reader.pick((messages.INSTANCE, messages.DOMAIN_R, '', None))
    command = reader.pick(_COMMANDS)
    arguments = reader.changed(reader.pick((_ARGUMENTS, None, {}, {
        'id': messages.SERIAL0_CHARDEV}, _MONITOR)))
    if not allowed.is_allowed(vm, command, arguments):
        return
    oracle.check(command in ('query-status', 'stop', 'input-send-event',
                             'chardev-send-break', 'human-monitor-command'),
                 '%s is allowed', command)
    oracle.check(command != 'human-monitor-command'
                 or vm != messages.DOMAIN_R and arguments == _MONITOR,
                 'the monitor of %a may be told %a', vm, arguments)
    oracle.check(command != 'stop' or vm == messages.DOMAIN_R,
                 'the instance may be stopped')
    if command == 'input-send-event':
        oracle.check(len(arguments['events']) <= allowed.EVENTS_MAX,
                     'too many')
        for event in arguments['events']:
            oracle.check(set(event) == {'type', 'data'}, '%a', event)
            value = event['data'].get('value', 0)
            oracle.check(abs(value) <= input_event.POINTER_MAX, '%a', event)
            json.dumps(event)
