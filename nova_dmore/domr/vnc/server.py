# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""The VNC server: listens, lets in, and hands over to the desktop."""

import asyncio
import ipaddress
import socket
import ssl

from nova_dmore.domr import config as config_module
from nova_dmore.domr import rms
from nova_dmore.domr.vnc import desktop as desktop_module
from nova_dmore.domr.vnc import handshake
from nova_dmore.domr.vnc import once
from nova_dmore.domr.vnc import tls

#: How long a proxy's handshake may take, and that of a person who is asked
#: for a password, in seconds.
PROXY_HANDSHAKE_S = 20
DIRECT_HANDSHAKE_S = 90
#: Handshakes at a time; one more ends the oldest.
HANDSHAKES_MAX = 32

_BACKLOG = 64


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
        self._handshakes: list[asyncio.Task[None]] = []
        #: What was made of which certificate.
        self._tls: tuple[config_module.Tls, ssl.SSLContext] | None = None

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
        self._tls_context(config.vnc)
        listener = socket.create_server(
            (str(config.address.ip), config.vnc.port), backlog=_BACKLOG,
            family=(socket.AF_INET if config.address.version == 4
                    else socket.AF_INET6))
        listener.setblocking(False)
        self._listener = listener
        asyncio.get_running_loop().add_reader(listener, self._accept)

    async def close(self) -> None:
        """Accept no more; the clients that are attached stay."""
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._listener = None
        for task in self._handshakes:
            task.cancel()

    def _accept(self) -> None:
        assert self._listener is not None
        try:
            connection, address = self._listener.accept()
        except OSError:
            return      # it has gone already, or there are too many files
        host = address[0]
        name = f'VNC client {host} port {address[1]}'
        if not self._permits(host):
            self._log.say(f'network {host}', 'warning', f'{name} refused: it '
                          'is in none of the networks that may connect')
            connection.close()
            return
        if len(self._handshakes) >= HANDSHAKES_MAX:
            self._log.say('handshakes', 'warning', 'too many VNC clients '
                          'begin at a time: the oldest is cut off')
            self._handshakes.pop(0).cancel()
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        task = asyncio.get_running_loop().create_task(
            self._serve(connection, host, name))
        self._handshakes.append(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        if task in self._handshakes:
            self._handshakes.remove(task)

    def _permits(self, host: str) -> bool:
        vnc = self._context.config.vnc
        return vnc is not None and (_is_in(host, vnc.proxy_networks)
                                    or _is_in(host, vnc.direct_networks))

    async def _serve(self, connection: socket.socket, host: str,
                     name: str) -> None:
        """Let a client in, or not, and log the latter once per host."""
        vnc, desktop = self._context.config.vnc, self._desktop
        assert vnc is not None and desktop is not None  # or none may come
        limit = (PROXY_HANDSHAKE_S if _is_in(host, vnc.proxy_networks)
                 else DIRECT_HANDSHAKE_S)
        fault = None
        try:
            async with asyncio.timeout(limit):
                if desktop.is_full:
                    await handshake.refuse(
                        handshake.SocketChannel(connection),
                        'too many clients')
                    raise handshake.HandshakeError('is one too many')
                await self._let_in(connection, host, name, vnc, desktop)
        except TimeoutError:
            fault = 'took too long to begin'
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
            self._log.say(f'{host} {fault[:20]}', 'warning',
                          f'{name} {fault}')

    async def _let_in(self, connection: socket.socket, host: str, name: str,
                      vnc: config_module.Vnc,
                      desktop: desktop_module.Desktop) -> None:
        config = self._context.config
        admission = await handshake.admit(
            handshake.SocketChannel(connection),
            self._terms(connection, host, vnc, desktop.encrypt))
        relay = None
        if isinstance(admission.channel, handshake.StreamChannel):
            relay = tls.Relay(admission.channel)
        try:
            await desktop.add(
                connection if relay is None else relay.inner,
                client=name, view_only=admission.view_only,
                name=f'{config.instance_name} ({config.instance_uuid})',
                shared=admission.shared,
                on_gone=None if relay is None else relay.close)
        except BaseException:
            if relay is not None:
                relay.inner.close()
                relay.close()
            raise
        if relay is not None:
            relay.start()

    def _terms(self, connection: socket.socket, host: str,
               vnc: config_module.Vnc,
               encrypt: handshake.Encrypt) -> handshake.Terms:
        is_proxy = _is_in(host, vnc.proxy_networks)
        passwords: list[tuple[str, bool]] = []
        if _is_in(host, vnc.direct_networks):
            passwords += [(password, view_only) for password, view_only in (
                (vnc.password, False), (vnc.view_only_password, True))
                if password is not None]
        try:
            context = self._tls_context(vnc)
        except (ssl.SSLError, ValueError) as error:
            raise handshake.HandshakeError(
                'cannot be served, for want of a good certificate: '
                f'{ascii(str(error))}') from error
        if not is_proxy or context is None:
            return handshake.Terms(is_proxy, tuple(passwords), None, encrypt)
        return handshake.Terms(
            False, tuple(passwords),
            lambda: tls.start_tls(connection, context, PROXY_HANDSHAKE_S),
            encrypt)

    def _tls_context(self, vnc: config_module.Vnc) -> ssl.SSLContext | None:
        """With the certificate of today: the host sends a new one now and
        then. Sessions go on with the one that they have begun with.

        :raises ssl.SSLError, ValueError: it cannot be used
        """
        if vnc.tls is None:
            return None
        if self._tls is None or self._tls[0] != vnc.tls:
            self._tls = vnc.tls, tls.server_context(vnc.tls)
        return self._tls[1]


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
