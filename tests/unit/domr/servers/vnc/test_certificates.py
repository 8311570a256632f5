# SPDX-License-Identifier: Apache-2.0
"""The VNC server's certificate, and proxies that stop on the way."""

import asyncio
import pathlib
import ssl
import struct
import tempfile
from typing import Any
from unittest import mock

from nova_dmore.domr.servers.vnc import handshake
from nova_dmore.domr.servers.vnc import server
from nova_dmore.domr.servers.vnc import tls
from tests.integration import authority
from tests.unit.domr import pair
from tests.unit.domr.servers.vnc import server_case


class TlsTest(server_case.Case):

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

    async def _encrypted(self) -> tuple[server_case.Streams, str]:
        """A proxy that is past TLS; also whose certificate it was shown."""
        reader, writer = await self.open(server_case.PROXY)
        await reader.readexactly(12)
        writer.write(server_case.VERSION)
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

    async def _session(self) -> tuple[server_case.Streams, str]:
        (reader, writer), name = await self._encrypted()
        self.assertEqual(bytes(4), await reader.readexactly(4))
        writer.write(b'\1')
        self.assertEqual(b'!', await reader.readexactly(1))
        return (reader, writer), name

    async def _configure(self, tls: dict[str, str]) -> None:
        self.pair.send({**self.pair.config, 'vnc': {
            **self.pair.config['vnc'], 'tls': tls}})
        context = self.pair.agent.serving._context
        await self.pair.until(
            lambda: context.config.vnc.tls.certificate == tls['certificate'])
        await asyncio.sleep(0.1)

    async def test_new_certificate_ends_nothing(self) -> None:
        (reader, writer), name = await self._session()
        self.assertEqual('first', name)
        begun = await self.open(server_case.PROXY)
        listener = self.server._listener
        await self._configure(self._tls('second'))
        self.assertIs(self.server, self.pair.servers['vnc'])
        self.assertIs(listener, self.server._listener)
        self.assertEqual('second', (await self._session())[1])
        connection, _ = self.desktop.shown[0]
        await asyncio.get_running_loop().sock_sendall(connection, b'on')
        self.assertEqual(b'on', await reader.readexactly(2))
        writer.write(b'yes')
        self.assertEqual(b'yes', await asyncio.get_running_loop().sock_recv(
            connection, 3))
        self.assertFalse(await pair.ended(begun[0], 0.2))

    async def test_certificate_that_cannot_be_used(self) -> None:
        await self._configure({**self._tls('second'), 'key': 'none'})
        self.assertEqual(1, len(self.pair.logged('goes on as before')))
        self.assertNotIn('none', self.pair.logged('goes on as before')[0])
        self.assertEqual('first', (await self._session())[1])
        await self._configure(self._tls('third'))
        self.assertEqual('third', (await self._session())[1])

    async def test_first_certificate_cannot_be_used(self) -> None:
        await self.serve(starts=False, tls={**self._tls('bad'), 'key': ''})
        self.assertNotIn('vnc', self.pair.servers)
        serial = self.pair.servers['serial']
        await self._configure(self._tls('good'))
        self.assertEqual('good', (await self._session())[1])
        self.assertIs(serial, self.pair.servers['serial'])

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
            self.assertTrue(await pair.ended(reader, 6))

    async def test_silence_in_tls_is_ended(self) -> None:
        with mock.patch.object(server, 'PROXY_HANDSHAKE_S', 1):
            reader, writer = await self.open(server_case.PROXY)
            writer.write(server_case.VERSION + b'\x13\0\2'
                         + struct.pack('>I', 260))
            await reader.readexactly(12 + 2 + 2 + 6 + 1)
            writer.write(b'\x16')   # the first byte of TLS
            self.assertTrue(await pair.ended(reader, 5))
            self.assertEqual(0, len(self.server._proxies))
