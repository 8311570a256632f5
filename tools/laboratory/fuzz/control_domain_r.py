# SPDX-License-Identifier: Apache-2.0
"""What Domain R says to its worker in the control stream."""

import json
import types
from unittest import mock

from laboratory.fuzz import oracle, reader as reader_module
from nova_dmore.channel import errors
from nova_dmore.channel.host import end
from nova_dmore.link import messages
from nova_dmore import wire
from nova_dmore.worker.devices.serial import fence
from nova_dmore.worker import domain_r_control
from nova_dmore.worker import serial_break

_SESSION = {'number': 1, 'age_s': 2.5, 'address': '192.0.2.1', 'port': 9,
            'who': 'SHA256:x', 'view_only': False}
_GOOD = ({'type': wire.SERVING, 'ssh': 22, 'serial': 6083, 'vnc': 5900,
          'boot_s': 3.2, 'memory_kib': 40000, 'hears_boots': 1},
         {'type': wire.LOG, 'level': 'warning', 'text': 'a client'},
         {'type': wire.BREAK, 'stream': 'serial0_in', 'at': 7},
         {'type': 'no such'},
         {'type': wire.SESSION_BEGAN, 'server': 'ssh', 'session': _SESSION},
         {'type': wire.SESSIONS, 'server': 'ssh', 'sessions': [_SESSION] * 2},
         {'type': wire.SESSION_ENDED, 'server': 'ssh', 'number': 1},
         {'type': wire.BOOT_HEARD, 'number': 1, 'at': 7})
#: The ring of the stream.
_RING = wire.GEOMETRY[wire.Stream.CONTROL_TO_HOST][1]

SEEDS = [bytes([kind]) + bytes(range(kind, 200)) for kind in range(4)] + [
    b'\x04' + b''.join(json.dumps(each).encode() + b'\n' for each in _GOOD)]


class _HostEnd:
    """The control stream of a HostEnd, and nothing else of it."""

    def __init__(self) -> None:
        self.data = b''
        self.state = end.HostState.OPEN
        self.incarnation = 1
        self._taken = 0
        self._left = 1 << 16

    def readable(self, stream):
        return self.data

    def take(self, stream, count):
        oracle.check(0 <= count <= len(self.data), '%d bytes taken of %d',
                     count, len(self.data))
        self.data = self.data[count:]
        self._taken += count

    def positions(self):
        return {wire.Stream.CONTROL_TO_HOST: (self._taken, self._taken)}

    def room(self, stream):
        return self._left

    def produce(self, stream, data):
        if len(data) > self._left:
            raise errors.NoRoomError('no room')
        self._left -= len(data)


def run(data: bytes) -> None:
    """Domain R says what it likes; time passes."""
    reader = reader_module.Reader(data)
    now = [100.0]
    breaks = []
    host_end = _HostEnd()
    of_boot = fence.Fence()
    serial_input = types.SimpleNamespace(
        taken=0, sent=0, limit=None, fence=of_boot,
        begin_boot=lambda: of_boot.begin(0))
    asked = serial_break.SerialBreak(
        host_end, serial_input, lambda announce: _send(announce, breaks),
        lambda reply: bool(reader.byte() & 1))
    domain_r = domain_r_control.DomainRControl(host_end, serial_input, asked)
    clock = types.SimpleNamespace(monotonic=lambda: now[0])
    with (mock.patch.object(domain_r_control, 'time', clock),
          mock.patch.object(serial_break, 'time', clock)):
        for _ in reader.steps(40):
            _step(reader, host_end, serial_input, domain_r, asked, breaks, now)
            domain_r.pump()
            # It goes into STATUS.
            json.dumps(domain_r.serving)
            sessions = json.dumps(domain_r.sessions.to_notes())
            oracle.check(len(sessions) < 200_000 and sessions.isprintable(),
                         'sessions are kept as %.2000a', sessions)
            oracle.check(len(repr(domain_r.serving)) < 2000,
                         'SERVING is kept in %d characters',
                         len(repr(domain_r.serving)))


def _send(announce, breaks) -> None:
    """The keeper has given QEMU a break."""
    breaks.append(len(breaks))
    announce(breaks[-1])


def _answer(reader, breaks):
    """What QEMU, or the keeper for it, says to the last one."""
    reply = {'type': 'reply', 'id': breaks[-1]}
    kind = reader.byte()
    if kind & 1:
        reply['error'] = 'no'
    if kind & 2:
        reply['late'] = messages.SAVED
    return reply


def _step(reader, host_end, serial_input, domain_r, asked, breaks, now
          ) -> None:
    kind = reader.byte() % 9
    if kind == 3:
        said = json.dumps(reader.changed(
            _GOOD[3 + reader.byte() % 5])).encode() + b'\n'
    elif kind < 3:
        said = json.dumps(reader.changed(_GOOD[kind])).encode() + b'\n'
    elif kind == 4:
        said = reader.take(reader.byte())
    elif kind == 5:
        said = reader.take(3) * 3000
    else:
        said = b''
    host_end.data += said[:_RING - len(host_end.data)]
    if kind == 6:
        serial_input.taken += reader.word()
        now[0] += reader.byte()
    elif kind == 7 and breaks:
        asked.answered(_answer(reader, breaks))
    elif kind == 7:
        domain_r.begin_boot()
    elif kind == 8:
        domain_r.lost()
        host_end.incarnation += 1
        try:
            domain_r.configure({'x': reader.value()}, True)
        except errors.ControlError:
            pass        # nova-compute is told so
        domain_r.gap({'type': wire.GAP, 'at': 1}, bool(reader.byte() & 1))
        domain_r.opened()
