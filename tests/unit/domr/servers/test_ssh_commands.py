# SPDX-License-Identifier: Apache-2.0
"""What a user does by a command instead of a session."""

import asyncio
import json

from nova_dmore.domr.servers import rms
from nova_dmore import wire
from tests.unit.domr.servers import ssh_case


class SshCommandsTest(ssh_case.SshCase):

    async def test_scrollback_to_take_away(self) -> None:
        running = await self._pair(scrollback_bytes=1 << 20)
        text = ssh_case.pattern(300000) + b'\x1b[6nlogin: '
        running.print(text)
        await running.until(lambda: running.agent.console.end == len(text))
        connection = await self._connect(running)
        for terminal, expected in ((None, text), (
                'xterm', text.replace(b'\x1b[6n', b''))):
            process = await connection.create_process(
                'scrollback', encoding=None, term_type=terminal)
            process.stdin.write(b'typed')
            self.assertEqual(expected, await asyncio.wait_for(
                process.stdout.read(), 30))
            await process.wait_closed()
            self.assertEqual(0, process.exit_status)
        self.assertEqual(b'', running.typed)
        await running.until(
            lambda: running.said(wire.SERVING)[-1]['ssh'] == 0)

    async def test_scrollback_holds_nobody_up(self) -> None:
        running = await self._pair(scrollback_bytes=1 << 16)
        running.print(ssh_case.pattern(1 << 16))
        await running.until(lambda: running.agent.console.end == 1 << 16)
        connection = await self._connect(running)
        process = await connection.create_process('scrollback', encoding=None)
        process.channel.pause_reading()
        running.print(bytes(8 << 20))
        await running.until(
            lambda: running.agent.console.end > 8 << 20, 60)
        self.assertFalse(running.agent.console.output_paused)

    async def test_a_break_by_a_command(self) -> None:
        """For whoever has the console in a web page."""
        running = await self._pair()
        connection = await self._connect(running)
        result = await connection.run('break')
        self.assertEqual(0, result.exit_status)
        await running.until(lambda: running.said(wire.BREAK))
        running.send({'type': wire.STATE, 'state': 'off'})
        await running.until(lambda: not running.agent.instance.takes_input)
        result = await connection.run('break')
        self.assertEqual(1, result.exit_status)
        self.assertIn('the instance is off', str(result.stderr))
        self.assertEqual(1, len(running.said(wire.BREAK)))

    async def test_who_is_attached(self) -> None:
        running = await self._pair()
        connection = await self._connect(running)
        result = await connection.run('sessions')
        self.assertEqual((0, ''), (result.exit_status, result.stdout))
        process = await self._attach(running)
        reader, writer = await asyncio.open_connection(
            '127.0.0.1', running.config['serial_port'])
        self.addCleanup(writer.close)
        await running.until(lambda: running.said(wire.SERVING)[-1]['serial'])
        result = await connection.run(' sessions ')
        self.assertTrue(str(result.stdout).isascii())
        sessions = [json.loads(line)
                    for line in str(result.stdout).splitlines()]
        for each in sessions:
            self.assertLess(each.pop('age_s'), 60)
            self.assertGreater(each.pop('port'), 0)
        common = {'address': '127.0.0.1', 'view_only': False}
        self.assertEqual([
            {'number': 1, 'server': 'ssh',
             'key': ssh_case.KEY.get_fingerprint(),
             **common},
            {'number': 2, 'server': 'serial', 'key': None, **common}],
            sessions)
        self.assertEqual(0, (await connection.run('sessions end 2')
                             ).exit_status)
        self.assertIn(b'another user', await reader.read())
        result = await connection.run('sessions end 2')
        self.assertEqual((1, '[nova-dmore: there is no session 2]\n'),
                         (result.exit_status, result.stderr))
        await connection.run('sessions end 1')
        self.assertIn(b'another user', await process.stderr.read())
        # The host hears of it by another way.
        await running.until(lambda: running.logged('ends session 1'))
        self.assertIn(ssh_case.KEY.get_fingerprint(),
                      running.logged('ends session 1')[0])
        self.assertEqual(b'', running.typed)

    async def test_who_ends_his_own_session(self) -> None:
        running = await self._pair()
        connection = await self._connect(running)
        await connection.create_process(encoding=None)
        result = await connection.run('sessions end 1')
        self.assertEqual(0, result.exit_status)
        await asyncio.wait_for(connection.wait_closed(), 5)

    async def test_a_full_console_can_be_viewed(self) -> None:
        running = await self._pair()
        for _ in range(rms.CLIENTS_MAX):
            await self._attach(running)
        connection = await self._connect(running)
        for command in None, 'scrollback':
            result = await connection.run(command, encoding=None)
            self.assertEqual((1, b''), (result.exit_status, result.stdout))
            self.assertIn(b'too many clients are attached', result.stderr)
        result = await connection.run(term_type='xterm', encoding=None)
        self.assertIn(b'too many clients are attached', result.stdout)
        self.assertEqual(0, (await connection.run('sessions end 1')
                             ).exit_status)
        await running.until(lambda: running.said(
            wire.SERVING)[-1]['ssh'] < rms.CLIENTS_MAX)
        await connection.create_process(encoding=None)
