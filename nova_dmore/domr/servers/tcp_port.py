# SPDX-License-Identifier: Apache-2.0
"""A TCP connection that carries the serial console and nothing else.

For servers whose clients see the output as it is, without a protocol of their
own above TCP: ``serial_tcp``, and those of other packages.
"""

import asyncio

from nova_dmore.domr import console as console_module
from nova_dmore.domr.servers import rms
from nova_dmore.domr.servers import tcp
from nova_dmore.domr.terminal import stream as stream_module


class TcpPort(asyncio.Protocol):
    """One connection; also the console's Port (``ports.Port``).

    A server makes one for each connection. ``connection_made`` calls
    :meth:`take` if the peer is permitted, and then :meth:`attach`;
    :meth:`detached` is called when the connection has ended. What the peer
    types is thrown away unless ``data_received`` does something with it.
    """

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        #: None: it is not attached.
        self._client: console_module.Client | None = None

    def take(self, transport: asyncio.Transport) -> bool:
        """Set up an accepted connection.

        :returns: False: it has gone already
        """
        self._transport = transport
        try:
            tcp.prepare(transport.get_extra_info('socket'))
        except OSError:
            transport.abort()
            return False
        rms.bound_buffers(transport)
        return True

    def attach(self, console: console_module.Console, name: str,
               terminal: stream_module.TerminalStream | None = None) -> None:
        """Show a console, beginning with what it has printed before.

        :param name: of the client, for the log, printable
        :param terminal: see ``Console.attach``
        """
        self._client = console.attach(self, name, terminal)
        self._client.resume_writing()

    def detached(self) -> None:
        """The connection has ended that was attached; for the server."""

    # -- asyncio.Protocol

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
            self.detached()

    # -- ports.Port

    def write(self, data: bytes) -> None:
        """Hand output to the peer."""
        assert self._transport is not None
        self._transport.write(data)

    def tell(self, text: str) -> None:
        """Show a notice; there is no other place for it than the output."""
        assert self._transport is not None
        if (self._transport.is_closing()
                or self._transport.get_write_buffer_size() > rms.TOLD_MAX):
            return
        self.write(f'\r\n[nova-dmore: {text}]\r\n'.encode('ascii'))

    def pause_input(self, on: bool) -> None:
        """Stop or go on reading."""
        if self._transport is None or self._transport.is_closing():
            return
        if on:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

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
