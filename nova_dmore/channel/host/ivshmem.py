# SPDX-License-Identifier: Apache-2.0
"""The ivshmem server's side of a connection from Domain R's QEMU.

The messages are those of QEMU's docs/specs/ivshmem-spec.txt: 64-bit signed
integers, some with a descriptor. Ids and vectors are the same on every host,
so that the device that arrives by migration fits the one it left.
"""

import array
import os
import select
import socket
import struct

from nova_dmore.channel import errors
from nova_dmore.channel.host import unread
from nova_dmore import wire

#: How long QEMU's end of the socket may stay full during the greeting.
_SEND_TIMEOUT_MS = 1000
#: Bytes that are thrown away, of a QEMU that never sends any.
_SENT_MAX = 1 << 16


def make_eventfds() -> list[int]:
    """One non-blocking eventfd per vector; the caller closes them."""
    return [os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            for _ in wire.Vector]


class IvshmemServer:
    """Gives Domain R's QEMU the region and the doorbells.

    It listens on nothing itself: the keeper accepts, refuses a second peer
    while the first one lives, and hands the others to ``connected``.

    :ivar memory: memfd of the region that the next one is given
    :ivar connection: the current one, None without
    """

    def __init__(self, memory: int, host_eventfds: list[int],
                 domain_r_eventfds: list[int]) -> None:
        """Take descriptors, which stay the caller's.

        :param memory: memfd of the region
        :param host_eventfds: Domain R rings them, one per vector
        :param domain_r_eventfds: the host rings them, one per vector
        """
        self.memory = memory
        self._host_eventfds = host_eventfds
        self._domain_r_eventfds = domain_r_eventfds
        self.connection: socket.socket | None = None
        self._sent = 0
        self._unread = unread.Unread()

    def connected(self, connection: socket.socket) -> None:
        """Greet a new connection; it replaces an older one.

        :raises IvshmemError: it broke, or earlier greetings were not read;
            it is closed
        """
        self.disconnected()
        if self._unread.are_too_many():
            connection.close()
            raise errors.IvshmemError(
                'Domain R\'s QEMU has not read its last greetings')
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
        self._sent = 0
        messages = [(wire.IVSHMEM_PROTOCOL_VERSION, None),
                    (wire.DOMAIN_R_PEER, None),
                    (-1, self.memory)]
        messages += [(wire.HOST_PEER, each) for each in self._host_eventfds]
        messages += [(wire.DOMAIN_R_PEER, each)
                     for each in self._domain_r_eventfds]
        try:
            for value, descriptor in messages:
                _send(connection, value, descriptor)
        except (OSError, errors.IvshmemError) as error:
            self._unread.end(connection)
            raise errors.IvshmemError(
                f'the greeting of Domain R\'s QEMU failed: {error}'
            ) from error
        self.connection = connection

    def readable(self) -> bool:
        """Check the current connection when its socket is readable.

        QEMU never sends anything: bytes are thrown away, but not for ever.

        :returns: whether it is still there; if not it is closed
        """
        if self.connection is None:
            return False
        try:
            count = len(self.connection.recv(4096))
            self._sent += count
            if count and self._sent <= _SENT_MAX:
                return True
        except BlockingIOError:
            return True
        except OSError:
            pass    # as good as the end of the stream
        self.disconnected()
        return False

    def close(self) -> None:
        """Close all connections."""
        self.disconnected()
        self._unread.close()

    def disconnected(self) -> None:
        """End the current connection, if there is one."""
        if self.connection is not None:
            self._unread.end(self.connection)
            self.connection = None


def _send(connection: socket.socket, value: int,
          descriptor: int | None) -> None:
    ancillary = []
    if descriptor is not None:
        ancillary.append((socket.SOL_SOCKET, socket.SCM_RIGHTS,
                          array.array('i', [descriptor])))
    data = struct.pack('<q', value)
    while True:
        try:
            sent = connection.sendmsg([data], ancillary)
        except BlockingIOError:
            poller = select.poll()
            poller.register(connection, select.POLLOUT)
            if not poller.poll(_SEND_TIMEOUT_MS):
                raise errors.IvshmemError('the socket stays full') from None
            continue
        if sent != len(data):
            # A stream socket of this family takes eight bytes or none.
            raise errors.IvshmemError('a message was cut')
        return
