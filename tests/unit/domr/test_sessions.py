# SPDX-License-Identifier: Apache-2.0
"""What the host is told of the clients, by the agent with real ones."""

import asyncio
import unittest
from unittest import mock

import asyncssh

from nova_dmore.domr import lines
from nova_dmore.domr import sessions
from nova_dmore import wire
from tests.unit.domr import pair

_KEY = asyncssh.generate_private_key('ssh-ed25519')
_OTHER = asyncssh.generate_private_key('ssh-ed25519')


class SessionsTest(unittest.IsolatedAsyncioTestCase):
    """One agent with its servers, and one host."""

    async def asyncSetUp(self) -> None:
        self.running = pair.Pair(pair.config(authorized_keys=[
            key.export_public_key().decode() for key in (_OTHER, _KEY)]))
        await self.enterAsyncContext(self.running)

    async def _said(self, kind: str, count: int = 1) -> dict:
        await self.running.until(
            lambda: len(self.running.said(kind)) >= count)
        return self.running.said(kind)[-1]

    async def _serial(self) -> tuple[asyncio.StreamReader,
                                     asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(
            '127.0.0.1', self.running.config['serial_port'])
        self.addCleanup(writer.close)
        return reader, writer

    async def _ssh(self) -> asyncssh.SSHClientProcess[bytes]:
        connection = await asyncssh.connect(
            '127.0.0.1', self.running.config['ssh_port'], username='any',
            client_keys=[_KEY], known_hosts=None, config=None,
            agent_path=None)
        self.addCleanup(connection.abort)
        return await connection.create_process(encoding=None)

    async def test_serial(self) -> None:
        _, writer = await self._serial()
        began = await self._said(wire.SESSION_BEGAN)
        session = began['session']
        self.assertEqual('serial', began['server'])
        self.assertLess(session.pop('age_s'), 5)
        self.assertEqual(
            {'number': 1, 'address': '127.0.0.1', 'who': None,
             'port': writer.get_extra_info('sockname')[1],
             'view_only': False}, session)
        writer.close()
        ended = await self._said(wire.SESSION_ENDED)
        self.assertEqual(('serial', 1), (ended['server'], ended['number']))

    async def test_ssh_tells_the_key(self) -> None:
        process = await self._ssh()
        session = (await self._said(wire.SESSION_BEGAN))['session']
        self.assertEqual(_KEY.get_fingerprint(), session['who'])
        process.close()
        await self._said(wire.SESSION_ENDED)

    async def test_who_only_connects_has_no_session(self) -> None:
        await self.running.until(lambda: self.running.said(wire.SESSIONS))
        _, writer = await asyncio.open_connection(
            '127.0.0.1', self.running.config['ssh_port'])
        writer.close()
        await self._serial()
        began = await self._said(wire.SESSION_BEGAN)
        self.assertEqual('serial', began['server'])
        self.assertEqual([began], self.running.said(wire.SESSION_BEGAN))

    async def test_all_are_told_again_in_each_epoch(self) -> None:
        await self._serial()
        await self._ssh()
        await self._said(wire.SESSION_BEGAN, 2)
        count = len(self.running.said(wire.SESSIONS))
        self.running.host.open()
        await self._said(wire.SESSIONS, count + 3)
        told = {each['server']: [one['number'] for one in each['sessions']]
                for each in self.running.said(wire.SESSIONS)[-3:]}
        self.assertEqual({'serial': [1], 'ssh': [2], 'vnc': []}, told)

    async def test_an_operator_ends_one(self) -> None:
        reader, _ = await self._serial()
        process = await self._ssh()
        await self._said(wire.SESSION_BEGAN, 2)
        for nonsense in ('1', None, [], 99):
            self.running.send({'type': wire.END_SESSION, 'number': nonsense})
        self.running.send({'type': wire.END_SESSION, 'number': 1})
        ended = await self._said(wire.SESSION_ENDED)
        self.assertEqual(1, ended['number'])
        self.assertTrue(await pair.ended(reader))
        self.assertFalse(process.channel.is_closing())
        self.running.send({'type': wire.END_SESSION, 'number': 2})
        ended = await self._said(wire.SESSION_ENDED, 2)
        self.assertEqual(2, ended['number'])
        async with asyncio.timeout(5):
            await process.wait_closed()


class BoundTest(unittest.TestCase):
    """However many there are, and however little the host reads."""

    def test_a_message_has_room_for_all_that_are_told(self) -> None:
        said: list[dict] = []
        these = sessions.Sessions(said.append)
        for _ in range(wire.SESSIONS_MAX + 5):
            these.begin('vnc', f'VNC client {"2001:db8:" * 4}2 port 65535',
                        lambda: None, 'x' * 100)
        these.say_all()
        self.assertEqual(wire.SESSIONS_MAX, len(said[-1]['sessions']))
        lines.control.encode(said[-1], wire.CONTROL_TO_HOST_LINE_MAX)

    def test_a_host_that_reads_nothing(self) -> None:
        end = mock.Mock()
        end.sendable.return_value = 0
        outbox = lines.Outbox(end)
        these = sessions.Sessions(outbox.put)
        for _ in range(500):
            these.ended(these.begin('ssh', 'ssh client ::1 port 1', print))
            these.say_all()
        self.assertLess(len(outbox._messages), 100)
        end.sendable.return_value = 1 << 20
        outbox.flush()
        # The last word is of all that there are.
        last = [each.args[1] for each in end.send.call_args_list][-3:]
        for each in last:
            self.assertIn(b'"sessions":[]', each)
