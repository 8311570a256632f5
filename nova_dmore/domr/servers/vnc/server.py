# SPDX-License-Identifier: Apache-2.0
"""The VNC server: listens, lets in, and hands over to the desktop."""

import asyncio
import ipaddress
import socket
import ssl
import time

from nova_dmore.domr import config as config_module
from nova_dmore.domr.servers import admission
from nova_dmore.domr.servers import once
from nova_dmore.domr.servers import rms
from nova_dmore.domr.servers import tcp
from nova_dmore.domr.servers.vnc import desktop as desktop_module
from nova_dmore.domr.servers.vnc import handshake
from nova_dmore.domr.servers.vnc import tls

#: How long a proxy's handshake may take, and that of a person who is asked
#: for a password, in seconds. It is the time of all of it, so a client that
#: sends a byte now and then gains nothing.
PROXY_HANDSHAKE_S = 20
DIRECT_HANDSHAKE_S = 90
#: Handshakes at a time, of proxies and of others each; for one more the
#: oldest one of the source that has most of them is ended.
HANDSHAKES_MAX = 32
#: What wrong passwords cost. The first is answered a second late, and after
#: it one waits 1, 2, 4 ... seconds, and 10 minutes at most; all sources
#: together may give 60 of them at once, and then one a second.
PASSWORDS = admission.Policy(free=0, first_s=1.0, most_s=600.0, total=60,
                             total_every_s=1.0)

_BACKLOG = 64
#: How long to accept nothing when there is no descriptor or memory for it.
_NO_ROOM_S = 1.0


class VncServer:
    """See the module; also rms.Server."""

    def __init__(self, context: rms.Context) -> None:
        """Nothing is listened to yet."""
        self._context = context
        # Not made for a Domain R that shows nothing: it takes memory.
        self._desktop = (None if context.config.vnc is None
                         else desktop_module.Desktop.of(context))
        self._log = once.Once(context.log)
        self._listener: socket.socket | None = None
        self._proxies: admission.Pending[asyncio.Task[None]] = (
            admission.Pending(HANDSHAKES_MAX))
        self._direct: admission.Pending[asyncio.Task[None]] = (
            admission.Pending(HANDSHAKES_MAX))
        self._attempts = admission.Attempts(PASSWORDS, time.monotonic)
        self._tls: ssl.SSLContext | None = None
        self._tls_config: config_module.Tls | None = None

    @property
    def clients(self) -> int:
        """Clients that see the desktop."""
        return 0 if self._desktop is None else self._desktop.clients

    def listen(self) -> None:
        """Begin to accept, unless there is to be no VNC.

        :raises OSError: the address cannot be used
        :raises ValueError: the certificates cannot be used
        """
        config = self._context.config
        if config.vnc is None:
            return
        self._use(config.vnc.tls)
        listener = socket.create_server(
            (str(config.address.ip), config.vnc.port), backlog=_BACKLOG,
            family=(socket.AF_INET if config.address.version == 4
                    else socket.AF_INET6))
        listener.setblocking(False)
        self._listener = listener
        self._accept_again()

    def reconfigure(self) -> None:
        """Show another certificate to those that come from now on.

        :raises OSError, ValueError: it cannot be used, or its key or
            authority; the one before is still shown
        """
        vnc = self._context.config.vnc
        if vnc is not None:
            self._use(vnc.tls)

    def _use(self, config: config_module.Tls | None) -> None:
        if config != self._tls_config:
            self._tls = None if config is None else tls.server_context(config)
            self._tls_config = config

    async def close(self) -> None:
        """Accept no more; the clients that are attached stay."""
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None
        for task in (*self._proxies, *self._direct):
            task.cancel()

    def _accept_again(self) -> None:
        if self._listener is not None:
            asyncio.get_running_loop().add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        assert self._listener is not None
        try:
            connection, address = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionError):
            return      # it has gone already
        except OSError as error:
            # It would be called again at once, and for ever.
            loop = asyncio.get_running_loop()
            loop.remove_reader(self._listener)
            loop.call_later(_NO_ROOM_S, self._accept_again)
            self._log.say('accept', 'warning', 'VNC clients cannot be '
                          f'accepted now: {ascii(str(error))}')
            return
        host = address[0]
        name = f'VNC client {host} port {address[1]}'
        source = admission.source_of(host)
        if not self._permits(host):
            self._log.say(f'network {source}', 'warning', f'{name} refused: '
                          'it is in none of the networks that may connect')
            connection.close()
            return
        try:
            connection.setblocking(False)
            tcp.prepare(connection)
        except OSError:
            connection.close()
            return
        task = asyncio.get_running_loop().create_task(
            self._serve(connection, host, name), name=name)
        pending = self._proxies if self._is_proxy(host) else self._direct
        task.add_done_callback(pending.remove)
        dropped = pending.add(source, task)
        if dropped is not None:
            who = dropped.get_name()
            self._log.say(f'begin {who.rpartition(" port ")[0]}', 'warning',
                          f'{who} is cut off: too many clients begin at a '
                          'time, and most of them from there')
            dropped.cancel()

    def _permits(self, host: str) -> bool:
        vnc = self._context.config.vnc
        return vnc is not None and (_is_in(host, vnc.proxy_networks)
                                    or _is_in(host, vnc.direct_networks))

    def _is_proxy(self, host: str) -> bool:
        vnc = self._context.config.vnc
        return vnc is not None and _is_in(host, vnc.proxy_networks)

    async def _serve(self, connection: socket.socket, host: str,
                     name: str) -> None:
        """Let a client in, or not, and log the latter once per source."""
        vnc, desktop = self._context.config.vnc, self._desktop
        if vnc is None or desktop is None:      # since it was accepted
            connection.close()
            return
        limit = (PROXY_HANDSHAKE_S if self._is_proxy(host)
                 else DIRECT_HANDSHAKE_S)
        fault = None
        try:
            async with asyncio.timeout(limit):
                if desktop.is_full:
                    await self._refuse(connection, 'too many clients',
                                       'is one too many')
                await self._let_in(connection, host, name, vnc, desktop)
        except TimeoutError:
            fault = 'took too long to begin'
        except handshake.WrongPasswordError:
            pass        # was logged when it was counted
        except handshake.HandshakeError as error:
            fault = str(error)
        except ssl.SSLError as error:
            fault = f'failed to encrypt: {ascii(error.reason)}'
        except (OSError, EOFError):
            pass        # it has gone: many do that, and nobody minds
        finally:
            # Harmless for one that was taken over.
            connection.close()
        if fault is not None:
            self._log.say(f'{admission.source_of(host)} {fault[:20]}',
                          'warning', f'{name} {fault}')

    async def _refuse(self, connection: socket.socket, reason: str,
                      fault: str) -> None:
        """:raises HandshakeError: when the client has been told"""
        await handshake.refuse(handshake.SocketChannel(connection), reason)
        raise handshake.HandshakeError(fault)

    async def _let_in(self, connection: socket.socket, host: str, name: str,
                      vnc: config_module.Vnc,
                      desktop: desktop_module.Desktop) -> None:
        config = self._context.config
        encrypted: list[handshake.StreamChannel] = []
        terms = self._terms(connection, host, name, vnc, desktop.encrypt,
                            encrypted)
        if not (terms.without or terms.passwords or terms.start_tls):
            assert terms.tries is not None
            await self._refuse(connection,
                               handshake.too_many(terms.tries.wait_s()),
                               handshake.TOO_MANY)
        try:
            admitted = await handshake.admit(
                handshake.SocketChannel(connection), terms)
            if not (admitted.shared or admitted.view_only) and (
                    desktop.clients and vnc.exclusive
                    is config_module.Exclusive.REFUSE):
                raise handshake.HandshakeError(
                    'wants to be alone, and is not: it is refused')
        except BaseException:
            for channel in encrypted:   # else it would stay open for ever
                channel.writer.transport.abort()
            raise
        relay = None
        if isinstance(admitted.channel, handshake.StreamChannel):
            relay = tls.Relay(admitted.channel)
        try:
            await desktop.add(
                connection if relay is None else relay.inner,
                client=name, view_only=admitted.view_only,
                name=f'{config.instance_name} ({config.instance_uuid})',
                shared=admitted.shared,
                on_gone=None if relay is None else relay.close)
        except BaseException:
            if relay is not None:
                relay.inner.close()
                relay.close()
            raise
        if relay is not None:
            relay.start()

    def _terms(self, connection: socket.socket, host: str, name: str,
               vnc: config_module.Vnc, encrypt: handshake.Encrypt,
               encrypted: list[handshake.StreamChannel]) -> handshake.Terms:
        """The ways in for a client; none if it would have to wait for them.

        :param encrypted: gets the channel that the connection becomes
        """
        is_proxy = _is_in(host, vnc.proxy_networks)
        source = admission.source_of(host)
        tries = self._attempts.of(source, lambda: self._log.say(
            f'password {source}', 'warning', f'{name} gave a wrong password'))
        passwords: list[tuple[str, bool]] = []
        if (_is_in(host, vnc.direct_networks)
                and tries.wait_s() <= handshake.PATIENCE_S):
            passwords += [(password, view_only) for password, view_only in (
                (vnc.password, False), (vnc.view_only_password, True))
                if password is not None]
        context = self._tls

        async def start_tls() -> handshake.StreamChannel:
            assert context is not None
            encrypted.append(await tls.start_tls(connection, context,
                                                 PROXY_HANDSHAKE_S))
            return encrypted[0]

        return handshake.Terms(
            # Never in clear because a certificate is not good.
            is_proxy and vnc.tls is None, tuple(passwords),
            start_tls if is_proxy and context is not None else None, encrypt,
            tries)


def _is_in(host: str, networks: tuple[config_module.Network, ...]) -> bool:
    address = ipaddress.ip_address(host)
    return any(address in network for network in networks)


async def start(context: rms.Context) -> VncServer:
    """Listen as configured; see ``rms``.

    :raises OSError: the address cannot be used
    :raises ValueError: the certificates cannot be used
    """
    server = VncServer(context)
    server.listen()
    return server
