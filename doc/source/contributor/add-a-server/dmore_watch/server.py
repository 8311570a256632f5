# SPDX-License-Identifier: Apache-2.0
"""The serial console to look at: what is typed is thrown away.

Whoever connects from the proxy networks is attached.
"""

import asyncio
import ipaddress

from nova_dmore.domr import console as console_module
from nova_dmore.domr.servers import rms

PORT = 6084


class Watcher(asyncio.Protocol):
    """One connection; also the console's Port."""

    def __init__(self, server: 'WatchServer') -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._client: console_module.Client | None = None

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Attach a permitted peer, cut any other."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        peer = transport.get_extra_info('peername')[0]
        if (self._server.clients >= rms.CLIENTS_MAX
                or not self._server.permits(peer)):
            transport.abort()
            return
        rms.bound_buffers(transport)
        self._server.add(self)
        self._client = self._server.context.console.attach(
            self, f'watcher {peer}')
        self._client.resume_writing()   # begins with the scroll-back

    def pause_writing(self) -> None:
        """Tell the console that the connection is full."""
        if self._client is not None:
            self._client.pause_writing()

    def resume_writing(self) -> None:
        """Tell the console that the connection has room."""
        if self._client is not None:
            self._client.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Detach."""
        if self._client is not None:
            self._client.detach()
            self._client = None
            self._server.remove(self)

    # -- console.Port

    def write(self, data: bytes) -> None:
        """Hand output to the peer."""
        assert self._transport is not None
        self._transport.write(data)

    def tell(self, text: str) -> None:
        """Show a notice of the console's own."""
        self.write(f'\r\n[{text}]\r\n'.encode('ascii'))

    def hold_input(self, on: bool) -> None:
        """There is none."""

    def progress(self) -> object:
        """Bytes that the peer has acknowledged."""
        return self.taken()

    def taken(self) -> int:
        """Bytes that the peer has acknowledged."""
        assert self._transport is not None
        return rms.bytes_acked(self._transport.get_extra_info('socket'))

    def bound(self, size: int) -> None:
        """Let no more than so many bytes wait."""
        assert self._transport is not None
        rms.bound_buffers(self._transport, size)


class WatchServer:
    """Listens; see ``rms.Server``."""

    def __init__(self, context: rms.Context) -> None:
        self.context = context
        self._watchers: set[Watcher] = set()
        self._listener: asyncio.Server | None = None

    @property
    def clients(self) -> int:
        """Clients that are attached to the console."""
        return len(self._watchers)

    async def listen(self, port: int) -> None:
        """Begin to accept.

        :raises OSError: the address cannot be used
        """
        self._listener = await asyncio.get_running_loop().create_server(
            lambda: Watcher(self), str(self.context.config.address.ip), port)

    def permits(self, peer: str) -> bool:
        """Whether this peer may attach."""
        return any(ipaddress.ip_address(peer) in network
                   for network in self.context.config.serial_networks)

    def add(self, watcher: Watcher) -> None:
        """Count a connection that is attached."""
        self._watchers.add(watcher)
        self.context.changed()

    def remove(self, watcher: Watcher) -> None:
        """Forget a connection that ended."""
        self._watchers.discard(watcher)
        self.context.changed()

    def reconfigure(self) -> None:
        """See rms.Server; all of it is read at each use."""

    async def close(self) -> None:
        """Accept no more; the clients that are attached stay."""
        if self._listener is not None:
            self._listener.close()


async def start(context: rms.Context) -> WatchServer:
    """Listen; the agent calls it when the host has sent a configuration.

    :raises OSError: the address cannot be used
    """
    server = WatchServer(context)
    await server.listen(PORT)
    return server
