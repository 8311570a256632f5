# SPDX-License-Identifier: Apache-2.0
"""What a keeper may do, once its sockets listen and its FIFOs are open.

It reads what QEMU says over QMP, and what its worker wants. Whoever makes it
run code of his own has its pair, and opens no file: it can name one
(``O_PATH``), and connect to it if it is a socket that this user may use.
"""

import fcntl
import os
import signal
import socket

from nova_dmore.posix import confinement
from nova_dmore.posix import seccomp

#: How much more memory, in bytes, than when it is confined.
MEMORY_MAX = 64 << 20

#: <asm-generic/socket.h>, <linux/net.h>
_SO_PEERSEC = 31
_SOCK_TYPE = 0xf


def _sockets(name: str) -> list[seccomp.Call]:
    """-> ``name`` for each kind of socket that sends to no address."""
    return [seccomp.Call(name, (seccomp.equals(0, socket.AF_UNIX),
                                seccomp.masked(1, _SOCK_TYPE, kind)))
            for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET)]


ALLOWED = (
    *confinement.COMMON,
    *map(seccomp.Call, ('close', 'accept', 'accept4', 'connect', 'shutdown',
                        'sendmsg', 'splice', 'poll', 'ppoll',
                        'rt_sigaction')),
    *_sockets('socket'), *_sockets('socketpair'),
    *confinement.socket_options((socket.SO_PEERCRED, _SO_PEERSEC)),
    # None that gives pidfds of others.
    seccomp.Call('setsockopt', (
        seccomp.equals(1, socket.SOL_SOCKET),
        seccomp.equals(2, socket.SO_OOBINLINE))),
    # What is opened so cannot be read, written, listed or signalled.
    seccomp.Call('openat', (seccomp.equals(
        2, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC),)),
    *confinement.each('fchmod', 1, (0o700,)),
    # To see who is the recorder; it takes no lock.
    *confinement.each('fcntl', 1, (fcntl.F_DUPFD_CLOEXEC, fcntl.F_GETLK,
                                   fcntl.F_SETPIPE_SZ)),
    # Of processes it has no pidfd but its worker's.
    *confinement.each('pidfd_send_signal', 1, (signal.SIGKILL,)),
)

FATAL = confinement.FATAL

_FILTER = seccomp.Filter(ALLOWED, FATAL)


def confine() -> None:
    """Give up all that a keeper does not need, for good.

    Its descriptors are as many as the service may have: what is under way of
    all its user's processes counts against that (ETOOMANYREFS, unix(7)), and
    with fewer one QEMU that does not read would keep those of other pairs
    from getting theirs.

    :raises seccomp.Unavailable: this host cannot; nothing may go on then.
    """
    confinement.confine(_FILTER, {}, MEMORY_MAX, has_peers=True)
