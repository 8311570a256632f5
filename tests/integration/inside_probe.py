# SPDX-License-Identifier: Apache-2.0
"""A server of Domain R that tries what the agent must not be able to do.

Only in the image of the tests. It is loaded into the agent, so what it meets
is what would meet somebody who had taken over the agent.
"""

import errno
import mmap
import os
import socket
from collections.abc import Callable
from typing import Any

#: Listened on beside the three ports, with nothing that answers.
OTHER_PORT = 7777
#: Of the machine next to it.
NEIGHBOUR = '192.0.2.1'


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)


def _listen() -> socket.socket:
    listener = socket.socket()
    listener.bind(('0.0.0.0', OTHER_PORT))
    listener.listen()
    return listener


def _connect(options: int) -> None:
    with socket.socket() as sock:
        sock.settimeout(3)
        sock.bind(('0.0.0.0', 0))
        if options:
            sock.sendto(b'x', options, (NEIGHBOUR, 8080))
        else:
            sock.connect((NEIGHBOUR, 8080))


def _open(path: str, mode: str) -> None:
    with open(path, mode):
        pass


ATTEMPTS: dict[str, Callable[[], Any]] = {
    'packet': lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
    'raw': lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW,
                                 socket.IPPROTO_ICMP),
    'ping': lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM,
                                  socket.IPPROTO_ICMP),
    'udp': lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
    'netlink': lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
    'unix': lambda: socket.socket(socket.AF_UNIX),
    'connect': lambda: _connect(0),
    'fast_open': lambda: _connect(socket.MSG_FASTOPEN),
    'fork': _fork,
    'write': lambda: _open('/etc/x', 'w'),
    'setting': lambda: _open('/proc/sys/net/ipv4/ip_default_ttl', 'w'),
    'disk': lambda: _open('/dev/vda', 'rb'),
    'other_process': lambda: _open('/proc/1/status', 'r'),
    'setuid': lambda: os.setuid(0),
    'signal': lambda: os.kill(1, 0),
    'code': lambda: mmap.mmap(-1, 4096, prot=7),
}


class Server:
    """One that nobody can use."""

    clients = 0

    def __init__(self, kept: list[Any]) -> None:
        self.kept = kept

    def reconfigure(self) -> None:
        """Nothing of it is configured."""

    async def close(self) -> None:
        for each in self.kept:
            each.close()


async def start(context: Any) -> Server:
    """Try all, and log what came of each."""
    for name, attempt in ATTEMPTS.items():
        try:
            attempt()
            result = 'done'
        except OSError as error:
            result = errno.errorcode[error.errno]
        context.log('info', f'probe {name} {result}')
    # Keys for TLS are given to Python's library in such a file.
    with open(os.memfd_create('x'), 'wb') as file:
        file.write(bytes(50000))
    first = context.start_vnc()
    first.settimeout(10)
    first.recv(4096)
    second = context.start_vnc()
    second.settimeout(10)
    ended = first.recv(4096) == b''
    context.log('info', f'probe old_vnc {"ended" if ended else "lives"}')
    for line in second.recv(4096).decode().splitlines():
        context.log('info', f'probe vnc:{line}')
    context.log('info', 'probe all tried')
    return Server([_listen(), second])
