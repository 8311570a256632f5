# SPDX-License-Identifier: Apache-2.0
"""The serial console as raw bytes over TCP, for nova-serialproxy.

Nobody logs in: whoever connects from the proxy networks is attached. When
there are as many as there may be, a further one is told so and cut off: the
others are consoles that somebody has open, and one that is silent may be
watched. Those of a proxy that has gone end by keepalives (see ``tcp``).
"""

import asyncio
import ipaddress

from nova_dmore.domr import config as config_module
from nova_dmore.domr import escape
from nova_dmore.domr.servers import admission
from nova_dmore.domr.servers import once
from nova_dmore.domr.servers import rms
from nova_dmore.domr.servers import tcp_port
from nova_dmore.domr.terminal import stream


class SerialConnection(tcp_port.TcpPort):
    """One connection."""

    def __init__(self, server: 'SerialServer') -> None:
        super().__init__()
        self._server = server
        self.number = 0     # of its session, for the host
        self._escapes = escape.EscapeParser(actions=[escape.Action.BREAK])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Attach a permitted peer, cut any other."""
        assert isinstance(transport, asyncio.Transport)
        peer = transport.get_extra_info('peername')
        name = f'serial client {peer[0]} port {peer[1]}'
        source = admission.source_of(peer[0])
        if not self._server.permits(peer[0]):
            self._server.log.say(f'network {source}', 'warning', f'{name} '
                                 'refused: it is not in '
                                 'serial_proxy_networks')
            transport.abort()
            return
        if not self.take(transport):
            return
        if self._server.clients >= rms.CLIENTS_MAX:
            self._server.log.say(f'full {source}', 'warning', f'{name} '
                                 f'refused: {rms.CLIENTS_MAX} others are '
                                 'attached already')
            self.tell(rms.FULL)
            transport.close()
            return
        self._server.add(self, name)
        # A web page may show it in a terminal.
        self.attach(self._server.console, name, stream.TerminalStream())

    def data_received(self, data: bytes) -> None:
        """Send what was typed, and a break if it may be typed here."""
        config = self._server.config
        if self._client is None:
            return
        if not config.serial_escape or config.escape is None:
            self._client.input(data)
            return
        self._escapes.escape = config.escape
        for item in self._escapes.feed(data):
            if isinstance(item, bytes):
                self._client.input(item)
            else:
                self._client.send_break()

    def end(self) -> None:
        """End it, as an operator or another user wants it."""
        assert self._transport is not None      # it is attached
        self.tell(rms.ENDED)
        self._transport.abort()

    def detached(self) -> None:
        """See TcpPort."""
        self._server.remove(self)


class SerialServer:
    """Listens for raw serial connections."""

    def __init__(self, context: rms.Context) -> None:
        self._context = context
        self._connections: set[SerialConnection] = set()
        self._listener: asyncio.Server | None = None
        self.console = context.console
        self.log = once.Once(context.log)

    @property
    def config(self) -> config_module.Config:
        """What holds now."""
        return self._context.config

    @property
    def clients(self) -> int:
        """Clients that are attached to the console."""
        return len(self._connections)

    @property
    def port(self) -> int:
        """The TCP port it listens on."""
        assert self._listener is not None
        port: int = self._listener.sockets[0].getsockname()[1]
        return port

    async def listen(self, host: str, port: int) -> None:
        """Begin to accept.

        :raises OSError: the address cannot be used
        """
        self._listener = await asyncio.get_running_loop().create_server(
            lambda: SerialConnection(self), host, port)

    def permits(self, peer: str) -> bool:
        """Whether this peer may attach."""
        address = ipaddress.ip_address(peer)
        return any(address in network for network
                   in self._context.config.serial_networks)

    def reconfigure(self) -> None:
        """See rms.Server; all of it is read at each use."""

    def add(self, connection: SerialConnection, name: str) -> None:
        """Count a connection that is attached."""
        self._connections.add(connection)
        connection.number = self._context.sessions.begin(
            'serial', name, connection.end)
        self._context.changed()

    def remove(self, connection: SerialConnection) -> None:
        """Forget a connection that ended."""
        self._connections.discard(connection)
        self._context.sessions.ended(connection.number)
        self._context.changed()

    async def close(self) -> None:
        """Accept no more; the clients that are attached stay."""
        if self._listener is not None:
            self._listener.close()


async def start(context: rms.Context) -> SerialServer:
    """Listen on the configured address; see ``rms``.

    :raises OSError: the address cannot be used
    """
    server = SerialServer(context)
    await server.listen(str(context.config.address.ip),
                        context.config.serial_port)
    return server
