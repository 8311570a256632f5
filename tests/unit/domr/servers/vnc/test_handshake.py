# SPDX-License-Identifier: Apache-2.0
"""The handshake, with a client that is a list of bytes."""

import dataclasses
import struct
import unittest
from unittest import mock

from nova_dmore.domr.servers.vnc import handshake

_VERSION = b'RFB 003.008\n'
_OK = bytes(4)


class FakeChannel:
    """Gives what it was made of; keeps each message that is sent."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.sent: list[bytes] = []

    async def read(self, count: int) -> bytes:
        if count > len(self._data):
            raise EOFError
        data, self._data = self._data[:count], self._data[count:]
        return data

    async def write(self, data: bytes) -> None:
        self.sent.append(data)


def _encrypt(challenge: bytes, password: str) -> bytes:
    return (password.encode() * 16)[:16]


_PASSWORDS = handshake.Terms(
    passwords=(('full', False), ('viewer', True)), encrypt=_encrypt)


class HandshakeTest(unittest.IsolatedAsyncioTestCase):

    async def _admit(self, data: bytes, terms: handshake.Terms,
                     ) -> tuple[handshake.Admission, list[bytes]]:
        self.channel = FakeChannel(data)
        admission = await handshake.admit(self.channel, terms)
        return admission, self.channel.sent

    async def test_none(self) -> None:
        terms = handshake.Terms(without=True)
        for shared in (0, 1, 7):
            admission, sent = await self._admit(
                _VERSION + b'\1' + bytes([shared]), terms)
            self.assertEqual((shared != 0, False),
                             (admission.shared, admission.view_only))
            self.assertEqual([_VERSION, b'\1\1', _OK], sent)

    async def test_old_versions(self) -> None:
        terms = handshake.Terms(without=True)
        for version, answer, sent in (
                (3, b'\1', [struct.pack('>I', 1)]),
                (5, b'\1', [struct.pack('>I', 1)]),
                (7, b'\1\1', [b'\1\1']),
                (889, b'\1\1', [b'\1\1', _OK])):
            admission, got = await self._admit(
                b'RFB 003.%03d\n' % version + answer, terms)
            self.assertTrue(admission.shared)
            self.assertEqual([_VERSION, *sent], got)

    async def test_passwords(self) -> None:
        for password, view_only in (('full', False), ('viewer', True)):
            admission, sent = await self._admit(
                _VERSION + b'\2' + _encrypt(b'', password) + b'\1',
                _PASSWORDS)
            self.assertEqual(view_only, admission.view_only)
            self.assertEqual([_VERSION, b'\1\2', _OK], sent[:2] + sent[3:])
            self.assertEqual(16, len(sent[2]))

    async def test_wrong_password(self) -> None:
        with mock.patch.object(handshake, '_WRONG_PASSWORD_S', 0):
            for version, sent in ((b'8', 4 + 4 + 14), (b'7', 4)):
                with self.assertRaisesRegex(handshake.HandshakeError,
                                            'wrong password'):
                    await self._admit(b'RFB 003.00' + version + b'\n\2'
                                      + _encrypt(b'', 'other'), _PASSWORDS)
                self.assertEqual(sent, len(self.channel.sent[-1]))

    async def test_wrong_password_counts_before_it_is_answered(self) -> None:
        tries = mock.Mock()
        tries.wait_s.return_value = 0
        terms = dataclasses.replace(_PASSWORDS, tries=tries)

        async def gone(channel: FakeChannel, data: bytes) -> None:
            if len(channel.sent) == 3:      # the challenge was the last
                tries.failed.assert_called_once()
                raise BrokenPipeError
            else:
                channel.sent.append(data)

        with mock.patch.object(handshake, '_WRONG_PASSWORD_S', 0), \
                mock.patch.object(FakeChannel, 'write', gone), \
                self.assertRaises(handshake.WrongPasswordError):
            await self._admit(_VERSION + b'\2' + _encrypt(b'', 'other'),
                              terms)
        tries.failed.assert_called_once()
        tries.succeeded.assert_not_called()

    async def test_password_that_has_to_wait(self) -> None:
        """Not for long: it waits. Longer: it is not even checked."""
        tries = mock.Mock()
        tries.wait_s.side_effect = [0.1, 0.05, 0]
        terms = dataclasses.replace(_PASSWORDS, tries=tries)
        data = _VERSION + b'\2' + _encrypt(b'', 'full') + b'\1'
        await self._admit(data, terms)
        tries.succeeded.assert_called_once()
        tries.wait_s.side_effect = [handshake.PATIENCE_S + 0.5]
        with self.assertRaisesRegex(handshake.HandshakeError, 'too many'):
            await self._admit(data, terms)
        self.assertIn(b'wait 6 seconds', self.channel.sent[-1])
        tries.failed.assert_not_called()

    async def test_vencrypt(self) -> None:
        encrypted = FakeChannel(b'\0')
        start = mock.AsyncMock(return_value=encrypted)
        admission, sent = await self._admit(
            _VERSION + b'\x13' + b'\0\2' + struct.pack('>I', 260),
            handshake.Terms(start_tls=start))
        self.assertEqual([_VERSION, b'\1\x13', b'\0\2',
                          b'\0\1\0\0\1\4', b'\1'], sent)
        self.assertEqual([_OK], encrypted.sent)
        self.assertIs(encrypted, admission.channel)
        self.assertFalse(admission.shared)

    async def test_vencrypt_refused(self) -> None:
        start = mock.AsyncMock()
        terms = handshake.Terms(start_tls=start)
        for data in (_VERSION + b'\1', _VERSION + b'\2',
                     _VERSION + b'\x13\0\1',
                     _VERSION + b'\x13\0\2' + struct.pack('>I', 257),
                     b'RFB 003.003\n'):
            with self.assertRaises(handshake.HandshakeError):
                await self._admit(data, terms)
        start.assert_not_called()

    async def test_no_client_at_all(self) -> None:
        for data in (b'GET / HTTP/1.0\r\n', b'\x1b[2J' * 4, b'RFB 004.001\n',
                     b'RFB 003.8\n\n\n'):
            with self.assertRaises(handshake.HandshakeError) as raised:
                await self._admit(data, handshake.Terms(without=True))
            self.assertTrue(str(raised.exception).isprintable())
        with self.assertRaises(EOFError):
            await self._admit(b'RFB', handshake.Terms(without=True))

    async def test_refuse(self) -> None:
        for version, head in ((b'3', bytes(4)), (b'8', b'\0')):
            channel = FakeChannel(b'RFB 003.00' + version + b'\n')
            await handshake.refuse(channel, 'no')
            self.assertEqual([_VERSION, head + b'\0\0\0\2no'], channel.sent)
