# SPDX-License-Identifier: Apache-2.0
"""Connections that have ended with descriptors that nobody has read.

Descriptors that are under way count for the user of the process that sent
them, whom pairs share: a QEMU that connects again and again and reads nothing
would use up what all of them may have (RLIMIT_NOFILE, unix(7)).
"""

import array
import contextlib
import fcntl
import socket
import termios

#: What is counted of a socket when its peer has read everything.
_BEING_FREED = 1
#: So many may be unread before nothing else is sent.
_MOST = 2


class Unread:
    """Ended connections of one sender whose descriptors may be unread."""

    def __init__(self) -> None:
        # Not closed: then nobody could tell how many there are.
        self._ended: list[socket.socket] = []

    def end(self, connection: socket.socket) -> None:
        """End a connection; it is closed when all in it is read."""
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        self._ended.append(connection)
        self._close_what_is_read()

    def are_too_many(self) -> bool:
        """Whether nothing else is to be sent for now."""
        self._close_what_is_read()
        return len(self._ended) >= _MOST

    def close(self) -> None:
        """Close all of them."""
        for each in self._ended:
            each.close()
        self._ended.clear()

    def _close_what_is_read(self) -> None:
        unread = []
        for each in self._ended:
            if _is_unread(each):
                unread.append(each)
            else:
                each.close()
        self._ended = unread


def _is_unread(connection: socket.socket) -> bool:
    """Whether the peer has not read all, nor closed its end."""
    number = array.array('i', [0])
    fcntl.ioctl(connection, termios.TIOCOUTQ, number)
    return number[0] > _BEING_FREED
