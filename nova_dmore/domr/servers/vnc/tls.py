# SPDX-License-Identifier: Apache-2.0
"""TLS to a proxy, and the bytes between it and a session.

The library is given one end of a local pair of sockets; each direction holds
a bounded number of bytes.
"""

import asyncio
import os
import socket
import ssl
from asyncio import sslproto

from nova_dmore.domr import config as config_module
from nova_dmore.domr.servers.vnc import handshake

#: Bytes that each direction holds, apart from the kernel's buffers.
_HELD = 1 << 16
#: What asyncio has for the bytes that it decrypts: a proxy sends keys and
#: motions. Its own 256 KiB for each connection, in memory from the first
#: byte on, would be 8 MiB for those that have only begun.
_DECRYPTED = 1 << 15


def server_context(tls: config_module.Tls) -> ssl.SSLContext:
    """TLS that insists on a certificate of the configured authority.

    :raises ssl.SSLError, ValueError: a text is no such thing, or they do not
        fit each other
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=tls.ca)
    # ssl reads keys from files only; this one is in no file system.
    descriptor = os.memfd_create('tls', os.MFD_CLOEXEC)
    try:
        os.write(descriptor, f'{tls.key}\n{tls.certificate}\n'.encode())
        context.load_cert_chain(f'/proc/self/fd/{descriptor}')
    finally:
        os.close(descriptor)
    return context


async def start_tls(connection: socket.socket, context: ssl.SSLContext,
                    timeout: float) -> handshake.StreamChannel:
    """Encrypt a connection, which is taken over.

    :raises OSError: the client has no good certificate, or it broke
    """
    loop = asyncio.get_running_loop()
    sslproto.SSLProtocol.max_size = _DECRYPTED      # no option sets it
    connection = socket.socket(fileno=connection.detach())
    reader = asyncio.StreamReader(limit=_HELD, loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.connect_accepted_socket(
        lambda: protocol, connection, ssl=context,
        ssl_handshake_timeout=timeout)
    writer = asyncio.StreamWriter(transport, protocol, reader, loop)
    return handshake.StreamChannel(reader, writer)


class Relay:
    """Bytes between an encrypted channel and a session."""

    def __init__(self, channel: handshake.StreamChannel) -> None:
        """:ivar inner: the session's end of the pair"""
        self._channel = channel
        self.inner, self._outer = socket.socketpair()
        self.inner.setblocking(False)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to pass bytes on, until either side ends."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def close(self) -> None:
        """End both sides."""
        if self._task is None:
            self._outer.close()
            self._channel.writer.transport.abort()
        else:
            self._task.cancel()

    async def _run(self) -> None:
        self._outer.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=self._outer,
                                                       limit=_HELD)
        inwards = asyncio.create_task(_copy(self._channel.reader, writer))
        outwards = asyncio.create_task(_copy(reader, self._channel.writer))
        try:
            await asyncio.wait((inwards, outwards),
                               return_when=asyncio.FIRST_COMPLETED)
        finally:
            inwards.cancel()
            outwards.cancel()
            writer.transport.abort()
            self._channel.writer.transport.abort()


async def _copy(reader: asyncio.StreamReader,
                writer: asyncio.StreamWriter) -> None:
    writer.transport.set_write_buffer_limits(high=_HELD)
    try:
        while data := await reader.read(_HELD):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass    # the same as its end
