# SPDX-License-Identifier: Apache-2.0
"""Who may use the VNC server, and how: networks, passwords, certificates."""

import asyncio
import pathlib
import select
import socket
import ssl
import struct
import tempfile
from unittest import mock

from nova.console.rfb import authvencrypt
from nova.console.securityproxy import rfb as securityproxy

from nova_dmore.domr.servers.vnc import handshake
from nova_dmore import wire
from tests.integration import authority
from tests.integration import rfb
from tests.integration import vnc_case

_NOBODY = '192.0.2.0/24'


class NetworkTest(vnc_case.Case):

    async def test_only_the_configured_networks(self) -> None:
        await self.serve(proxy_networks=[_NOBODY])
        for _ in range(3):
            reader, writer = await asyncio.open_connection(
                '127.0.0.1', self.port)
            self.assertEqual(b'', await reader.read())
            writer.close()
        await self.pair.until(self.warnings)
        self.assertEqual(1, len(self.warnings()))
        self.assertIn('in none of the networks', self.warnings()[0])

    async def test_no_vnc_at_all(self) -> None:
        await self.serve()
        self.pair.send({**self.pair.config, 'vnc': None})
        servers = dict(self.pair.servers)
        await self.pair.until(
            lambda: self.pair.servers
            and self.pair.servers != servers)
        with self.assertRaises(ConnectionError):
            await asyncio.open_connection('127.0.0.1', self.port)

    async def test_other_port_leaves_the_clients_alone(self) -> None:
        await self.serve()
        client = await self.view()
        old, self.port = self.port, vnc_case.pair.free_port()
        self.pair.send({**self.pair.config, 'vnc': {
            **self.pair.config['vnc'], 'port': self.port}})
        servers = dict(self.pair.servers)
        await self.pair.until(
            lambda: self.pair.servers
            and self.pair.servers != servers)
        with self.assertRaises(ConnectionError):
            await asyncio.open_connection('127.0.0.1', old)
        other = await self.view()
        self.assertEqual(2, self.pair.servers['vnc'].clients)
        self.painter.scribble()
        for each in (client, other):
            await each.update_to(self.painter.pixels)


class PasswordTest(vnc_case.Case):

    async def _log_in(self, password: str) -> rfb.Client:
        client = rfb.Client(*await asyncio.open_connection(
            '127.0.0.1', self.port))
        self.addAsyncCleanup(client.close)
        await client.version()
        self.assertEqual(b'\1\2', await client.reader.readexactly(2))
        client.writer.write(b'\2')
        challenge = await client.reader.readexactly(16)
        client.writer.write(self.desktop.encrypt(challenge, password))
        await client.result()
        await client.init()
        client.encodings(rfb.RAW)
        return client

    async def test_password_and_a_view_only_one(self) -> None:
        await self.serve(
            proxy_networks=[], direct_networks=['127.0.0.0/8'],
            password='secret', view_only_password='viewer')
        client = await self._log_in('secret')
        viewer = await self._log_in('viewer')
        for each in (client, viewer):
            each.request(incremental=False)
            await each.update_to(self.painter.pixels)
        viewer.type('x')
        viewer.extended_key(ord('x'), 0x2d, True)
        viewer.pointer(1, 1, 1)
        viewer.request(incremental=False)
        await viewer.update()       # so it has read what came before
        client.type('a')
        await self.pair.until(lambda: len(self.pair.events) == 2)
        self.assertEqual([0x1e, 0x1e],
                         [each.number for each in self.pair.events])

    async def test_wrong_password(self) -> None:
        await self.serve(proxy_networks=[], direct_networks=['127.0.0.0/8'],
                         password='secret')
        with mock.patch.object(handshake, '_WRONG_PASSWORD_S', 0.2):
            for password in ('Secret', 'secrets', ''):
                with self.assertRaisesRegex(rfb.Refused, 'wrong password'):
                    await self._log_in(password)
        await self.pair.until(self.warnings)
        self.assertEqual(1, len(self.warnings()))
        self.assertEqual(0, self.desktop.clients)

    async def test_old_client(self) -> None:
        """RFB 3.3, as some programs still speak it."""
        await self.serve()
        client = rfb.Client(*await asyncio.open_connection(
            '127.0.0.1', self.port))
        self.addAsyncCleanup(client.close)
        await client.reader.readexactly(12)
        client.writer.write(b'RFB 003.003\n')
        self.assertEqual(1, struct.unpack(
            '>I', await client.reader.readexactly(4))[0])
        await client.init()
        client.encodings(rfb.RAW)
        client.request(incremental=False)
        await client.update_to(self.painter.pixels)


class VencryptTest(vnc_case.Case):

    async def asyncSetUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        self.authority = authority.Authority(self.directory)
        certificate, key = self.authority.issue('server')
        await self.serve(300, 200, tls={
            'certificate': certificate, 'key': key,
            'ca': self.authority.certificate})

    def _proxy(self, name: str) -> ssl.SSLSocket:
        """What nova-novncproxy does, by its own code.

        :param name: whose certificate it shows
        """
        scheme = authvencrypt.RFBAuthSchemeVeNCrypt()
        proxy = securityproxy.RFBSecurityProxy.__new__(
            securityproxy.RFBSecurityProxy)
        proxy.auth_schemes = mock.Mock()
        proxy.auth_schemes.find_scheme = lambda types: {
            scheme.security_type(): scheme}[types[0]]
        tenant, browser = socket.socketpair()
        browser.sendall(b'RFB 003.008\n\1')
        connection = socket.create_connection(('127.0.0.1', self.port), 10)
        with mock.patch.object(authvencrypt, 'CONF') as conf:
            conf.vnc.vencrypt_client_key = f'{self.directory}/{name}-key.pem'
            conf.vnc.vencrypt_client_cert = f'{self.directory}/{name}-cert.pem'
            conf.vnc.vencrypt_ca_certs = f'{self.directory}/ca.pem'
            with tenant, browser:
                return proxy.connect(tenant, connection)

    async def _through_the_proxy(self, name: str) -> rfb.Client:
        encrypted = await asyncio.to_thread(self._proxy, name)
        self.addCleanup(encrypted.close)
        self._shown = encrypted.getpeercert(binary_form=True)
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        task = asyncio.create_task(asyncio.to_thread(
            self._copy, ours, encrypted))
        self.addAsyncCleanup(asyncio.wait, [task])
        client = rfb.Client(*await asyncio.open_connection(sock=theirs))
        self.addAsyncCleanup(client.close)
        await client.result()
        await client.init()
        client.encodings(rfb.RAW, rfb.EXTENDED_KEYS)
        return client

    @staticmethod
    def _copy(plain: socket.socket, encrypted: ssl.SSLSocket) -> None:
        """Both ways in one thread: two must not use one TLS connection."""
        other = {plain: encrypted, encrypted: plain}
        try:
            while True:
                # What is decrypted already makes no socket readable.
                for source in ([encrypted] if encrypted.pending() else
                               select.select(list(other), [], [])[0]):
                    if not (data := source.recv(1 << 16)):
                        other[source].shutdown(socket.SHUT_RDWR)
                        return
                    other[source].sendall(data)
        except OSError:
            pass    # cut off

    async def test_proxy_with_a_certificate(self) -> None:
        self.authority.issue('proxy')
        client = await self._through_the_proxy('proxy')
        client.request(incremental=False)
        await client.update_to(self.painter.pixels)
        for _ in range(10):
            self.painter.scribble()
            await client.update_to(self.painter.pixels)
        client.type('a')
        await self.pair.until(lambda: len(self.pair.events) == 2)
        await client.close()
        await self.pair.until(lambda: self.desktop.clients == 0)

    async def test_a_new_certificate_ends_no_session(self) -> None:
        self.authority.issue('proxy')
        client = await self._through_the_proxy('proxy')
        listeners = dict(self.pair.servers)
        shown = self._shown
        certificate, key = self.authority.issue('renewed')
        tls = {**self.pair.config['vnc']['tls'],
               'certificate': certificate, 'key': key}
        await self._configure(tls)
        client.request(incremental=False)
        await client.update_to(self.painter.pixels)
        other = await self._through_the_proxy('proxy')
        self.assertNotEqual(shown, self._shown)
        self.assertEqual(ssl.PEM_cert_to_DER_cert(certificate), self._shown)
        for each in (client, other):
            self.painter.scribble()
            await each.update_to(self.painter.pixels)
        self.assertEqual(listeners, self.pair.servers)

        # One that cannot be used is not: the last one is still shown.
        await self._configure({**tls, 'key': 'none'})
        self.assertIn('goes on as before', self.warnings()[-1])
        await self._through_the_proxy('proxy')
        self.assertEqual(ssl.PEM_cert_to_DER_cert(certificate), self._shown)
        self.painter.scribble()
        await client.update_to(self.painter.pixels)

    async def _configure(self, tls: dict[str, str]) -> None:
        """Have Domain R take another CONFIG."""
        count = len(self.pair.said(wire.SERVING))
        self.pair.send({**self.pair.config, 'vnc': {
            **self.pair.config['vnc'], 'tls': tls}})
        await self.pair.until(
            lambda: len(self.pair.said(wire.SERVING)) > count)

    async def test_cut_by_the_server(self) -> None:
        self.authority.issue('proxy')
        client = await self._through_the_proxy('proxy')
        client.writer.write(b'\xee')
        await client.reader.read()
        # What is counted is told a moment later.
        await self.pair.until(self.warnings)
        self.assertEqual((0, 1), (self.desktop.clients,
                                  len(self.warnings())))

    async def test_certificate_of_another_authority(self) -> None:
        directory = self.directory / 'other'
        directory.mkdir()
        other = authority.Authority(directory)
        other.issue('mallory')
        for part in ('cert', 'key'):
            (directory / f'mallory-{part}.pem').rename(
                self.directory / f'mallory-{part}.pem')
        with self.assertRaises((ssl.SSLError, OSError, EOFError)):
            await self._through_the_proxy('mallory')
        await self.pair.until(self.warnings)
        self.assertIn('failed to encrypt', self.warnings()[0])
        self.assertEqual(0, self.desktop.clients)

    async def test_nothing_less_than_vencrypt(self) -> None:
        client = rfb.Client(*await asyncio.open_connection(
            '127.0.0.1', self.port))
        self.addAsyncCleanup(client.close)
        await client.version()
        self.assertEqual(b'\1\x13', await client.reader.readexactly(2))
        client.writer.write(b'\1')
        with self.assertRaises(rfb.Refused):
            await client.result()
