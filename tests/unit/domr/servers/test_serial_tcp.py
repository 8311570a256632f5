# SPDX-License-Identifier: Apache-2.0
"""The raw serial server on 127.0.0.1."""

import asyncio
import socket
import unittest
from unittest import mock

from nova_dmore.domr.servers import rms
from nova_dmore.domr.servers import tcp
from nova_dmore import wire
from tests.unit.domr import pair


class SerialTcpTest(unittest.IsolatedAsyncioTestCase):

    async def _pair(self, **changes: object) -> pair.Pair:
        running = pair.Pair(pair.config(**changes))
        await self.enterAsyncContext(running)
        return running

    async def _connect(self, running: pair.Pair) -> tuple[
            asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(
            '127.0.0.1', running.config['serial_port'])
        self.addCleanup(writer.close)
        return reader, writer

    async def test_raw_bytes_and_nothing_else(self) -> None:
        running = await self._pair()
        reader, writer = await self._connect(running)
        every = bytes(range(256))
        running.print(every)
        self.assertEqual(every, await reader.readexactly(256))
        writer.write(every)
        await running.until(lambda: running.typed == every)
        self.assertEqual(1, running.said(wire.SERVING)[-1]['serial'])
        writer.close()
        await running.until(
            lambda: running.said(wire.SERVING)[-1]['serial'] == 0)

    async def test_a_break_if_it_may_be_typed_here(self) -> None:
        running = await self._pair(serial_escape=True, escape=0x1e)
        _, writer = await self._connect(running)
        writer.write(b'a\x1eb\x1db\r\x1eb\x1e.')
        await running.until(lambda: running.said(wire.BREAK))
        await running.until(
            lambda: running.typed == b'a\x1eb\x1db\r\x1e.')
        self.assertEqual(6, running.said(wire.BREAK)[0]['at'])
        running.send({**running.config, 'escape': None})
        await running.until(lambda: (
            running.agent.serving._served.escape is None))   # type: ignore
        writer.write(b'\r\x1eb')
        await running.until(lambda: running.typed.endswith(b'\r\x1eb'))

    async def test_other_networks_are_cut(self) -> None:
        running = await self._pair(serial_networks=['10.0.0.0/8', '::/0'])
        reader, _ = await self._connect(running)
        with self.assertRaises((ConnectionResetError, BrokenPipeError,
                                asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        self.assertEqual(0, running.servers['serial'].clients)
        await running.until(lambda: any(
            'serial_proxy_networks' in each['text']
            for each in running.said(wire.LOG)))

    async def test_too_many_are_told_so_and_cut(self) -> None:
        running = await self._pair()
        attached = [await self._connect(running)
                    for _ in range(rms.CLIENTS_MAX)]
        await running.until(lambda: (running.servers['serial'].clients
                                     == rms.CLIENTS_MAX))
        for _ in range(3):
            reader, _ = await self._connect(running)
            self.assertIn(b'too many clients', await asyncio.wait_for(
                reader.read(), 5))
        running.print(b'text')
        for reader, _ in attached:      # silent ones too are watched
            self.assertEqual(b'text', await reader.readexactly(4))
        self.assertEqual(1, len(running.said(wire.LOG)))
        attached[0][1].close()
        await running.until(lambda: (running.servers['serial'].clients
                                     < rms.CLIENTS_MAX))
        reader, _ = await self._connect(running)
        self.assertEqual(b'text', await reader.readexactly(4))

    async def test_refusals_are_one_line(self) -> None:
        running = await self._pair(serial_networks=['10.0.0.0/8'])
        for _ in range(20):
            await self._connect(running)
        await running.until(lambda: running.said(wire.LOG))
        await asyncio.sleep(0.1)
        self.assertEqual(1, len(running.said(wire.LOG)))

    async def test_proxies_that_have_gone_are_noticed(self) -> None:
        """By the kernel: a test cannot take a machine away."""
        running = await self._pair()
        with mock.patch.object(tcp, 'prepare',
                               side_effect=tcp.prepare) as prepare:
            await self._connect(running)
            await running.until(
                lambda: running.servers['serial'].clients)
        connection = prepare.call_args.args[0]
        self.assertEqual(tcp.KEEPALIVE_PROBES, connection.getsockopt(
            socket.IPPROTO_TCP, socket.TCP_KEEPCNT))
        self.assertTrue(connection.getsockopt(
            socket.SOL_SOCKET, socket.SO_KEEPALIVE))

    async def test_a_gap_is_told(self) -> None:
        running = await self._pair()
        reader, _ = await self._connect(running)
        running.send({'type': 'gap', 'stream': 'serial0_out', 'at': 0,
                      'bytes': None, 'kind': 'unknown', 'reason': 'x'})
        self.assertIn(b'output may be missing', await asyncio.wait_for(
            reader.readuntil(b']'), 5))

    async def test_a_gap_is_told_between_characters(self) -> None:
        running = await self._pair()
        reader, _ = await self._connect(running)
        await running.until(lambda: running.servers['serial'].clients)
        for data in (b'\xc3', b'\xa4'):
            running.print(data)
            await running.until(lambda: not running.waiting_output)
            if data == b'\xc3':
                self.assertEqual(data, await reader.readexactly(1))
                running.send({'type': 'gap', 'stream': 'serial0_out', 'at': 1,
                              'bytes': 7, 'kind': 'exact', 'reason': 'x'})
                await asyncio.sleep(0.1)
        self.assertTrue((await reader.readuntil(b']')).startswith(
            b'\xa4\r\n[nova-dmore: 7 bytes'))

    async def test_an_instance_that_is_off(self) -> None:
        """No line that nobody asked for: a program may be reading."""
        running = await self._pair()
        reader, writer = await self._connect(running)
        await running.until(lambda: running.servers['serial'].clients)
        running.send({'type': wire.STATE, 'state': 'off'})
        await running.until(lambda: not running.agent.instance.takes_input)
        with self.assertRaises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.2)
        writer.write(b'x')
        self.assertIn(b'the instance is off', await asyncio.wait_for(
            reader.readuntil(b']'), 5))
        self.assertEqual(b'', running.typed)

    async def test_a_gap_that_may_be_none_is_not_told(self) -> None:
        running = await self._pair()
        reader, _ = await self._connect(running)
        running.send({'type': 'gap', 'stream': 'serial0_in', 'at': 0,
                      'bytes': 1, 'kind': 'ambiguous', 'reason': 'x'})
        running.send({'type': 'gap', 'stream': 'serial0_in', 'at': 0,
                      'bytes': 2, 'kind': 'exact', 'reason': 'x'})
        self.assertNotIn(b'1 bytes', await asyncio.wait_for(
            reader.readuntil(b'2 bytes of input did not arrive'), 5))

    async def test_bytes_acked_counts_what_arrived(self) -> None:
        server = socket.create_server(('127.0.0.1', 0))
        self.addCleanup(server.close)
        client = socket.create_connection(server.getsockname())
        self.addCleanup(client.close)
        peer, _ = server.accept()
        self.addCleanup(peer.close)
        before = rms.bytes_acked(client)
        client.sendall(bytes(1000))
        for _ in range(100):
            if rms.bytes_acked(client) == before + 1000:
                break
            await asyncio.sleep(0.01)
        self.assertEqual(before + 1000, rms.bytes_acked(client))
        client.close()
        self.assertEqual(0, rms.bytes_acked(client))
