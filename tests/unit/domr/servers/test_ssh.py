# SPDX-License-Identifier: Apache-2.0
"""The console over SSH: asyncssh and the system's ssh as clients."""

import asyncio
import os
import pathlib
import shutil
import tempfile
import unittest

import asyncssh
from asyncssh import constants

from nova_dmore.channel.host import end as host_end
from nova_dmore import wire
from tests.unit.domr import pair
from tests.unit.domr.servers import ssh_case


class SshTest(ssh_case.SshCase):

    async def test_bytes_both_ways(self) -> None:
        running = await self._pair()
        process = await self._attach(running)
        every = bytes(range(256))
        running.print(every)
        self.assertEqual(every, await process.stdout.readexactly(256))
        process.stdin.write(every)
        await running.until(lambda: running.typed == every)
        serving = running.said(wire.SERVING)[-1]
        self.assertEqual((1, 0), (serving['ssh'], serving['serial']))
        self.assertGreater(serving['boot_s'], 0)
        self.assertGreater(serving['memory_kib'], 1000)

    async def test_no_packets_without_content(self) -> None:
        running = await self._pair()
        connection = await self._connect(running)
        kinds = []
        setattr(connection, 'log_received_packet',
                lambda kind, *_others: kinds.append(kind))
        process = await connection.create_process(encoding=None)
        running.print(b'text')
        self.assertEqual(b'text', await process.stdout.readexactly(4))
        self.assertNotIn(constants.MSG_IGNORE, kinds)

    async def test_scrollback_and_second_client(self) -> None:
        running = await self._pair(scrollback_bytes=4096)
        text = ssh_case.pattern(20000)
        running.print(text)
        await running.until(lambda: running.agent.console.end == len(text))
        first = await self._attach(running)
        self.assertEqual(text[-4096:], await first.stdout.readexactly(4096))
        second = await self._attach(running)
        await second.stdout.readexactly(4096)
        running.print(b'both')
        for process in (first, second):
            self.assertEqual(b'both', await process.stdout.readexactly(4))

    async def test_terminal_greets_and_obeys_escapes(self) -> None:
        running = await self._pair(instance_name='B\xfcro-\u65e5\x1b[31mb')
        process = await self._attach(running, 'xterm')
        greeting = await process.stdout.readuntil(b']\r\n')
        self.assertIn('B\xfcro-\u65e5\\x1b[31mb ('.encode(), greeting)
        self.assertIn(pair.UUID.encode(), greeting)
        self.assertIn(b'Ctrl-] .', greeting)
        process.stdin.write(b'ab\x1db\r\x1d\x1dcd\r\x1db\x1dx')
        await running.until(lambda: running.said(wire.BREAK))
        await running.until(
            lambda: running.typed == b'ab\x1db\r\x1dcd\r\x1dx')
        self.assertEqual([{'type': 'break', 'stream': 'serial0_in', 'at': 9}],
                         running.said(wire.BREAK))
        process.stdin.write(b'\r\x1d.')
        await process.wait_closed()
        self.assertEqual(0, process.exit_status)
        await running.until(
            lambda: running.said(wire.SERVING)[-1]['ssh'] == 0)

    async def test_no_escapes(self) -> None:
        running = await self._pair(escape=None)
        process = await self._attach(running, 'xterm')
        process.stdin.write(b'\x1d.')
        await running.until(lambda: running.typed == b'\x1d.')

    async def test_the_size_of_a_terminal(self) -> None:
        running = await self._pair()
        connection = await self._connect(running)
        process = await connection.create_process(
            encoding=None, term_type='xterm', term_size=(132, 50))
        process.stdin.write(b'\x1ds')
        await running.until(
            lambda: running.typed == b'stty rows 50 cols 132\r')
        process.change_terminal_size(80, 24)
        process.stdin.write(b'\x1ds')
        await running.until(lambda: running.typed.endswith(
            b'132\rstty rows 24 cols 80\r'))
        process.change_terminal_size(0, 0)
        process.stdin.write(b'\x1ds\x1d?')
        await process.stdout.readuntil(b'does not tell its size]')
        await process.stdout.readuntil(b'Ctrl-] s types stty')

    async def test_who_logs_in_is_told_of_recording(self) -> None:
        running = await self._pair(recorded=True)
        terminal = await self._attach(running, 'xterm')
        self.assertIn(b'[nova-dmore: what this console shows is recorded]',
                      await terminal.stdout.readuntil(b'recorded]'))
        pipe = await self._attach(running)
        self.assertEqual(
            b'[nova-dmore: what this console shows is recorded]\n',
            await pipe.stderr.readline())

    async def test_a_terminal_is_left_as_it_was(self) -> None:
        running = await self._pair()
        running.print(b'\x1b[6nlogin: \x1b[?1049h\x1b[?1000h\x1b[?25l')
        await running.until(lambda: running.agent.console.end)
        process = await self._attach(running, 'xterm')
        # A single separator is a regular expression for Debian 12's asyncssh.
        shown = await process.stdout.readuntil((b'\x1b[?25l',))
        self.assertNotIn(b'\x1b[6n', shown)
        process.stdin.write(b'\x1d.')
        rest = await process.stdout.read()
        self.assertTrue(rest.startswith(
            b'\x1b[m\x1b[?25h\x1b[?1000l\x1b[?1049l'), rest)

    async def test_keys_for_an_instance_that_is_off(self) -> None:
        running = await self._pair()
        running.send({'type': wire.STATE, 'state': 'off'})
        await running.until(lambda: not running.agent.instance.takes_input)
        terminal = await self._attach(running, 'xterm')
        pipe = await self._attach(running)
        self.assertIn(b'the instance is off',
                      await terminal.stdout.readuntil(b'off]\r\n'))
        for process, stream in ((terminal, terminal.stdout),
                                (pipe, pipe.stderr)):
            process.stdin.write(b'hello?')
            self.assertIn(b'is off: what is typed now is not sent',
                          await stream.readuntil(b'kept]'))
        running.send({'type': wire.STATE, 'state': 'running'})
        await terminal.stdout.readuntil(b'the instance is on]')
        terminal.stdin.write(b'root\r')
        await running.until(lambda: running.typed == b'root\r')

    async def test_break_request(self) -> None:
        running = await self._pair()
        process = await self._attach(running)
        process.stdin.write(b'\x1d.')   # no terminal: no escape
        await running.until(lambda: running.typed == b'\x1d.')
        process.channel.send_break(500)
        await running.until(lambda: running.said(wire.BREAK))
        self.assertEqual(2, running.said(wire.BREAK)[0]['at'])

    async def test_other_key_is_refused(self) -> None:
        running = await self._pair()
        other = asyncssh.generate_private_key('ssh-ed25519')
        with self.assertRaises(asyncssh.PermissionDenied):
            await self._connect(running, other)

    async def test_keys_change_without_a_restart(self) -> None:
        running = await self._pair(authorized_keys=['no key', '# none'])
        self.assertIn('no key', running.said(wire.LOG)[0]['text']
                      if running.said(wire.LOG) else 'no key')
        with self.assertRaises(asyncssh.PermissionDenied):
            await self._connect(running)
        running.send({**running.config, 'authorized_keys': [ssh_case.PUBLIC]})
        serving = len(running.said(wire.SERVING))
        await running.until(
            lambda: len(running.said(wire.SERVING)) > serving)
        await self._attach(running)

    async def test_sessions_of_a_removed_key_end(self) -> None:
        other = asyncssh.generate_private_key('ssh-ed25519')
        kept = other.export_public_key().decode()
        for changes in ({}, {'ssh_port': pair.free_port()}):
            with self.subTest(changes=changes):
                running = await self._pair(
                    authorized_keys=[ssh_case.PUBLIC, kept])
                removed = await self._attach(running)
                stays = await (await self._connect(
                    running, other)).create_process(encoding=None)
                if changes:     # its server is closed, and it stays
                    running.send({**running.config, **changes})
                    await running.until(
                        lambda: running.servers
                        and running.servers['ssh'].port
                        == changes['ssh_port'])
                running.send({**running.config, **changes,
                              'authorized_keys': [kept]})
                self.assertIn(b'may not use this console',
                              await removed.stderr.read())
                self.assertEqual(b'', await removed.stdout.read())
                running.print(b'goes on')
                self.assertEqual(b'goes on',
                                 await stays.stdout.readexactly(7))

    async def test_nothing_but_the_console(self) -> None:
        running = await self._pair()
        connection = await self._connect(running)
        with self.assertRaises(asyncssh.ChannelOpenError):
            await connection.open_connection('127.0.0.1', 22)
        for command in ('', 'id', 'sessions end', 'sessions end 0',
                        'sessions end -1', 'sessions end 1 2',
                        'sessions end 1; id', 'sessions list'):
            result = await connection.run(command + '\n')
            self.assertEqual((127, ''), (result.exit_status, result.stdout))
            self.assertIn('its commands are scrollback, break, sessions',
                          result.stderr)
        self.assertEqual(b'', running.typed)
        with self.assertRaises(asyncssh.ChannelOpenError):
            await connection.start_sftp_client()
        listener = None
        with self.assertRaises(asyncssh.ChannelListenError):
            listener = await connection.forward_remote_port(
                '127.0.0.1', 0, '127.0.0.1', 22)
        self.assertIsNone(listener)

    async def test_slow_client_slows_the_guest_and_misses_nothing(
            self) -> None:
        running = await self._pair(stall_ms=60000)
        process = await self._attach(running)
        text = ssh_case.pattern(8 << 20)
        running.print(text)
        await running.until(lambda: running.agent.console.output_paused)
        # The peer's window, 2 MiB, is filled first.
        unread = None
        while unread != (unread := len(running.waiting_output)):
            await asyncio.sleep(0.3)
        self.assertGreater(unread, len(text) // 4)
        got = await asyncio.wait_for(
            process.stdout.readexactly(len(text)), 60)
        self.assertEqual(text, got)

    async def test_stalled_client_is_told_and_others_go_on(self) -> None:
        running = await self._pair(stall_ms=300, scrollback_bytes=8192)
        stalled = await self._attach(running)
        quick = await self._attach(running)
        text = ssh_case.pattern(8 << 20)
        running.print(text)
        self.assertEqual(text, await asyncio.wait_for(
            quick.stdout.readexactly(len(text)), 60))
        received = bytearray()
        while not received.endswith(text[-8:]):
            received += await asyncio.wait_for(stalled.stdout.read(65536), 10)
        notice = (await stalled.stderr.readline()).decode()
        missing = len(text) - len(received)
        self.assertGreater(missing, 0)
        self.assertIn(f'{missing} bytes of output are missing', notice)
        self.assertTrue(any(f'up: {missing} bytes of' in each['text']
                            for each in running.said(wire.LOG)))

    async def test_who_takes_nothing_is_told_so_much_and_no_more(self
                                                                 ) -> None:
        running = await self._pair()
        await self._attach(running)
        await running.until(lambda: running.servers['ssh'].clients)
        (session,) = running.servers['ssh'].attached
        # More than the windows of the channel.
        for _ in range(500):
            session.tell('x' * 10000)
        self.assertLess(session._chan.get_write_buffer_size(), 1 << 16)

    async def test_input_waits_for_the_device(self) -> None:
        running = await self._pair()
        process = await self._attach(running)
        running.taking = False
        text = ssh_case.pattern(1 << 20)
        process.stdin.write(text)
        process.stdin.write_eof()
        await asyncio.sleep(0.5)
        self.assertGreater(process.channel.get_write_buffer_size(), 0)
        running.taking = True
        await running.until(lambda: len(running.typed) == len(text), 60)
        self.assertEqual(text, running.typed)

    async def test_freeze_and_new_epoch_lose_nothing(self) -> None:
        running = await self._pair()
        process = await self._attach(running)
        text = ssh_case.pattern(400000)
        running.print(text)
        typed = b''
        for number in range(20):
            key = b'%03d' % number
            process.stdin.write(key)
            typed += key
            await running.until(
                lambda: running.host.state is host_end.HostState.OPEN)
            running.host.freeze()
            await running.until(lambda: running.host.acknowledged)
            running.host.open(None)
        self.assertEqual(text, await asyncio.wait_for(
            process.stdout.readexactly(len(text)), 30))
        await running.until(lambda: running.typed == typed)

    @unittest.skipUnless(shutil.which('ssh'), 'needs the ssh client')
    async def test_plain_ssh(self) -> None:
        running = await self._pair()
        directory = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, directory)
        (directory / 'key').write_bytes(ssh_case.KEY.export_private_key())
        os.chmod(directory / 'key', 0o600)
        process = await asyncio.create_subprocess_exec(
            'ssh', '-F', 'none', '-T', '-p', str(running.config['ssh_port']),
            '-i', str(directory / 'key'), '-o', 'StrictHostKeyChecking=no',
            '-o', f'UserKnownHostsFile={directory}/known', 'x@127.0.0.1',
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL)
        assert process.stdin is not None and process.stdout is not None
        text = ssh_case.pattern(500000)
        process.stdin.write(b'hello')
        await running.until(lambda: running.typed == b'hello')
        running.print(text)
        self.assertEqual(text, await asyncio.wait_for(
            process.stdout.readexactly(len(text)), 30))
        await running.until(lambda: running.typed == b'hello')
        process.terminate()
        await process.wait()
