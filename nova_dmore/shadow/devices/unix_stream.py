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
"""A unix stream socket, and what the kernel tells about it."""

import array
import enum
import fcntl
import select
import socket
import termios

_SIOCOUTQ = termios.TIOCOUTQ    # the same numbers for sockets
_SIOCINQ = termios.FIONREAD

#: An unread byte counts as its whole buffer, hundreds of bytes. A buffer
#: that the reader is just giving back counts as one for a moment.
_BEING_FREED = 1


class Fate(enum.Enum):
    """What became of the byte that was sent last."""

    UNREAD = 'unread'
    TAKEN = 'taken'
    RETURNED = 'returned'   # the peer closed without having read it


class UnixStream:
    """One connection.

    :param sock: connected; it is made non-blocking.
    """

    def __init__(self, sock):
        sock.setblocking(False)
        self._sock = sock
        self._reset = False

    def fileno(self):
        """-> the descriptor, for an event loop."""
        return self._sock.fileno()

    def close(self):
        """Close this end's descriptor."""
        self._sock.close()

    def queued(self):
        """-> number of bytes that can be received."""
        return self._ioctl(_SIOCINQ)

    def peek(self, count):
        """-> the first queued bytes, at most ``count``; they stay queued."""
        return self._receive(count, socket.MSG_PEEK)

    def receive(self, count):
        """-> at most ``count`` bytes, b'' at the end, None: none now."""
        return self._receive(count, 0)

    def send_byte(self, byte):
        """Send one byte -> whether it was accepted."""
        try:
            return self._sock.send(byte, socket.MSG_NOSIGNAL) == 1
        except (BlockingIOError, BrokenPipeError):
            return False
        except ConnectionResetError:
            self._reset = True
            return False

    def fate(self):
        """-> the :class:`Fate` of the one byte that was sent last.

        SIOCOUTQ counts memory, not bytes: it can only tell nothing from
        something, so at most one byte may be on its way. A peer that closes
        throws its queue away, which looks as if it had read it; but the
        kernel sets ECONNRESET before it does so.
        """
        if self._ioctl(_SIOCOUTQ) > _BEING_FREED:
            return Fate.UNREAD
        if self.hung_up() and self._sock.getsockopt(
                socket.SOL_SOCKET, socket.SO_ERROR):
            self._reset = True
        return Fate.RETURNED if self._reset else Fate.TAKEN

    def hung_up(self):
        """-> whether the peer is gone."""
        poll = select.poll()
        poll.register(self._sock, 0)    # POLLHUP and POLLERR come unasked
        return bool(poll.poll(0))

    def _receive(self, count, flags):
        try:
            return self._sock.recv(count, flags)
        except BlockingIOError:
            return None
        except ConnectionResetError:
            # Reading the error clears it, and fate() needs it.
            self._reset = True
            return b''

    def _ioctl(self, request):
        number = array.array('i', [0])
        fcntl.ioctl(self._sock.fileno(), request, number)
        return number[0]
