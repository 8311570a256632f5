# SPDX-License-Identifier: Apache-2.0
"""Who is at the other end of a socket, and whether it may be.

The permissions of directory and socket keep everybody out but QEMU's user.
On most hosts all QEMUs are that user, so what tells them apart is the label
that the host's mandatory access control gave them. Where there is none, a
stranger gets in only by being faster than QEMU: while that is connected,
nobody else is let in.
"""

import dataclasses
import errno
import logging
import socket
from collections.abc import Callable
from typing import TypeAlias

from nova_dmore.channel import text
from nova_dmore.posix import loop as loop_module
from nova_dmore.posix import unix_connect

LOG = logging.getLogger(__name__)

_SO_PEERSEC = 31        # asm-generic/socket.h
_LABEL_MAX = 1024       # the most that socket.getsockopt reads

#: How long after a connection the next one is accepted, in seconds.
_ACCEPT_PAUSE_S = 0.05


class RefusedError(Exception):
    """A peer is not let in."""


@dataclasses.dataclass(frozen=True)
class Peer:
    """The process that connected, or that listens where we did."""

    pid: int
    #: What its security module calls it; None: the host has none, or one
    #: that does not tell.
    label: str | None

    def __str__(self) -> str:
        return f'process {self.pid}'


#: Called with a connection and whose it is; it may raise RefusedError.
Accepted: TypeAlias = Callable[[socket.socket, Peer], None]


def peer_of(sock: socket.socket) -> Peer:
    """Who is at the other end of a unix socket."""
    pid, _, _ = unix_connect.credentials(sock)
    try:
        label = sock.getsockopt(socket.SOL_SOCKET, _SO_PEERSEC, _LABEL_MAX)
    except OSError as e:
        if e.errno != errno.ENOPROTOOPT:
            raise
        label = b''
    return Peer(pid, label.rstrip(b'\0').decode(errors='replace') or None)


def check_label(peer: Peer, profile: str) -> None:
    """Let in whom the host's security module takes for a domain's QEMU.

    AppArmor's label names the domain. SELinux' only tells that it is a
    virtual machine: which one its own rules know. A QEMU that libvirt was
    told not to confine has the label of everybody who is not confined.

    :param profile: libvirt's AppArmor profile of the domain.
    :raises RefusedError: it is another's.
    """
    if peer.label is None:
        return
    kind = peer.label.split(':')[2:3]
    if kind:                                    # user:role:type:level
        if kind[0].startswith(('svirt', 'unconfined')):
            return
    elif peer.label.split(' (')[0] in (profile, 'unconfined'):
        return
    raise RefusedError(
        f'{peer} has the label {text.printable(peer.label)}')


class Acceptor:
    """Accepts at one socket.

    :param profile: that of the QEMU which may connect, None: of nobody, and
        whoever reaches the socket may.
    :param accepted: called with (socket, Peer); it may raise RefusedError.
    """

    def __init__(self, loop: loop_module.Loop,
                 listener: socket.socket, profile: str | None,
                 accepted: Accepted) -> None:
        self._loop = loop
        self._listener = listener
        self._profile = profile
        self._accepted = accepted
        #: Whether a refusal was logged since the last connection.
        self._is_told = False

    def start(self) -> None:
        """Accept until the listener is closed."""
        if self._listener.fileno() >= 0:
            self._loop.add_reader(self._listener, self._accept)

    def stop(self) -> None:
        """Accept no more; the listener stays open."""
        self._loop.remove_reader(self._listener)

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError as e:
            LOG.warning('Not accepted: %s', e)
            self._pause()
            return
        if self._profile is not None:
            # Whoever connects again and again is not served at that rate.
            self._pause()
        try:
            peer = peer_of(sock)
            if self._profile is not None:
                check_label(peer, self._profile)
            self._accepted(sock, peer)
            self._is_told = False
        except (OSError, RefusedError) as e:
            sock.close()
            if not self._is_told:
                # Once: who is refused may come back for ever.
                LOG.warning('Refused at %s: %s', self._listener.getsockname(),
                            e)
                self._is_told = True

    def _pause(self) -> None:
        self.stop()
        self._loop.call_later(_ACCEPT_PAUSE_S, self.start)
