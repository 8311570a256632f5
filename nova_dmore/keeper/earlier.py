# SPDX-License-Identifier: Apache-2.0
"""What the QEMUs of an earlier release expect; they go on until they end.

Release 0.2 has QEMU listen, in the keeper's own directory: for QMP, and with
its VNC server. It is tried there as long as it has not connected. What
comes from a host of that release finds its ``ivshmem.sock`` and its FIFOs
there, too, and may write the directory until its instance belongs here.
"""

import os
import socket
from collections.abc import Callable

from nova_dmore.keeper import peers
from nova_dmore.keeper import qmp
from nova_dmore.link import messages
from nova_dmore.posix import loop as loop_module
from nova_dmore.posix import unix_connect
from nova_dmore import wire

_QMP_SOCKETS = {messages.INSTANCE: wire.INSTANCE_QMP_SOCKET,
                messages.DOMAIN_R: wire.DOMAIN_R_QMP_SOCKET}

#: How often one tries to connect to a QEMU that is not there, in seconds.
_RETRY_INTERVAL_S = 0.05


class Earlier:
    """Connects to the QEMUs of an earlier release.

    :param directory: the keeper's own; it stays open as long as the process
        lives.
    :param profiles: libvirt's AppArmor profile of each domain.
    :param links: the :class:`qmp.QmpLink` of each.
    :param take: called with (vm, socket, Peer) when one is found; it may
        raise peers.RefusedError.
    """

    def __init__(self, loop: loop_module.Loop, directory: str,
                 profiles: dict[str, str], links: dict[str, qmp.QmpLink],
                 take: Callable[[str, socket.socket, peers.Peer], None]
                 ) -> None:
        self._loop = loop
        self._directory = directory
        self._opened = os.open(
            directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._profiles = profiles
        self._links = links
        self._take = take
        #: The last of each VM.
        self._found: dict[str, peers.Peer] = {}
        self._timer: loop_module.Handle | None = None

    def start(self) -> None:
        """Try each that is not connected. Called again when a connection
        has ended."""
        self.close()
        self._timer = self._loop.call_later(0, self._connect_missing)

    def close(self) -> None:
        """Try no more."""
        if self._timer is not None:
            self._timer.cancel()

    def is_here(self, vm: str) -> bool:
        """Whether the connection of a VM was made here."""
        return vm in self._found and (
            self._links[vm].living_peer() is self._found[vm])

    def connect_display(self) -> socket.socket:
        """-> a connection to the VNC server of an instance that is here.

        :raises OSError: nobody listens.
        """
        return self._connect(wire.DISPLAY_SOCKET)

    def shut_out(self) -> None:
        """Nobody else comes: the directory is the keeper's alone."""
        os.fchmod(self._opened, 0o700)

    def _connect_missing(self) -> None:
        for vm, link in self._links.items():
            if link.state is qmp.LinkState.AWAY:
                self._try_connect(vm)
        if any(link.state is not qmp.LinkState.READY
               for link in self._links.values()):
            self._timer = self._loop.call_later(
                _RETRY_INTERVAL_S, self._connect_missing)

    def _try_connect(self, vm: str) -> None:
        try:
            sock = self._connect(_QMP_SOCKETS[vm])
        except OSError:
            return
        try:
            peer = peers.peer_of(sock)
            peers.check_label(peer, self._profiles[vm])
            self._take(vm, sock, peer)
            self._found[vm] = peer
        except (OSError, peers.RefusedError):
            sock.close()

    def _connect(self, name: str) -> socket.socket:
        return unix_connect.connect(os.path.join(self._directory, name))
