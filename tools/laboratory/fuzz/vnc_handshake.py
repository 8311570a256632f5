# SPDX-License-Identifier: Apache-2.0
"""The handshake with a VNC client, in Domain R."""

import struct
from unittest import mock

from laboratory.fuzz import oracle, reader as reader_module
from nova_dmore.domr.servers.vnc import handshake

_VERSION = b'RFB 003.008\n'
_WAYS = (
    {'without': True}, {'passwords': (('full', False), ('look', True))},
    {'tls': True}, {'tls': True, 'passwords': (('full', False),)},
    {'without': True, 'tls': True})

SEEDS = [
    b'\x00' + _VERSION + b'\x01\x01', b'\x00RFB 003.003\n\x00',
    b'\x01' + _VERSION + b'\x02' + b'full' * 4 + b'\x01',
    b'\x01RFB 003.007\n\x02' + b'look' * 4 + b'\x00',
    b'\x01' + _VERSION + b'\x02' + bytes(16),
    b'\x02' + _VERSION + b'\x13\x00\x02' + struct.pack('>I', 260) + b'\x01',
    b'\x03RFB 003.889\n\x13\x00\x02' + struct.pack('>I', 257),
    b'\x85' + _VERSION, b'\x00GET / HTTP/1.1\r\n\r\n']


class _Channel:
    """The Channel of a client that has sent all that it will send."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.sent = 0

    async def read(self, count):
        oracle.check(0 < count < 1 << 16, '%d bytes are waited for', count)
        if count > len(self.data):
            raise EOFError
        data, self.data = self.data[:count], self.data[count:]
        return data

    async def write(self, data):
        self.sent += len(data)
        oracle.check(self.sent < 1000, '%d bytes sent', self.sent)


async def _no_time(seconds):
    oracle.check(0 <= seconds < 60, 'sleeps %r s', seconds)


def _encrypt(challenge: bytes, password: str) -> bytes:
    return (password.encode() * 16)[:16]


def _finish(coroutine):
    """Run what never waits."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise oracle.Finding('it waits for something else than the client')


def run(data: bytes) -> None:
    """A client sends any bytes, and hangs up."""
    reader = reader_module.Reader(data)
    kind = reader.byte()
    way = _WAYS[kind % len(_WAYS)]
    channel = _Channel(reader.rest())

    async def start_tls():
        return channel

    terms = handshake.Terms(
        without=way.get('without', False),
        passwords=way.get('passwords', ()),
        start_tls=start_tls if way.get('tls') else None, encrypt=_encrypt)
    with mock.patch.object(handshake.asyncio, 'sleep', _no_time):
        try:
            if kind & 0x80:
                _finish(handshake.refuse(channel, 'no'))
                return
            admission = _finish(handshake.admit(channel, terms))
        except EOFError:
            return
        except handshake.HandshakeError as error:
            oracle.check_error(error, 300)
            return
    sent = data[1:]
    oracle.check(
        way.get('without') or b'full' * 4 in sent or b'look' * 4 in sent
        or way.get('tls') and b'\x00\x02\x00\x00\x01\x04' in sent,
        'in without a password')
    oracle.check(not admission.view_only or b'look' * 4 in sent,
                 'in, to look only')
