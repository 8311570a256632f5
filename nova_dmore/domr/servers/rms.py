# SPDX-License-Identifier: Apache-2.0
"""Remote management servers: how the agent finds and runs them.

A server is a module with a coroutine ``start(context)`` that returns a
``Server``; the entry points ``nova_dmore.rms`` of this package, or of another
that is installed where the image is built, name them.
"""

import asyncio
import dataclasses
import importlib
import pathlib
import socket
import struct
from collections.abc import Callable
from typing import Protocol

from nova_dmore.domr import config as config_module
from nova_dmore.domr import console as console_module
from nova_dmore.domr import instance_state
from nova_dmore.domr import lines
from nova_dmore.domr import pace
from nova_dmore.domr import screen as screen_module
from nova_dmore.domr import sessions as sessions_module

#: The entry points that the image was built with, ``name = module`` a line.
RMS_FILE = pathlib.Path('/etc/nova-dmore/rms')

#: Clients of one server that are attached at a time.
CLIENTS_MAX = 16

#: What a client is told for which there is no room.
FULL = ('too many clients are attached to this console; close one, or try '
        'again later')

#: What a client is told whose session is ended so.
ENDED = 'an operator, or another user of this console, has ended this session'

#: A client for which so many bytes wait is told nothing more, however often
#: the instance boots: notices come beside the output, which waits elsewhere.
TOLD_MAX = 1 << 14

#: How many times as large the kernel's send buffer for a client of the serial
#: console is as the buffer in this process: the kernel also counts its own
#: overhead there, and what was sent and not acknowledged yet.
_KERNEL_ROOM = 4

# struct tcp_info of <linux/tcp.h>: tcpi_bytes_acked.
_BYTES_ACKED_OFFSET = 120
_TCP_INFO_SIZE = 192


@dataclasses.dataclass
class Context:
    """What a server may use.

    ``config`` is replaced when the host sends another one: read it anew at
    each use. ``changed`` is to be called when the number of clients changes.
    ``sessions`` is to be told of each client.
    ``start_vnc`` starts the process of the VNC sessions and returns the link
    to it (see ``supervisor.Supervisor`` and ``vnc/native/protocol.h``); it
    raises OSError if it cannot. ``instance`` tells what the instance does.
    """

    config: config_module.Config
    console: console_module.Console
    screen: screen_module.Screen
    input: lines.InputLine
    log: console_module.Log
    changed: Callable[[], None]
    start_vnc: Callable[[], socket.socket]
    sessions: sessions_module.Sessions
    instance: instance_state.InstanceState


class Server(Protocol):
    """A running server."""

    @property
    def clients(self) -> int:
        """Clients that are attached to the console."""

    def reconfigure(self) -> None:
        """The context has another configuration, with the same addresses.

        Neither the listener nor a client is to notice, but a client that may
        not be here any more. Called after ``close`` too, while clients stay.

        :raises OSError, ValueError: it cannot be used; go on as before
        """

    async def close(self) -> None:
        """Accept no more; the clients that are attached stay."""


def modules(path: pathlib.Path = RMS_FILE) -> dict[str, str]:
    """Names and modules of the servers in this image.

    :raises OSError: the image has no list of them
    """
    servers = {}
    for line in path.read_text().splitlines():
        name, _, value = line.partition('=')
        servers[name.strip()] = value.strip()
    return servers


async def start(module: str, context: Context) -> Server:
    """Start the server of a module.

    :raises OSError: it cannot listen
    """
    server: Server = await importlib.import_module(module).start(context)
    return server


def bound_buffers(transport: asyncio.Transport, size: int = pace.MOST
                  ) -> None:
    """Let little output wait for a client of the serial console.

    :param transport: of its TCP connection
    :param size: how many bytes, see ``pace``
    """
    if transport.is_closing():
        return
    transport.set_write_buffer_limits(high=size)
    transport.get_extra_info('socket').setsockopt(
        socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_ROOM * size)


def bytes_acked(sock: socket.socket | None) -> int:
    """How many bytes the peer of a TCP connection has acknowledged so far.

    Unlike the amount that is buffered, it only grows, and by each byte that
    reaches the other side. 0 if the socket is closed.
    """
    if sock is None:
        return 0
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO,
                               _TCP_INFO_SIZE)
    except OSError:
        return 0
    if len(info) < _BYTES_ACKED_OFFSET + 8:
        return 0
    acked: int = struct.unpack_from('<Q', info, _BYTES_ACKED_OFFSET)[0]
    return acked
