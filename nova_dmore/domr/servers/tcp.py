# SPDX-License-Identifier: Apache-2.0
"""What every TCP connection of a client is set to.

There is no ``TCP_USER_TIMEOUT``: Linux also ends with it a connection whose
peer answers, but reads nothing for so long (``tcp_probe_timer``). Such a
client is to be waited for. Output that nobody acknowledges is given up after
``tcp_retries2`` retransmissions instead (``init/settings.c``), which takes
as long as the keepalives of a connection that is silent.
"""

import socket

#: A connection whose peer has gone without a word ends after
#: KEEPALIVE_IDLE_S + KEEPALIVE_INTERVAL_S * KEEPALIVE_PROBES = 300 seconds:
#: it outlives a switch or a router that starts anew, and a place among the
#: clients comes back in minutes.
KEEPALIVE_IDLE_S = 60
KEEPALIVE_INTERVAL_S = 15
KEEPALIVE_PROBES = 16


def prepare(connection: socket.socket) -> None:
    """Set an accepted connection; also asyncio's ``TransportSocket``.

    :raises OSError: it has gone already
    """
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
            (socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_S),
            (socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S),
            (socket.TCP_KEEPCNT, KEEPALIVE_PROBES)):
        connection.setsockopt(socket.IPPROTO_TCP, option, value)
