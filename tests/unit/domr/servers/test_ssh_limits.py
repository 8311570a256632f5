# SPDX-License-Identifier: Apache-2.0
"""Strangers cannot keep the owner of a key from the console over SSH.

Each address of 127.0.0.0/8 is a source of its own.
"""

import asyncio
import contextlib
import inspect
import os
import struct
import unittest
from unittest import mock

import asyncssh

from nova_dmore.domr.servers import once
from nova_dmore.domr.servers import ssh
from nova_dmore.domr.servers import ssh_packets
from nova_dmore.domr.servers import tcp
from tests.unit.domr import pair

_KEY = asyncssh.generate_private_key('ssh-ed25519')
_PUBLIC = _KEY.export_public_key().decode().strip()
_OWNER, _STRANGER, _OTHER = '127.0.0.1', '127.0.0.2', '127.0.0.3'

_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class SshLimitsTest(unittest.IsolatedAsyncioTestCase):

    async def asyncSetUp(self) -> None:
        self.pair = pair.Pair(pair.config(authorized_keys=[_PUBLIC]))
        await self.enterAsyncContext(self.pair)
        self.server = self.pair.servers['ssh']

    async def _silent(self, source: str = _STRANGER) -> _Streams:
        """A connection that says nothing, as far as its banner."""
        reader, writer = await asyncio.open_connection(
            '127.0.0.1', self.pair.config['ssh_port'],
            local_addr=(source, 0))
        self.addCleanup(writer.close)
        return reader, writer

    async def _log_in(self, source: str = _OWNER,
                      ) -> asyncssh.SSHClientConnection:
        connection = await asyncssh.connect(
            '127.0.0.1', self.pair.config['ssh_port'], username='any',
            local_addr=(source, 0), client_keys=[_KEY], known_hosts=None,
            config=None, agent_path=None)
        self.addAsyncCleanup(connection.wait_closed)
        self.addCleanup(connection.abort)
        return connection

    async def test_silent_connections_keep_nobody_out(self) -> None:
        """Neither from another address nor from the owner's own."""
        for source in (_STRANGER, _OWNER):
            for _ in range(ssh.PENDING_MAX + 4):
                await self._silent(source)
        connection = await self._log_in()
        process = await connection.create_process(encoding=None)
        self.pair.print(b'text')
        self.assertEqual(b'text', await process.stdout.readexactly(4))

    async def test_flood_ends_its_own_connections_only(self) -> None:
        other, _ = await self._silent(_OTHER)
        await other.readline()
        flood = [await self._silent() for _ in range(ssh.PENDING_MAX + 8)]
        self.assertTrue(await pair.ended(flood[0][0]))
        self.assertFalse(await pair.ended(other, 0.3))
        self.assertEqual(ssh.PENDING_MAX, len(self.server._pending))
        self.assertLess(len(self.pair.logged(f'client {_STRANGER} ')), 6)

    async def test_who_has_logged_in_is_never_ended(self) -> None:
        sessions = []
        for _ in range(3):
            connection = await self._log_in()
            sessions.append(await connection.create_process(encoding=None))
        for _ in range(4):      # all from the same address
            for _ in range(ssh.PENDING_MAX):
                with contextlib.suppress(ConnectionError):
                    await self._silent(_OWNER)
        self.pair.print(b'text')
        for process in sessions:
            self.assertEqual(b'text', await process.stdout.readexactly(4))

    async def test_a_person_has_time_to_log_in(self) -> None:
        """To compare a fingerprint, and to type a passphrase."""
        reader, _ = await self._silent()
        await reader.readline()
        waiting, = self.server._pending
        timer = waiting.conn._login_timer
        left = timer.when() - asyncio.get_running_loop().time()
        self.assertGreater(left, 100)

    async def test_log_in_has_a_time(self) -> None:
        """In all: a byte now and then is as good as silence."""
        with mock.patch.object(ssh, 'LOGIN_TIMEOUT_S', 1):
            self.pair.send({**self.pair.config,
                            'ssh_port': (port := pair.free_port())})
            await self.pair.until(
                lambda: self.pair.servers.get('ssh', self.server)
                is not self.server)
        reader, writer = await asyncio.open_connection('127.0.0.1', port)
        self.addCleanup(writer.close)

        async def dribble() -> None:
            for byte in b'SSH-2.0-' + bytes(100):
                writer.write(bytes([byte]))
                await asyncio.sleep(0.1)

        task = asyncio.create_task(dribble())
        self.addCleanup(task.cancel)
        self.assertTrue(await pair.ended(reader, 4))

    async def test_ending_without_a_log_in_costs_waits(self) -> None:
        now = 0.0       # or a slow machine would forget in between
        self.server._attempts._clock = lambda: now
        for _ in range(40):
            with contextlib.suppress(OSError):
                reader, writer = await self._silent()
                writer.write(b'SSH-2.0-x\r\n')
                writer.write_eof()
                await asyncio.wait_for(reader.read(), 20)
        count = self.server._attempts._sources[_STRANGER].failures.count
        self.assertEqual(11, count)
        self.assertEqual(1, len(self.pair.logged('ended too often')))
        self.assertEqual(1, len(self.pair.logged('did not log in')))
        connection = await self._log_in()
        self.assertGreater(self.server._attempts.wait_s(_STRANGER), 0)
        # One that has logged in from there before does not wait.
        connection.abort()
        self.server._attempts.succeeded(_STRANGER)
        await self._log_in(_STRANGER)

    async def _greets(self, source: str) -> _Streams:
        """A connection that has told its version, and then waits."""
        reader, writer = await self._silent(source)
        count = self._greeted()
        writer.write(b'SSH-2.0-x\r\n')
        await self.pair.until(lambda: self._greeted() > count)
        return reader, writer

    def _greeted(self) -> int:
        return sum(each.conn.get_extra_info('client_version') is not None
                   for each in self.server._pending)

    def _failures(self, source: str) -> int:
        entry = self.server._attempts._sources.get(source)
        return 0 if entry is None else entry.failures.count

    async def test_place_taken_by_others_costs_nothing(self) -> None:
        """One that waits alone is not charged for being the oldest."""
        self.server._pending._most = 2
        lonely, _ = await self._greets(_OTHER)
        await self._greets(_OWNER)
        await self._silent(_STRANGER)
        self.assertTrue(await pair.ended(lonely))
        await self.pair.until(lambda: self.pair.logged('was the oldest'))
        self.assertEqual(0, self._failures(_OTHER))
        # One that ends by itself is, wherever others were dropped.
        _, writer = await self._greets(_OTHER)
        writer.close()
        await self.pair.until(lambda: self._failures(_OTHER) == 1)

    async def test_flood_that_ends_its_own_costs_waits(self) -> None:
        self.server._pending._most = 2
        first, _ = await self._greets(_STRANGER)
        await self._greets(_STRANGER)
        await self._silent(_OTHER)
        self.assertTrue(await pair.ended(first))
        await self.pair.until(lambda: self._failures(_STRANGER) == 1)

    async def test_wrong_keys_are_counted(self) -> None:
        other = asyncssh.generate_private_key('ssh-ed25519')
        for _ in range(3):
            with self.assertRaises(asyncssh.PermissionDenied):
                await asyncssh.connect(
                    '127.0.0.1', self.pair.config['ssh_port'], username='any',
                    client_keys=[other], known_hosts=None, config=None,
                    agent_path=None)
        await self.pair.until(lambda: self.server._attempts._sources)
        await self.pair.until(lambda: self.server._attempts._sources[
            _OWNER].failures.count == 3)
        await self._log_in()

    async def test_packet_that_has_no_end(self) -> None:
        """asyncssh keeps what has come of a packet, however long it is."""
        reader, writer = await self._silent()
        writer.write(b'SSH-2.0-x\r\n' + struct.pack('>I', 0xfffffff0))
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < 32 << 20:
                writer.write(bytes(1 << 16))
                await writer.drain()
                sent += 1 << 16
        self.assertLess(sent, 16 << 20)
        self.assertTrue(await pair.ended(reader))

    async def test_packet_that_has_no_end_after_the_log_in(self) -> None:
        connection = await self._log_in()
        transport = getattr(connection, '_transport')
        with contextlib.suppress(ConnectionError):
            for _ in range(200):
                # The length of such a packet is not encrypted or is noise.
                transport.write(os.urandom(1 << 16))
                await asyncio.sleep(0.002)
                if transport.is_closing():
                    break
        self.assertTrue(transport.is_closing())

    async def test_answers_that_nobody_reads(self) -> None:
        """A connection that has logged in ends when so much of them is unread.
        """
        patch = mock.patch.object(ssh_packets, 'UNREAD_MAX', 1 << 16)
        patch.start()
        self.addCleanup(patch.stop)
        connection = await self._log_in()
        transport = getattr(connection, '_transport')
        transport.pause_reading()
        for _ in range(400):
            for _ in range(500):
                connection.send_packet(200)     # answered: unimplemented
            await asyncio.sleep(0.01)
            if self.pair.logged('does not read'):
                break
        self.assertTrue(self.pair.logged('does not read'))

    async def test_channels_that_open_no_console(self) -> None:
        connection = await self._log_in()
        make = asyncssh.channel.SSHClientChannel
        arguments = (None, 'strict', 1 << 16, 1 << 15)
        if 'utf8_decode_errors' in inspect.signature(make).parameters:
            arguments = ('strict', *arguments)      # newer than Domain R's
        opened = 0
        with self.assertRaises(asyncssh.ChannelOpenError):
            while opened <= ssh.CHANNELS_MAX:
                channel = make(connection, asyncio.get_running_loop(),
                               *arguments)
                await asyncio.wait_for(channel._open(b'session'), 5)
                opened += 1
        self.assertEqual(ssh.CHANNELS_MAX, opened)
        await (await self._log_in()).create_process(encoding=None)

    async def test_connections_that_have_logged_in(self) -> None:
        with mock.patch.object(ssh, 'LOGGED_IN_MAX', 2):
            kept = [await self._log_in() for _ in range(2)]
            third = await self._log_in()
            await asyncio.wait_for(third.wait_closed(), 5)
            for connection in kept:
                await connection.create_process(encoding=None)
            kept[0].abort()
            await self.pair.until(lambda: len(self.server._logged_in) == 1)
            await (await self._log_in()).create_process(encoding=None)

    async def test_unusable_key_is_said_once_for_a_configuration(self,
                                                                 ) -> None:
        self.pair.send({**self.pair.config,
                        'authorized_keys': ['no key', _PUBLIC]})
        await self.pair.until(
            lambda: len(self.server.context.config.authorized_keys) == 2)
        for _ in range(3):
            await self._log_in()
        await self.pair.until(lambda: self.pair.logged('is not usable'))
        self.assertEqual(1, len(self.pair.logged('is not usable')))

    async def test_connection_is_prepared(self) -> None:
        with mock.patch.object(tcp, 'prepare') as prepare:
            await self._silent()
            await self.pair.until(lambda: prepare.called)

    def test_lines_of_a_flood_are_bounded(self) -> None:
        self.assertLessEqual(once.KEPT, 64)
        self.assertIsInstance(self.server.log, once.Once)
        self.assertLess(ssh.PENDING_MAX * ssh_packets.BEFORE_LOGIN_MAX,
                        8 << 20)


class BoundTest(unittest.TestCase):
    """The same with any version of asyncssh; newer ones know a limit."""

    def setUp(self) -> None:
        self.logged_in = False
        self.ended: list[str] = []
        self.channel = mock.Mock(_recv_buf=[])
        self.conn = mock.Mock(_inpbuf=b'', _channels={
            0: mock.Mock(spec=[]), 1: self.channel})
        self.conn._transport.get_write_buffer_size.return_value = 0
        self.conn.data_received = self._keep
        ssh_packets.bound(self.conn, lambda: self.logged_in,
                          self.ended.append)

    def _keep(self, data: bytes, datatype: int | None) -> None:
        """What asyncssh does with a part of a packet."""
        self.conn._inpbuf += data

    def test_before_the_log_in(self) -> None:
        part = bytes(ssh_packets.BEFORE_LOGIN_MAX // 4)
        for _ in range(4):
            self.conn.data_received(part)
        self.assertEqual([], self.ended)
        self.conn._inpbuf = b''     # it was a packet: it counts all the same
        self.conn.data_received(b'x')
        self.assertEqual(['sent too much before it logged in'], self.ended)
        self.assertEqual(b'', self.conn._inpbuf)

    def test_after_the_log_in(self) -> None:
        self.logged_in = True
        for _ in range(64):
            self.conn.data_received(bytes(ssh_packets.UNPARSED_MAX))
            self.conn._inpbuf = b''
        self.assertEqual([], self.ended)
        self.conn.data_received(bytes(ssh_packets.UNPARSED_MAX + 1))
        self.assertEqual(['sent too long a packet'], self.ended)

    def test_pieces(self) -> None:
        """What nobody has taken is kept in one piece."""
        self.logged_in = True
        waiting = [(b'%d' % number, None)
                   for number in range(ssh_packets.PIECES_MAX)]
        self.channel._recv_buf[:] = waiting
        self.conn.data_received(b'x')
        self.assertEqual(waiting, self.channel._recv_buf)
        self.channel._recv_buf.append((b'last', None))
        self.conn.data_received(b'x')
        self.assertEqual(
            [(b''.join(data for data, _ in waiting) + b'last', None)],
            self.channel._recv_buf)

    def test_answers(self) -> None:
        self.logged_in = True
        self.conn._transport.get_write_buffer_size.return_value = (
            ssh_packets.UNREAD_MAX + 1)
        self.conn.data_received(b'x')
        self.assertEqual(['does not read what it asks for'], self.ended)
