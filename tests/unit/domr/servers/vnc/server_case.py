# SPDX-License-Identifier: Apache-2.0
"""The VNC server without its library, for tests.

The desktop is not the real one; each address of 127.0.0.0/8 is a source of
its own.
"""

import asyncio
import unittest
from typing import Any
from typing import TypeAlias
from unittest import mock

from nova_dmore.domr.servers.vnc import desktop
from nova_dmore.domr.servers.vnc import server
from tests.unit.domr import pair

PROXY, OTHER_PROXY = '127.0.0.1', '127.0.0.4'
STRANGER, OWNER = '127.1.0.2', '127.1.0.3'
VERSION = b'RFB 003.008\n'

Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class FakeDesktop:
    """Takes clients, and greets them with a byte."""

    def __init__(self) -> None:
        self.is_full = False
        self.shown: list[Any] = []
        self.tried: list[bytes] = []

    @property
    def clients(self) -> int:
        return len(self.shown)

    def encrypt(self, challenge: bytes, password: str) -> bytes:
        """Called for each password there is, when one is tried."""
        return (password.encode() * 16)[:16]

    async def add(self, connection: Any, **options: Any) -> None:
        connection = connection.dup()   # the server closes its own
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_sendall(connection, b'!')
        self.shown.append((connection, options))

    def close(self) -> None:
        for connection, _ in self.shown:
            connection.close()


class Case(unittest.IsolatedAsyncioTestCase):
    """A VNC server in an agent."""

    async def serve(self, starts: bool = True, **changes: Any) -> None:
        self.desktop = FakeDesktop()
        self.addCleanup(self.desktop.close)
        patch = mock.patch.object(desktop.Desktop, 'of',
                                  return_value=self.desktop)
        patch.start()
        self.addCleanup(patch.stop)
        vnc = pair.vnc(**{
            'proxy_networks': ['127.0.0.0/16'],
            'direct_networks': ['127.1.0.0/16'], 'password': 'secret',
            'view_only_password': 'viewer', **changes})
        self.port = vnc['port']
        self.pair = pair.Pair(pair.config(vnc=vnc), {
            'serial': 'nova_dmore.domr.servers.serial_tcp',
            'vnc': 'nova_dmore.domr.servers.vnc.server'})
        await self.enterAsyncContext(self.pair)
        if starts:
            self.server: server.VncServer = self.pair.servers['vnc']

    async def open(self, source: str) -> Streams:
        reader, writer = await asyncio.open_connection(
            '127.0.0.1', self.port, local_addr=(source, 0))
        self.addCleanup(writer.close)
        return reader, writer

    async def answer(self, source: str, password: str) -> Streams:
        """As far as the answer to the challenge."""
        reader, writer = await self.open(source)
        await reader.readexactly(12)
        writer.write(VERSION)
        types = await reader.readexactly(2)
        if types != b'\1\2':
            reason = types + await reader.read()
            raise PermissionError(reason[5:].decode())
        writer.write(b'\2')
        await reader.readexactly(16)
        writer.write((password.encode() * 16)[:16])
        return reader, writer

    async def log_in(self, source: str, password: str) -> Streams:
        """:raises PermissionError: with what the server says"""
        reader, writer = await self.answer(source, password)
        if await reader.readexactly(4) != bytes(4):
            raise PermissionError((await reader.read())[4:].decode())
        writer.write(b'\1')
        self.assertEqual(b'!', await reader.readexactly(1))
        return reader, writer

    async def through_a_proxy(self, source: str = PROXY) -> Streams:
        reader, writer = await self.open(source)
        await reader.readexactly(12)
        writer.write(VERSION + b'\1\1')
        self.assertEqual(b'\1\1' + bytes(4) + b'!',
                         await reader.readexactly(7))
        return reader, writer
