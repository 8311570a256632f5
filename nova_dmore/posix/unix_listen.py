# SPDX-License-Identifier: Apache-2.0
"""Unix sockets at which only some users may connect, from the beginning."""

import contextlib
import os
import socket


def listen(path: str, mode: int, backlog: int, group: int | None = None,
           kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    """Listen at a path, in place of what lies there.

    :param mode: permissions of the file; nobody has more before it is set.
    :param group: of the file; None: that of this process.
    :returns: a socket that does not block.
    :raises OSError: it cannot be made.
    """
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX, kind)
    before = os.umask(0o177)
    try:
        listener.bind(path)
    finally:
        os.umask(before)
    if group is not None:
        os.chown(path, -1, group)
    os.chmod(path, mode)
    listener.listen(backlog)
    listener.setblocking(False)
    return listener
