# SPDX-License-Identifier: Apache-2.0
"""What clients do over SSH that OpenSSH's does not."""

import asyncio
import contextlib
import unittest
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import asyncssh
from asyncssh import auth
from asyncssh import connection as connection_module
from asyncssh import constants
from asyncssh import packet

from nova_dmore.domr import input_queue
from nova_dmore.domr.servers import ssh_packets
from tests.unit.domr import pair

_KEY = asyncssh.generate_private_key('ssh-ed25519')
_OTHER = asyncssh.generate_private_key('ssh-ed25519')


def _public(key: asyncssh.SSHKey) -> str:
    line: str = key.export_public_key().decode().strip()
    return line


class _ShowsAnother(asyncssh.SSHClient):
    """Asks about another key so often that some answers come after it has
    logged in with its own: each new name of a user takes the server long."""

    def connection_made(self, conn: Any) -> None:
        """See asyncssh.SSHClient."""
        send = conn.send_userauth_request

        async def send_request(method: bytes, *arguments: bytes,
                               key: Any = None, trivial: bool = True) -> None:
            for number in range(40 if key is not None else 0):
                conn._username = f'user{number}'
                await send(b'publickey', packet.Boolean(False),
                           packet.String(_OTHER.algorithm),
                           packet.String(_OTHER.public_data))
            await send(method, *arguments, key=key, trivial=trivial)

        conn.send_userauth_request = send_request


def _not_minded(answer: Callable[..., Any]) -> Callable[..., None]:
    def handle(*arguments: Any) -> None:
        with contextlib.suppress(asyncssh.ProtocolError):
            answer(*arguments)
    return handle


def _exchange_again(conn: Any) -> None:
    conn._send_kexinit()
    conn._kexinit_sent = True


class SshHostileTest(unittest.IsolatedAsyncioTestCase):

    async def asyncSetUp(self) -> None:
        self.pair = pair.Pair(pair.config(
            authorized_keys=[_public(_KEY), _public(_OTHER)]))
        await self.enterAsyncContext(self.pair)
        self.server = self.pair.servers['ssh']

    async def _connect(self, **options: Any) -> asyncssh.SSHClientConnection:
        connection = await asyncssh.connect(
            '127.0.0.1', self.pair.config['ssh_port'], username='any',
            client_keys=[_KEY], known_hosts=None, config=None,
            agent_path=None, **options)
        self.addAsyncCleanup(connection.wait_closed)
        self.addCleanup(connection.abort)
        return connection

    async def _attach(self) -> asyncssh.SSHClientProcess[bytes]:
        return await (await self._connect()).create_process(encoding=None)

    @contextlib.contextmanager
    def _minds_no_answers(self) -> Iterator[None]:
        """Have a client here take answers that it has not asked for."""
        with contextlib.ExitStack() as patches:
            for handlers, kind in (
                    (auth._ClientPublicKeyAuth._packet_handlers,
                     auth.MSG_USERAUTH_PK_OK),
                    (connection_module.SSHClientConnection._packet_handlers,
                     constants.MSG_USERAUTH_FAILURE)):
                patches.enter_context(mock.patch.dict(handlers, {
                    kind: _not_minded(handlers[kind])}))
            yield

    async def test_who_shows_another_key_is_known_by_his_own(self) -> None:
        self.enterContext(self._minds_no_answers())
        connection = await self._connect(client_factory=_ShowsAnother)
        process = await connection.create_process(encoding=None)
        await self.pair.until(self.server.context.sessions.all)
        self.assertEqual([_KEY.get_fingerprint()], [
            each['who'] for each in self.server.context.sessions.all()])
        self.pair.send({**self.pair.config,
                        'authorized_keys': [_public(_OTHER)]})
        self.assertIn(b'may not use this console',
                      await process.stderr.read())

    async def test_many_names_of_users_cost_no_threads(self) -> None:
        connection = await self._connect()      # the first one of all
        loop = asyncio.get_running_loop()
        self.enterContext(self._minds_no_answers())
        with mock.patch.object(loop, 'run_in_executor',
                               wraps=loop.run_in_executor) as run:
            await self._connect(client_factory=_ShowsAnother)
        # The client's own, and the server's.
        self.assertLessEqual(run.call_count, 2)
        connection.abort()

    async def test_channel_has_one_program(self) -> None:
        process = await self._attach()
        connection = process.channel.get_connection()
        number = packet.UInt32(process.channel._send_chan)
        for request in (b'shell', b'exec', b'exec'):
            connection.send_packet(
                constants.MSG_CHANNEL_REQUEST, number, packet.String(request),
                packet.Boolean(False), *(
                    [packet.String(b'sessions')] if request == b'exec'
                    else []))
        process.stdin.write(b'x')
        await self.pair.until(lambda: self.pair.typed == b'x')
        self.assertEqual(1, len(self.server.context.console._clients))
        self.assertEqual(1, len(self.server.context.sessions.all()))
        connection.abort()
        await self.pair.until(
            lambda: not self.server.context.console._clients)
        self.assertEqual([], self.server.context.sessions.all())

    async def test_environment_is_not_kept(self) -> None:
        process = await self._attach()
        connection = process.channel.get_connection()
        number = packet.UInt32(process.channel._send_chan)
        for variable in range(100):
            connection.send_packet(
                constants.MSG_CHANNEL_REQUEST, number, packet.String(b'env'),
                packet.Boolean(False), packet.String(b'V%d' % variable),
                packet.String(bytes(1 << 12)))
        process.stdin.write(b'x')
        await self.pair.until(lambda: self.pair.typed == b'x')
        session, = self.server.attached
        self.assertEqual({}, dict(session._chan.get_environment()))

    async def test_keys_that_come_singly_are_kept_together(self) -> None:
        """Those that wait, in the console and in the channel."""
        process = await self._attach()
        session, = self.server.attached
        self.pair.taking = False
        line = self.server.context.console._line
        until_held = bytes(line.sendable() + input_queue.INPUT_LIMIT + 1)
        process.stdin.write(until_held)
        await self.pair.until(lambda: session._chan._recv_paused)
        connection = process.channel.get_connection()
        number = packet.UInt32(process.channel._send_chan)
        for _ in range(1 << 12):
            connection.send_packet(constants.MSG_CHANNEL_DATA, number,
                                   packet.String(b'x'))
        await self.pair.until(lambda: sum(
            len(data) for data, _ in session._chan._recv_buf) >= 1 << 12)
        self.assertLessEqual(len(session._chan._recv_buf),
                             ssh_packets.PIECES_MAX + 1)

        self.pair.taking = True
        await self.pair.until(
            lambda: len(self.pair.typed) == len(until_held) + (1 << 12), 30)
        self.assertTrue(self.pair.typed.endswith(b'\0' + b'x' * (1 << 12)))

    async def test_exchanges_that_take_long_are_not_offered(self) -> None:
        """In Python, for instance, with numbers of 8192 bits."""
        for name in ('diffie-hellman-group18-sha512', 'rsa2048-sha256',
                     'diffie-hellman-group-exchange-sha256',
                     'diffie-hellman-group14-sha256'):
            with self.assertRaises(asyncssh.KeyExchangeFailed):
                await self._connect(kex_algs=[name])
        for name in ('curve25519-sha256', 'ecdh-sha2-nistp256'):
            await self._connect(kex_algs=[name])

    async def test_keys_are_exchanged_once_before_the_log_in(self) -> None:
        class Again(asyncssh.SSHClient):
            def connection_made(self, conn: Any) -> None:
                """See asyncssh.SSHClient."""
                async def send_request(*_arguments: Any,
                                       **_options: Any) -> None:
                    _exchange_again(conn)
                conn.send_userauth_request = send_request

        with self.assertRaisesRegex(asyncssh.ProtocolError, 'exchanged'):
            async with asyncio.timeout(20):
                await self._connect(client_factory=Again)
        # Afterwards they are, as often as a client wants it.
        process = await self._attach()
        _exchange_again(process.channel.get_connection())
        process.stdin.write(b'x')
        await self.pair.until(lambda: self.pair.typed == b'x')
