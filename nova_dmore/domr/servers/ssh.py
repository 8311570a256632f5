# SPDX-License-Identifier: Apache-2.0
"""The serial console over SSH: asyncssh's server, public keys only.

Here are the connections: who may log in, and how many. What they open is in
``ssh_session``.
"""

import functools
import time
from typing import Any

import asyncssh

from nova_dmore.domr import pace
from nova_dmore.domr.servers import admission
from nova_dmore.domr.servers.cipher import library as cipher
from nova_dmore.domr.servers import once
from nova_dmore.domr.servers import rms
from nova_dmore.domr.servers import ssh_keys
from nova_dmore.domr.servers import ssh_packets
from nova_dmore.domr.servers import ssh_session
from nova_dmore.domr.servers import tcp

#: Bytes a client may send ahead of what the console takes.
WINDOW = 1 << 16
#: How long a log-in may take in all, as OpenSSH's server has it: in that time
#: a person compares the fingerprint of the host key, types a passphrase, or
#: looks for a token and touches it.
LOGIN_TIMEOUT_S = 120
#: Connections that have not logged in, at a time; for one more the oldest
#: one of the source that has most of them is ended.
PENDING_MAX = 32
#: Connections that have logged in; one more is refused.
LOGGED_IN_MAX = 2 * rms.CLIENTS_MAX
#: Channels of one connection, whether or not they are attached.
CHANNELS_MAX = rms.CLIENTS_MAX
#: What it costs to end without having logged in, but for a client that said
#: nothing. There is no password to guess; it is the time that exchanging keys
#: takes that is to be shared. From the eleventh time on the source waits 1, 2,
#: 4 ... 10 seconds.
LOG_INS = admission.Policy(free=10, first_s=1.0, most_s=10.0,
                           spares_known=True)


class Connection(asyncssh.SSHServer):
    """One SSH connection: who may log in, and what may be opened."""

    def __init__(self, server: 'SshServer') -> None:
        self._server = server
        self.sessions: set[ssh_session.Session] = set()
        self.channels = 0
        self.name = 'ssh client'
        self.full = False
        self.has_logged_in = False
        self._keys = ssh_keys.AuthorizedKeys(server.authorized_keys)
        self.made_room = False      # ended alone, for others to begin

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Prepare it, and cut it if its source has to wait."""
        self.conn = conn
        peer = conn.get_extra_info('peername')
        self.name = f'ssh client {peer[0]} port {peer[1]}'
        self.source = admission.source_of(peer[0])
        # asyncssh leaves these two callbacks of asyncio.Protocol empty, so
        # a channel writes on until the peer's window (2 MiB with OpenSSH) is
        # full, all of it into this small machine's memory.
        setattr(conn, 'pause_writing', functools.partial(self._flow, True))
        setattr(conn, 'resume_writing', functools.partial(self._flow, False))
        ssh_packets.bound(conn, lambda: self.has_logged_in, self.cut)
        ssh_packets.exchange_once(conn, lambda: self.has_logged_in)
        ssh_packets.read_options_once(conn)
        ssh_packets.leave_out_empty(conn)
        ssh_packets.say_nothing(conn)
        # Nor does it tell of its transport, whose buffer (64 KiB by default)
        # has to be full before these are called.
        self.bound(pace.MOST)
        try:
            tcp.prepare(conn.get_extra_info('socket'))
        except OSError:
            pass    # it has gone already
        self._server.begun(self)

    def cut(self, reason: str) -> None:
        """End it for a reason, which is logged."""
        self._server.log.say(f'{reason} {self.source}', 'warning',
                             f'{self.name} {reason}: it is cut off')
        self.conn.abort()

    def end(self) -> None:
        """End it, and all its sessions, as an operator or another user wants
        it."""
        for session in list(self.sessions):
            session.leave(rms.ENDED)
        self.conn.disconnect(asyncssh.DISC_BY_APPLICATION, rms.ENDED)

    @property
    def has_cost(self) -> bool:
        """Whether it was a try to log in; silence costs nothing but a place.

        A client that has sent its version may have exchanged keys. One that
        was given no time for more, because others came, did not fail.
        """
        return (not self.has_logged_in and not self.made_room
                and self.conn.get_extra_info('client_version') is not None)

    def bound(self, size: int) -> None:
        """Let no more than so many bytes wait."""
        transport = getattr(self.conn, '_transport')
        if transport is not None:
            rms.bound_buffers(transport, size)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection; its sessions are told by themselves."""
        self._server.ended(self)

    def auth_completed(self) -> None:
        """It has logged in, and is not ended for others from now on."""
        self.has_logged_in = True
        self._keys.logged_in()
        self._server.logged_in(self)

    @property
    def fingerprint(self) -> str | None:
        """The fingerprint of the key with which the client has logged in."""
        return self._keys.fingerprint

    def end_if_removed(self) -> bool:
        """End it if it has logged in with a key that may not any more."""
        if not self._keys.is_removed:
            return False
        for session in list(self.sessions):
            session.leave('your key may not use this console any more')
        self._server.log.say(f'removed {self.source}', 'warning',
                             f'{self.name} is ended: its key was removed')
        self.conn.disconnect(asyncssh.DISC_BY_APPLICATION,
                             'the key was removed')
        return True

    def _flow(self, full: bool) -> None:
        self.full = full
        for session in list(self.sessions):
            session.flow_changed()

    def begin_auth(self, username: str) -> bool:
        """Any user name will do; the key decides."""
        self.conn.set_authorized_keys(self._keys)
        return True

    def session_requested(self) -> Any:
        """Open a session unless there are too many, or the key is removed.

        What it is for is not known yet: see ``may_attach``.
        """
        if self.end_if_removed():
            return False
        if self.channels >= CHANNELS_MAX:
            self._refused()
            return False
        self.channels += 1
        return ssh_session.Session(self._server, self)

    def may_attach(self) -> bool:
        """Whether there is room for one more client of the console; who only
        ends others' sessions needs none."""
        if self._server.clients < rms.CLIENTS_MAX:
            return True
        self._refused()
        return False

    def _refused(self) -> None:
        self._server.log.say(f'full {self.source}', 'warning',
                             f'{self.name} refused: too many sessions')


class SshServer:
    """Listens for SSH connections."""

    def __init__(self, context: rms.Context) -> None:
        self.context = context
        self.log = once.Once(context.log)
        self.attached: set[ssh_session.Session] = set()
        self._pending: admission.Pending[Connection] = admission.Pending(
            PENDING_MAX)
        self._logged_in: set[Connection] = set()
        self._attempts = admission.Attempts(LOG_INS, time.monotonic)
        self._keys: tuple[tuple[str, ...], asyncssh.SSHAuthorizedKeys] = (
            (), asyncssh.import_authorized_keys(''))
        self._acceptor: asyncssh.SSHAcceptor | None = None
        self._host_keys: ssh_keys.HostKeys | None = None

    @property
    def clients(self) -> int:
        """Clients that are attached to the console."""
        return len(self.attached)

    @property
    def port(self) -> int:
        """The TCP port it listens on."""
        assert self._acceptor is not None
        port: int = self._acceptor.sockets[0].getsockname()[1]
        return port

    async def listen(self, host: str, port: int) -> None:
        """Begin to accept.

        :raises OSError: the address cannot be used
        :raises ValueError: the host key cannot be used
        """
        cipher.use()
        ssh_keys.skip_validation()
        self._host_keys = ssh_keys.HostKeys(
            self.context.config.host_key, self.context.log, self._new_keys)
        self._acceptor = await asyncssh.listen(
            host, port, server_factory=lambda: Connection(self),
            # Connections outlive a listener that is opened anew.
            reuse_address=True,
            server_host_keys=self._host_keys.keys, encoding=None,
            kex_algs=ssh_packets.exchanges(),
            line_editor=False,
            window=WINDOW, login_timeout=LOGIN_TIMEOUT_S,
            password_auth=False, kbdint_auth=False, host_based_auth=False,
            gss_host=None, compression_algs=['none'], x11_forwarding=False,
            agent_forwarding=False, allow_scp=False)
        self.reconfigure()

    def begun(self, connection: Connection) -> None:
        """Count a connection; end it, or another one, if need be."""
        if self._attempts.wait_s(connection.source):
            connection.cut('ended too often without logging in')
            return
        dropped = self._pending.add(connection.source, connection)
        if dropped is not None:
            # A source with others is charged: it would flood for nothing.
            dropped.made_room = dropped.source not in {
                each.source for each in self._pending}
            dropped.cut('was the oldest of too many that do not log in')

    def logged_in(self, connection: Connection) -> None:
        """Count it as one that has logged in; end it if there are many."""
        self._pending.remove(connection)
        self._attempts.succeeded(connection.source)
        if len(self._logged_in) >= LOGGED_IN_MAX:
            self.log.say(f'connections {connection.source}', 'warning',
                         f'{connection.name} refused: too many connections')
            connection.conn.disconnect(asyncssh.DISC_TOO_MANY_CONNECTIONS,
                                       'too many connections')
            return
        if not connection.end_if_removed():
            self._logged_in.add(connection)

    def ended(self, connection: Connection) -> None:
        """Forget a connection that ended."""
        self._logged_in.discard(connection)
        self._pending.remove(connection)
        if connection.has_cost:
            self._attempts.failed(connection.source)
            self.log.say(f'log-in {connection.source}', 'info',
                         f'{connection.name} did not log in')

    def authorized_keys(self) -> asyncssh.SSHAuthorizedKeys:
        """The keys that may log in now; read once for each configuration."""
        lines = self.context.config.authorized_keys
        if self._keys[0] != lines:
            self._keys = lines, ssh_keys.authorized_keys(
                lines, self.context.log)
        return self._keys[1]

    def reconfigure(self) -> None:
        """See rms.Server; the rest of it is read at each use. Who has logged
        in with a key that was removed is ended."""
        for connection in list(self._logged_in):
            connection.end_if_removed()
        if self._host_keys is not None:
            self._host_keys.add(self.context.config.host_keys)

    def _new_keys(self) -> None:
        if self._acceptor is not None and self._host_keys is not None:
            self._acceptor.update(server_host_keys=self._host_keys.keys)

    async def close(self) -> None:
        """Accept no more; the clients that are attached stay."""
        if self._acceptor is not None:
            self._acceptor.close()


async def start(context: rms.Context) -> SshServer:
    """Listen on the configured address; see ``rms``.

    :raises OSError: the address cannot be used
    :raises ValueError: the host key cannot be used
    """
    server = SshServer(context)
    await server.listen(str(context.config.address.ip),
                        context.config.ssh_port)
    return server
