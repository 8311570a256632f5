# SPDX-License-Identifier: Apache-2.0
"""The serial console to view: what is typed is thrown away.

Whoever connects from the proxy networks is attached.
"""

import asyncio
import ipaddress

from nova_dmore.domr.servers import rms
from nova_dmore.domr.servers import tcp_port

PORT = 6084


class Watcher(tcp_port.TcpPort):
    """One connection."""

    def __init__(self, server: 'WatchServer') -> None:
        super().__init__()
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Attach a permitted peer, cut any other."""
        assert isinstance(transport, asyncio.Transport)
        peer = transport.get_extra_info('peername')[0]
        if (self._server.clients >= rms.CLIENTS_MAX
                or not self._server.permits(peer)):
            transport.abort()
        elif self.take(transport):
            self._server.add(self)
            self.attach(self._server.context.console, f'watcher {peer}')

    def detached(self) -> None:
        """See TcpPort."""
        self._server.remove(self)


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
