# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""Who may begin with the VNC server, and how often passwords are tried.

The desktop is not the real one, so no library is needed; each address of
127.0.0.0/8 is a source of its own.
"""

import asyncio
import contextlib
import errno
import pathlib
import ssl
import struct
import tempfile
import time
import unittest
from typing import Any
from unittest import mock

from nova_dmore.domr import tcp
from nova_dmore.domr.vnc import desktop
from nova_dmore.domr.vnc import handshake
from nova_dmore.domr.vnc import server
from nova_dmore.domr.vnc import tls
from nova_dmore import wire
from tests.integration import authority
from tests.unit.domr import pair

_PROXY, _OTHER_PROXY = '127.0.0.1', '127.0.0.4'
_STRANGER, _OWNER = '127.1.0.2', '127.1.0.3'
_VERSION = b'RFB 003.008\n'

_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class FakeDesktop:
    """Takes clients, and greets them with a byte."""

    def __init__(self) -> None:
        self.is_full = False
        self.shown: list[Any] = []
        self.tried: list[bytes] = []

    @property
    def clients(self) -> int:
        return len(self.shown)

    def encrypt(self, challenge: bytes, password: str) -> bytes:
        """Called for each password there is, when one is tried."""
        return (password.encode() * 16)[:16]

    async def add(self, connection: Any, **options: Any) -> None:
        connection = connection.dup()   # the server closes its own
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_sendall(connection, b'!')
        self.shown.append((connection, options))

    def close(self) -> None:
        for connection, _ in self.shown:
            connection.close()


class Case(unittest.IsolatedAsyncioTestCase):
    """A VNC server in an agent."""

    async def serve(self, starts: bool = True, **changes: Any) -> None:
        self.desktop = FakeDesktop()
        self.addCleanup(self.desktop.close)
        patch = mock.patch.object(desktop.Desktop, 'of',
                                  return_value=self.desktop)
        patch.start()
        self.addCleanup(patch.stop)
        vnc = pair.vnc(**{
            'proxy_networks': ['127.0.0.0/16'],
            'direct_networks': ['127.1.0.0/16'], 'password': 'secret',
            'view_only_password': 'look', **changes})
        self.port = vnc['port']
        self.pair = pair.Pair(pair.config(vnc=vnc), {
            'serial': 'nova_dmore.domr.serial_tcp',
            'vnc': 'nova_dmore.domr.vnc.server'})
        await self.enterAsyncContext(self.pair)
        if starts:
            self.server: server.VncServer = self.pair.agent.servers['vnc']

    async def open(self, source: str) -> _Streams:
        reader, writer = await asyncio.open_connection(
            '127.0.0.1', self.port, local_addr=(source, 0))
        self.addCleanup(writer.close)
        return reader, writer

    async def answer(self, source: str, password: str) -> _Streams:
        """As far as the answer to the challenge."""
        reader, writer = await self.open(source)
        await reader.readexactly(12)
        writer.write(_VERSION)
        types = await reader.readexactly(2)
        if types != b'\1\2':
            reason = types + await reader.read()
            raise PermissionError(reason[5:].decode())
        writer.write(b'\2')
        await reader.readexactly(16)
        writer.write((password.encode() * 16)[:16])
        return reader, writer

    async def log_in(self, source: str, password: str) -> _Streams:
        """:raises PermissionError: with what the server says"""
        reader, writer = await self.answer(source, password)
        if await reader.readexactly(4) != bytes(4):
            raise PermissionError((await reader.read())[4:].decode())
        writer.write(b'\1')
        self.assertEqual(b'!', await reader.readexactly(1))
        return reader, writer

    async def through_a_proxy(self, source: str = _PROXY) -> _Streams:
        reader, writer = await self.open(source)
        await reader.readexactly(12)
        writer.write(_VERSION + b'\1\1')
        self.assertEqual(b'\1\1' + bytes(4) + b'!',
                         await reader.readexactly(7))
        return reader, writer

    async def ended(self, reader: asyncio.StreamReader,
                    seconds: float = 5) -> bool:
        """Whether a connection is ended by the server in this time."""
        with contextlib.suppress(ConnectionError):
            try:
                async with asyncio.timeout(seconds):
                    await reader.read()
            except TimeoutError:
                return False
        return True

    def said(self, text: str) -> list[str]:
        return [each['text'] for each in self.pair.said(wire.LOG)
                if text in each['text']]


class PasswordTest(Case):

    async def asyncSetUp(self) -> None:
        await self.serve()
        patch = mock.patch.object(handshake, '_WRONG_PASSWORD_S', 0.1)
        patch.start()
        self.addCleanup(patch.stop)

    def _failures(self, source: str = _STRANGER) -> int:
        entry = self.server._attempts._sources.get(source)
        return 0 if entry is None else entry.failures.count

    async def _guess(self, seconds: float) -> None:
        """As fast as it goes, and with no time for answers."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with contextlib.suppress(OSError, EOFError, PermissionError):
                _, writer = await self.answer(_STRANGER, 'guess')
                await asyncio.sleep(0.01)
                writer.close()

    async def test_who_hangs_up_guesses_no_quicker(self) -> None:
        """Tries at 0, 1, 3 s ..., however many connections there are."""
        with mock.patch.object(
                self.desktop, 'encrypt',
                side_effect=self.desktop.encrypt) as encrypt:
            await asyncio.gather(*(self._guess(2.5) for _ in range(12)))
        self.assertLessEqual(encrypt.call_count, 3 * 2)
        self.assertLessEqual(self._failures(), 3)
        self.assertGreaterEqual(self._failures(), 2)
        # Nobody else waits for that.
        await self.log_in(_OWNER, 'secret')
        await self.through_a_proxy()
        self.assertLessEqual(len(self.said('password')), 2)

    async def test_wait_is_told(self) -> None:
        attempts = self.server._attempts
        for _ in range(7):
            attempts.failed(_STRANGER)
        for password in ('guess', 'secret'):    # it is not even looked at
            with self.assertRaisesRegex(
                    PermissionError,
                    'too many wrong passwords: wait 6[34] seconds'):
                await self.log_in(_STRANGER, password)
        self.assertEqual(7, self._failures())
        await self.log_in(_OWNER, 'look')

    async def test_short_wait_is_no_refusal(self) -> None:
        """A person that mistypes gets in with the next try."""
        with self.assertRaisesRegex(PermissionError, 'wrong password'):
            await self.log_in(_OWNER, 'sceret')
        begun = time.monotonic()
        await self.log_in(_OWNER, 'secret')
        self.assertLess(0.5, time.monotonic() - begun)

    async def test_waits_that_add_up_in_a_handshake(self) -> None:
        """It asked for the password before others had failed."""
        reader, writer = await self.open(_STRANGER)
        await reader.readexactly(12)
        writer.write(_VERSION + b'\2')
        await reader.readexactly(2 + 16)
        for _ in range(7):
            self.server._attempts.failed(_STRANGER)
        writer.write((b'secret' * 3)[:16])
        self.assertIn(b'wait 6', await asyncio.wait_for(reader.read(), 5))
        self.assertEqual(7, self._failures())

    async def test_looking_does_not_help_guessing(self) -> None:
        for _ in range(3):
            self.server._attempts.failed(_STRANGER)
        self.server._attempts._sources[_STRANGER].until = 0
        await self.log_in(_STRANGER, 'look')
        self.assertEqual(3, self._failures())

    async def test_old_client_is_told_too(self) -> None:
        for _ in range(7):
            self.server._attempts.failed(_STRANGER)
        reader, writer = await self.open(_STRANGER)
        writer.write(b'RFB 003.003\n')
        self.assertIn(b'too many wrong', await asyncio.wait_for(
            reader.read(), 5))


class HandshakesTest(Case):

    async def asyncSetUp(self) -> None:
        await self.serve()

    async def _flood(self, source: str) -> list[_Streams]:
        return [await self.open(source)
                for _ in range(server.HANDSHAKES_MAX + 8)]

    async def test_flood_ends_its_own_handshakes_only(self) -> None:
        other = await self.open(_OWNER)
        proxy = await self.open(_PROXY)
        flood = await self._flood(_STRANGER)
        self.assertTrue(await self.ended(flood[0][0]))
        for reader, writer in (other, proxy):
            self.assertEqual(_VERSION, await reader.readexactly(12))
            writer.write(_VERSION)
            self.assertEqual(1, (await reader.readexactly(2))[0])
        await self.log_in(_OWNER, 'secret')
        # Its own neighbour gets in as well: the oldest is the one that goes.
        await self.log_in(_STRANGER, 'secret')
        await self.through_a_proxy()
        self.assertLessEqual(len(self.said('too many')), 2)

    async def test_proxies_and_others_are_counted_apart(self) -> None:
        other = await self.open(_OWNER)
        await self._flood(_PROXY)
        self.assertFalse(await self.ended(other[0], 0.3))
        await self.log_in(_STRANGER, 'secret')
        await self.through_a_proxy(_OTHER_PROXY)
        await self.through_a_proxy(_PROXY)

    async def test_sessions_outlive_a_flood(self) -> None:
        reader, _ = await self.log_in(_STRANGER, 'secret')
        proxy, _ = await self.through_a_proxy()
        for source in (_STRANGER, _PROXY):
            await self._flood(source)
        self.assertFalse(await self.ended(reader, 0.2))
        self.assertFalse(await self.ended(proxy, 0.2))

    async def test_byte_now_and_then_gains_no_time(self) -> None:
        with mock.patch.object(server, 'DIRECT_HANDSHAKE_S', 1), \
                mock.patch.object(server, 'PROXY_HANDSHAKE_S', 1):
            clients = [await self.open(source)
                       for source in (_STRANGER, _PROXY)]

            async def dribble(writer: asyncio.StreamWriter) -> None:
                for byte in _VERSION * 9:
                    writer.write(bytes([byte]))
                    await asyncio.sleep(0.15)

            for reader, writer in clients:
                task = asyncio.create_task(dribble(writer))
                self.addCleanup(task.cancel)
                self.assertTrue(await self.ended(reader, 4))
        self.assertEqual((0, 0), (len(self.server._direct),
                                  len(self.server._proxies)))

    async def test_connection_is_prepared(self) -> None:
        with mock.patch.object(tcp, 'prepare') as prepare:
            await self.through_a_proxy()
        prepare.assert_called_once()

    async def test_no_descriptor_left(self) -> None:
        """It is tried again later, not at once and for ever."""
        listener = mock.Mock(wraps=self.server._listener)
        listener.accept.side_effect = OSError(errno.EMFILE, 'too many files')
        self.server._listener = listener
        with mock.patch.object(server, '_NO_ROOM_S', 0.3):
            reader, _ = await self.open(_PROXY)
            await asyncio.sleep(0.2)
            self.assertEqual(1, listener.accept.call_count)
            listener.accept.side_effect = None
            self.assertEqual(_VERSION, await asyncio.wait_for(
                reader.readexactly(12), 5))


class TlsTest(Case):

    async def asyncSetUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        self.authority = authority.Authority(self.directory)
        self.authority.issue('proxy')
        await self.serve(tls=self._tls('first'))

    def _tls(self, name: str) -> dict[str, str]:
        certificate, key = self.authority.issue(name)
        return {'certificate': certificate, 'key': key,
                'ca': self.authority.certificate}

    async def _encrypted(self) -> tuple[_Streams, str]:
        """A proxy that is past TLS; also whose certificate it was shown."""
        reader, writer = await self.open(_PROXY)
        await reader.readexactly(12)
        writer.write(_VERSION)
        self.assertEqual(b'\1\x13', await reader.readexactly(2))
        writer.write(b'\x13\0\2')
        await reader.readexactly(2 + 2 + 4)
        writer.write(struct.pack('>I', 260))
        await reader.readexactly(1)
        context = ssl.create_default_context(
            cafile=f'{self.directory}/ca.pem')
        context.check_hostname = False
        context.load_cert_chain(f'{self.directory}/proxy-cert.pem',
                                f'{self.directory}/proxy-key.pem')
        await writer.start_tls(context)
        certificate = writer.get_extra_info('peercert')
        return (reader, writer), certificate['subject'][0][0][1]

    async def _session(self) -> tuple[_Streams, str]:
        (reader, writer), name = await self._encrypted()
        self.assertEqual(bytes(4), await reader.readexactly(4))
        writer.write(b'\1')
        self.assertEqual(b'!', await reader.readexactly(1))
        return (reader, writer), name

    async def _configure(self, tls: dict[str, str]) -> None:
        self.pair.send({**self.pair.config, 'vnc': {
            **self.pair.config['vnc'], 'tls': tls}})
        context = self.pair.agent._context
        await self.pair.until(
            lambda: context.config.vnc.tls.certificate == tls['certificate'])
        await asyncio.sleep(0.1)

    async def test_new_certificate_ends_nothing(self) -> None:
        (reader, writer), name = await self._session()
        self.assertEqual('first', name)
        begun = await self.open(_PROXY)
        listener = self.server._listener
        await self._configure(self._tls('second'))
        self.assertIs(self.server, self.pair.agent.servers['vnc'])
        self.assertIs(listener, self.server._listener)
        self.assertEqual('second', (await self._session())[1])
        connection, _ = self.desktop.shown[0]
        await asyncio.get_running_loop().sock_sendall(connection, b'on')
        self.assertEqual(b'on', await reader.readexactly(2))
        writer.write(b'yes')
        self.assertEqual(b'yes', await asyncio.get_running_loop().sock_recv(
            connection, 3))
        self.assertFalse(await self.ended(begun[0], 0.2))

    async def test_certificate_that_cannot_be_used(self) -> None:
        await self._configure({**self._tls('second'), 'key': 'none'})
        self.assertEqual(1, len(self.said('goes on as before')))
        self.assertNotIn('none', self.said('goes on as before')[0])
        self.assertEqual('first', (await self._session())[1])
        await self._configure(self._tls('third'))
        self.assertEqual('third', (await self._session())[1])

    async def test_first_certificate_cannot_be_used(self) -> None:
        await self.serve(starts=False, tls={**self._tls('bad'), 'key': ''})
        self.assertNotIn('vnc', self.pair.agent.servers)
        serial = self.pair.agent.servers['serial']
        await self._configure(self._tls('good'))
        self.assertEqual('good', (await self._session())[1])
        self.assertIs(serial, self.pair.agent.servers['serial'])

    async def test_memory_of_one_that_has_begun(self) -> None:
        start_tls, begun = tls.start_tls, []

        async def keep(*arguments: Any) -> handshake.StreamChannel:
            begun.append(await start_tls(*arguments))
            return begun[0]

        with mock.patch.object(tls, 'start_tls', keep):
            await self._session()
        protocol = begun[0].writer.transport._ssl_protocol
        self.assertLessEqual(len(protocol._ssl_buffer), 1 << 15)

    async def test_silence_after_tls_is_ended(self) -> None:
        with mock.patch.object(server, 'PROXY_HANDSHAKE_S', 2):
            (reader, _), _ = await self._encrypted()
            self.assertTrue(await self.ended(reader, 6))

    async def test_silence_in_tls_is_ended(self) -> None:
        with mock.patch.object(server, 'PROXY_HANDSHAKE_S', 1):
            reader, writer = await self.open(_PROXY)
            writer.write(_VERSION + b'\x13\0\2' + struct.pack('>I', 260))
            await reader.readexactly(12 + 2 + 2 + 6 + 1)
            writer.write(b'\x16')   # the first byte of TLS
            self.assertTrue(await self.ended(reader, 5))
            self.assertEqual(0, len(self.server._proxies))
