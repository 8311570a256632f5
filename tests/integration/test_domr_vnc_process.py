# SPDX-License-Identifier: Apache-2.0
"""The VNC sessions' process: it may fail, and nothing else does."""

import asyncio
import os
import pathlib
import signal
import socket
import struct
import subprocess
import tempfile

from nova_dmore.channel import display
from nova_dmore.domr.servers.vnc import program
from nova_dmore.domr.servers.vnc import protocol
from nova_dmore.domr.servers.vnc import sessions
from nova_dmore import wire
from tests.integration import vnc_case


class CrashTest(vnc_case.Case):

    async def test_crash_costs_its_clients_alone(self) -> None:
        self.servers = {**vnc_case.SERVERS,
                        'serial': 'nova_dmore.domr.servers.serial_tcp'}
        await self.serve()
        reader, writer = await asyncio.open_connection(
            '127.0.0.1', self.pair.config['serial_port'])
        for number in range(3):
            clients = [await self.view() for _ in range(2)]
            clients[0].key(0xffe3, True)
            await self.pair.until(
                lambda: len(self.pair.events) == 2 * number + 1)
            self.processes.kill()
            for client in clients:
                self.assertEqual(b'', await client.reader.read())
            await self.pair.until(lambda: not self.desktop.clients)
            # The key that one of them held is let go.
            await self.pair.until(
                lambda: len(self.pair.events) == 2 * number + 2)
            self.pair.print(b'still there')
            self.assertEqual(b'still there', await asyncio.wait_for(
                reader.readexactly(11), 10))
        client = await self.view()
        self.painter.scribble()
        await client.update_to(self.painter.pixels)
        self.assertEqual(4, len(self.processes.pids))
        self.assertEqual(3, len(self.warnings()))
        self.assertIn('2 clients are cut off', self.warnings()[0])
        self.assertEqual([], self.pair.broken)
        writer.close()

    async def test_no_process_without_a_client(self) -> None:
        await self.serve()
        await asyncio.sleep(0.1)
        self.assertEqual([], self.processes.pids)

    async def test_process_that_cannot_be_started(self) -> None:
        await self.serve()

        def fail() -> socket.socket:
            raise OSError('no such file')

        start, self.desktop._sessions._start_process = (
            self.desktop._sessions._start_process, fail)
        with self.assertRaises((asyncio.IncompleteReadError, OSError)):
            await self.connect()
        self.assertEqual(0, self.desktop.clients)
        await self.pair.until(self.warnings)
        self.assertIn('cannot be started', self.warnings()[0])
        self.desktop._sessions._start_process = start
        await self.view()

    async def test_state_that_a_new_process_has_to_know(self) -> None:
        await self.serve(300, 200)
        shape = display.Cursor(2, 2, 0, 0, b'\0\0\xff\xff' * 4)
        first = await self.view()
        self.painter.display.set_cursor(shape)
        self.pair.ring(wire.Vector.DISPLAY)
        first.request()
        await first.update()
        self.processes.kill()
        await self.pair.until(lambda: not self.desktop.clients)
        second = await self.view()
        self.assertEqual((300, 200), (second.width, second.height))
        self.assertIsNotNone(second.cursor)

    async def test_process_that_stands_still(self) -> None:
        await self.serve(300, 200)
        client = await self.view()
        pid = self.processes.pids[-1]
        os.kill(pid, signal.SIGSTOP)
        try:
            for number in range(3000):
                self.desktop._sessions.damage([(0, 0, number % 300 + 1, 1)])
                self.desktop._sessions.set_cursor(display.Cursor(
                    128, 128, 0, 0, bytes(1 << 16)))
            await self.pair.until(lambda: self.desktop._sessions._process
                                  ._writing)
        finally:
            os.kill(pid, signal.SIGCONT)
        await self.pair.until(lambda: not self.desktop._sessions._process
                              ._writing)
        self.painter.scribble()
        await client.update_to(self.painter.pixels)


class FilterTest(vnc_case.Case):

    def _status(self, name: str) -> str:
        path = pathlib.Path(f'/proc/{self.processes.pids[-1]}/status')
        for line in path.read_text().splitlines():
            key, _, value = line.partition(':')
            if key == name:
                return value.strip()
        raise AssertionError(name)

    async def test_walls_of_the_process(self) -> None:
        await self.serve()
        await self.view()
        self.assertEqual('1', self._status('NoNewPrivs'))
        self.assertEqual('2', self._status('Seccomp'))
        self.assertEqual('', self.processes.errors())
        directory = pathlib.Path(f'/proc/{self.processes.pids[-1]}')
        mapped = [line.split() for line in
                  (directory / 'maps').read_text().splitlines()
                  if 'memfd:region' in line]
        # The frame buffer, for reading; not the rings and the words.
        self.assertEqual(1, len(mapped))
        first, last = (int(each, 16) for each in mapped[0][0].split('-'))
        self.assertEqual(self.REGION_SIZE - wire.FRAMEBUFFER_START,
                         last - first)
        self.assertEqual('r--s', mapped[0][1])
        opened = [str(each.readlink())
                  for each in (directory / 'fd').iterdir()]
        self.assertFalse([each for each in opened if 'region' in each])

    async def test_another_system_call_ends_it(self) -> None:
        # The filter, in a program that then opens a file.
        folder = program.PROGRAM.folder
        with tempfile.TemporaryDirectory() as directory:
            source = pathlib.Path(directory, 'opens.c')
            source.write_text(
                '#include <fcntl.h>\n#include "filter.h"\n'
                'int main(void) { if (filter_system_calls()) return 2; '
                'open("/etc/passwd", O_RDONLY); return 0; }\n')
            binary = source.with_suffix('')
            subprocess.run(['gcc', f'-I{folder}', '-o', binary, source,
                            folder / 'filter.c'], check=True)
            self.assertEqual(-signal.SIGSYS,
                             subprocess.run([binary]).returncode)


class HostileProcessTest(vnc_case.Case):
    """A process that its clients have taken over gets nothing but them."""

    async def test_what_it_may_not_send(self) -> None:
        key = protocol.EVENT.pack(1, 0, 1, 97, 0, 0, 0)
        point = protocol.EVENT.pack(2, 0, 1, 7, 8, 64, 48)
        size = protocol.EVENT.pack(6, 0, 0, 800, 600, 0, 0)
        for packets, view_only in (
                ([b'x'], False),
                ([protocol.EVENT.pack(9, 0, 0, 0, 0, 0, 0)], False),
                ([protocol.EVENT.pack(1, 3, 1, 97, 0, 0, 0)], False),
                ([protocol.EVENT.pack(3, 0, 99, 0, 0, 0, 0)], False),
                ([key], True), ([point], True), ([size], True),
                ([key] * (protocol.CREDIT + 1), False)):
            ours, its = socket.socketpair(socket.AF_UNIX,
                                          socket.SOCK_SEQPACKET)
            lines: list[str] = []
            changed = asyncio.Event()
            tested = sessions.Sessions(
                lambda ours=ours: ours, 1 << 20, changed.set,
                lambda level, text: lines.append(text))
            end, other = socket.socketpair()
            self.assertEqual(0, tested.add(end, 'x', view_only))
            its.setblocking(False)
            for packet in packets:
                its.send(packet)
                if len(packets) > 1:
                    await asyncio.sleep(0)
            await asyncio.wait_for(changed.wait(), 5)
            await asyncio.sleep(0.05)
            self.assertTrue(lines, packets[0])
            self.assertIn('1 clients are cut off', lines[0])
            events = list(tested.events(protocol.CREDIT * 2))
            self.assertEqual(protocol.Gone(0, protocol.Reason.CLOSED),
                             events[-1])
            if view_only:
                self.assertEqual(1, len(events))
            for each in (its, other):
                each.close()

    async def test_number_of_one_that_was_view_only(self) -> None:
        """The next one that has it may type."""
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        changed = asyncio.Event()
        lines: list[str] = []
        tested = sessions.Sessions(lambda: ours, 1 << 20, changed.set,
                                   lambda level, text: lines.append(text))
        clients = [socket.socketpair() for _ in range(2)]
        key = protocol.EVENT.pack(1, 0, 1, 97, 0, 0, 0)
        for (end, _), view_only, packet in zip(
                clients, (True, False),
                (protocol.EVENT.pack(3, 0, 0, 0, 0, 0, 0), key)):
            self.assertEqual(0, tested.add(end, 'x', view_only))
            changed.clear()
            its.send(packet)
            await asyncio.wait_for(changed.wait(), 5)
            events = list(tested.events(protocol.CREDIT))
        self.assertEqual([protocol.Key(0, True, 97, 0)], events)
        self.assertEqual([], lines)
        tested.close()
        for each in (its, *(other for _, other in clients)):
            each.close()


class ViewOnlyTest(vnc_case.Case):

    async def test_who_is_view_only_cuts_nobody(self) -> None:
        await self.serve()
        first = await self.view()
        ours, its = socket.socketpair()
        its.setblocking(False)
        await self.desktop.add(its, client='views 127.0.0.1 port 1',
                               name='x', view_only=True,
                               shared=False)
        self.assertEqual(2, self.desktop.clients)
        self.painter.scribble()
        await first.update_to(self.painter.pixels)
        ours.close()
        await self.pair.until(lambda: self.desktop.clients == 1)

    async def test_who_is_view_only_types_nothing(self) -> None:
        await self.serve()
        ours, its = socket.socketpair()
        its.setblocking(False)
        await self.desktop.add(its, client='views 127.0.0.1 port 1',
                               name='x', view_only=True,
                               shared=True)
        ours.sendall(struct.pack('>BBxxI', 4, 1, 97)
                     + struct.pack('>BBHII', 255, 0, 1, 97, 0x1e)
                     + struct.pack('>BBHH', 5, 1, 7, 8))
        good = await self.connect()
        good.type('b')
        await self.pair.until(lambda: len(self.pair.events) == 2)
        self.assertEqual({0x30}, {each.number for each in self.pair.events})
        ours.close()
