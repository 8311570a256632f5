# SPDX-License-Identifier: Apache-2.0
"""Unix sockets to somebody less trusted."""

import os
import select
import socket
import struct

_CREDENTIALS = struct.Struct('iII')     # struct ucred: pid, uid, gid


def prepare(sock: socket.socket) -> None:
    """Make a socket non-blocking, with nothing in it but a stream of bytes.

    Out-of-band data (MSG_OOB, unix(7)) would make it readable, and no call
    that reads would return it: a loop without an end.
    """
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)


def credentials(sock: socket.socket) -> tuple[int, int, int]:
    """-> process, user and group of a peer, as the kernel noted them when it
    connected, or began to listen."""
    pid, uid, gid = _CREDENTIALS.unpack(sock.getsockopt(
        socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return pid, uid, gid


def has_hung_up(sock: socket.socket) -> bool:
    """Whether the peer has closed its end, read or not what it sent."""
    poll = select.poll()
    poll.register(sock, 0)      # a hang-up is reported nevertheless
    return any(what & select.POLLHUP for _, what in poll.poll(0))


def connect(path: str) -> socket.socket:
    """-> a connected, non-blocking stream socket.

    QEMU made the file in a directory that it could write (release 0.2): a
    symbolic link there would lead to any socket that this process may use.
    The kernel connects to nothing of what is opened here but a socket.

    :raises OSError: nobody listens, or it is no socket.
    """
    place = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            prepare(sock)
            sock.connect(f'/proc/self/fd/{place}')
        except OSError:
            sock.close()
            raise
        return sock
    finally:
        os.close(place)


def connect_to(path: str, process: int | None) -> socket.socket:
    """As :func:`connect`, if it is a process that listens there.

    :raises OSError: likewise; ConnectionRefusedError: somebody else does.
    """
    sock = connect(path)
    if credentials(sock)[0] != process:
        sock.close()
        raise ConnectionRefusedError(f'somebody else listens at {path}')
    return sock
