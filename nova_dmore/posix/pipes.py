# SPDX-License-Identifier: Apache-2.0
"""What the kernel tells about a pipe, and does with what is in it."""

import array
import fcntl
import os
import termios

#: <linux/sockios.h>. For a unix socket it gives memory, not bytes: some
#: hundreds for an unread byte, and 1 while the buffer of one is being freed.
_SIOCOUTQ = termios.TIOCOUTQ
_BEING_FREED = 1

#: How much is read at once of what is thrown away.
_READ_MAX = 1 << 16


def unread(descriptor: int) -> int:
    """-> how many bytes lie in a pipe; or, of a socket in which at most one
    byte was put, 1 if its peer has not read it, else 0."""
    if _is_socket(descriptor):
        return int(_ioctl(descriptor, _SIOCOUTQ) > _BEING_FREED)
    return waiting(descriptor)


def waiting(descriptor: int) -> int:
    """-> how many bytes can be read from a pipe or a socket."""
    return _ioctl(descriptor, termios.FIONREAD)


def _is_socket(descriptor: int) -> bool:
    try:        # fstat(2) would tell, but a worker may not call it
        fcntl.fcntl(descriptor, fcntl.F_GETPIPE_SZ)
    except OSError:
        return True
    return False


def _ioctl(descriptor: int, request: int) -> int:
    number = array.array('i', [0])
    fcntl.ioctl(descriptor, request, number)
    return number[0]


def splice(source: int, sink: int, most: int) -> int | None:
    """Move bytes between two pipes, or a pipe and a socket.

    Whoever is killed meanwhile, they are in one of the two.

    -> how many were moved; None: there are none, or no room; 0: the end.
    """
    try:
        return os.splice(source, sink, most, flags=os.SPLICE_F_NONBLOCK)
    except BlockingIOError:
        return None
    except OSError:
        # A socket that fails is at its end, whatever the reason. A pipe is the
        # keeper's own, and has no reason to fail.
        if not (_is_socket(source) or _is_socket(sink)):
            raise
        return 0


def throw_away(descriptor: int, most: int) -> int | None:
    """Take bytes out of a pipe or a socket, for nobody.

    -> how many; None: there are none; 0: the end.
    """
    try:
        return len(os.read(descriptor, min(most, _READ_MAX)))
    except BlockingIOError:
        return None
    except OSError:
        return 0


def empty(descriptor: int) -> int:
    """Throw away what is in a pipe -> how many bytes."""
    count = 0
    try:
        while data := os.read(descriptor, _READ_MAX):
            count += len(data)
    except BlockingIOError:
        pass
    return count


def resize(descriptor: int, size: int) -> bool:
    """Give a pipe room for so many bytes -> whether it could be; not if there
    are more in it."""
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, size)
    except OSError:
        return False
    return True
