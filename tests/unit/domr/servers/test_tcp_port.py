# SPDX-License-Identifier: Apache-2.0
"""A connection that shows the console of a pair, on 127.0.0.1."""

import asyncio
import unittest
from unittest import mock

from nova_dmore.domr import console as console_module
from nova_dmore.domr.servers import tcp
from nova_dmore.domr.servers import tcp_port
from tests.unit.domr import pair


class _Port(tcp_port.TcpPort):
    """Attached if it can be, whoever it is."""

    def __init__(self, console: console_module.Console) -> None:
        super().__init__()
        self._console = console
        self.taken_over: bool | None = None
        self.times_detached = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.taken_over = self.take(transport)
        if self.taken_over:
            self.attach(self._console, 'test')

    def detached(self) -> None:
        self.times_detached += 1


class TcpPortTest(unittest.IsolatedAsyncioTestCase):

    async def asyncSetUp(self) -> None:
        self.running = pair.Pair(pair.config())
        await self.enterAsyncContext(self.running)
        self.port = _Port(self.running.agent.console)
        self.server = await asyncio.get_running_loop().create_server(
            lambda: self.port, '127.0.0.1', 0)
        self.addCleanup(self.server.close)

    async def _connect(self) -> tuple[asyncio.StreamReader,
                                      asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(
            *self.server.sockets[0].getsockname())
        self.addCleanup(writer.close)
        await self.running.until(lambda: self.port.taken_over is not None)
        return reader, writer

    async def test_what_was_printed_before_and_is_printed_now(self) -> None:
        self.running.print(b'before')
        await self.running.until(lambda: not self.running.waiting_output)
        reader, writer = await self._connect()
        self.assertEqual(b'before', await reader.readexactly(6))
        self.running.print(b'now')
        self.assertEqual(b'now', await reader.readexactly(3))
        await self.running.until(lambda: self.port.taken() >= 9)
        # Nothing of it is typed.
        writer.write(b'reboot\n')
        self.assertEqual(0, self.port.times_detached)
        writer.close()
        await self.running.until(lambda: self.port.times_detached)
        self.assertEqual(b'', self.running.typed)

    async def test_a_notice_is_shown_as_long_as_it_is_open(self) -> None:
        reader, _ = await self._connect()
        self.port.tell('hello')
        self.assertEqual(b'\r\n[nova-dmore: hello]\r\n',
                         await reader.readuntil(b']\r\n'))
        assert self.port._transport is not None
        self.port._transport.close()
        self.port.tell('nobody hears this')
        self.port.pause_input(True)
        self.assertEqual(b'', await reader.read())
        await self.running.until(lambda: self.port.times_detached == 1)

    async def test_who_takes_nothing_is_told_so_much_and_no_more(self
                                                                 ) -> None:
        await self._connect()
        transport = self.port._transport
        assert transport is not None
        # More than the kernels of both take.
        for _ in range(1000):
            self.port.tell('x' * 10000)
        self.assertLess(transport.get_write_buffer_size(), 1 << 16)

    async def test_input_is_held(self) -> None:
        await self._connect()
        assert self.port._transport is not None
        for on in (True, False):
            self.port.pause_input(on)
            self.assertIs(not on, self.port._transport.is_reading())

    async def test_one_that_has_gone_is_not_attached(self) -> None:
        with mock.patch.object(tcp, 'prepare', side_effect=OSError):
            reader, _ = await self._connect()
        self.assertFalse(self.port.taken_over)
        with self.assertRaises((ConnectionError,
                                asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        self.assertEqual(0, self.port.times_detached)
