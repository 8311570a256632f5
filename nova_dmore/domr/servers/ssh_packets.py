# SPDX-License-Identifier: Apache-2.0
"""What asyncssh leaves open on a connection of its: bounds, and savings.

All of it is set on one connection, before its first byte was received.
"""

from collections.abc import Callable
from typing import Any

import asyncssh
from asyncssh import constants

#: Bytes that a client may send before it has logged in, in all. A log-in
#: takes some thousand, with a key of 4096 bits about 3000 for each try.
BEFORE_LOGIN_MAX = 1 << 17
#: Bytes that may wait for the rest of their packet afterwards; asyncssh
#: takes any length that a packet claims to have.
UNPARSED_MAX = 1 << 21
#: Bytes that may wait for a client that sends but does not read. Output of
#: the console waits elsewhere, so this much is answers to requests.
UNREAD_MAX = 1 << 20


def bound(conn: asyncssh.SSHServerConnection,
          has_logged_in: Callable[[], bool],
          exceeded: Callable[[str], None]) -> None:
    """Have a connection take and keep no more than the above.

    :param exceeded: ends the connection; called with what it did
    """
    receive = conn.data_received
    count = 0

    def data_received(data: bytes, datatype: int | None = None) -> None:
        nonlocal count
        if not has_logged_in():
            count += len(data)
            if count > BEFORE_LOGIN_MAX:
                exceeded('sent too much before it logged in')
                return
        receive(data, datatype)
        transport = getattr(conn, '_transport')
        if len(getattr(conn, '_inpbuf')) > UNPARSED_MAX:
            exceeded('sent too long a packet')
        elif (transport is not None
                and transport.get_write_buffer_size() > UNREAD_MAX):
            exceeded('does not read what it asks for')

    setattr(conn, 'data_received', data_received)


def leave_out_empty(conn: asyncssh.SSHServerConnection) -> None:
    """Leave out the empty packet that asyncssh sends before each other one.

    It protects a mode of ciphers (CBC) that this server does not offer, and
    costs as much as a packet with output.
    """
    send = conn.send_packet

    def send_packet(kind: int, *arguments: bytes, **options: Any) -> None:
        if kind != constants.MSG_IGNORE:
            send(kind, *arguments, **options)

    setattr(conn, 'send_packet', send_packet)


def say_nothing(of: object) -> None:
    """asyncssh makes a text of each packet for a log that nobody keeps."""
    for name in ('log_sent_packet', 'log_received_packet'):
        setattr(of, name, lambda *_arguments, **_options: None)
