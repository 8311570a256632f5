# SPDX-License-Identifier: Apache-2.0
"""What asyncssh leaves open on a connection of its: bounds, and savings.

All of it is set on one connection, before its first byte was received.
"""

from collections.abc import Callable
from typing import Any

import asyncssh
from asyncssh import constants
from asyncssh import kex

#: Bytes that a client may send before it has logged in, in all. A log-in
#: takes some thousand, with a key of 4096 bits about 3000 for each try.
BEFORE_LOGIN_MAX = 1 << 17
#: Bytes that may wait for the rest of their packet afterwards; asyncssh
#: takes any length that a packet claims to have.
UNPARSED_MAX = 1 << 21
#: Bytes that may wait for a client that sends but does not read. Output of
#: the console waits elsewhere, so this much is answers to requests.
UNREAD_MAX = 1 << 20
#: Pieces of what a channel has received and nobody has taken yet: each of
#: them costs more memory than a byte, which is all that it may have.
PIECES_MAX = 64
#: What the names of the key exchanges begin with that are offered: those that
#: OpenSSL does. asyncssh calculates the others, which no client needs that has
#: appeared since 2011, in Python, or makes an RSA key for them: a second of a
#: fast processor for each client that asks for one, in which nobody else is
#: served.
_EXCHANGES = (b'mlkem768', b'sntrup761', b'curve25519-', b'ecdh-sha2-nistp')


def exchanges() -> list[str]:
    """The names of the key exchanges that are offered."""
    return [name.decode() for name in kex.get_default_kex_algs()
            if name.startswith(_EXCHANGES)]


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
        _join_pieces(conn)
        transport = getattr(conn, '_transport')
        if len(getattr(conn, '_inpbuf')) > UNPARSED_MAX:
            exceeded('sent too long a packet')
        elif (transport is not None
                and transport.get_write_buffer_size() > UNREAD_MAX):
            exceeded('does not read what it asks for')

    setattr(conn, 'data_received', data_received)


def _join_pieces(conn: asyncssh.SSHServerConnection) -> None:
    """The window bounds the bytes that wait in a channel, not in how many
    packets they came."""
    for channel in getattr(conn, '_channels').values():
        waiting: Any = getattr(channel, '_recv_buf', ())
        if len(waiting) > PIECES_MAX:
            # A client sends no other kind of data than this one (None).
            joined = b''.join(data for data, _kind in waiting)
            waiting.clear()
            waiting.append((joined, None))


def exchange_once(conn: asyncssh.SSHServerConnection,
                  has_logged_in: Callable[[], bool]) -> None:
    """Exchange keys with a client once before it has logged in: each time
    costs more than all else that it may ask for."""
    send = conn._send_kexinit
    count = 0

    def send_kexinit() -> None:
        nonlocal count
        count += 1
        if count > 1 and not has_logged_in():
            raise asyncssh.ProtocolError('keys were exchanged already')
        send()

    setattr(conn, '_send_kexinit', send_kexinit)


def read_options_once(conn: asyncssh.SSHServerConnection) -> None:
    """asyncssh reads all options anew, in a thread, for each other name of a
    user that a client gives, as often as it likes. Here they are the same for
    everybody."""
    read = conn.reload_config
    is_read = False

    async def reload_config() -> None:
        nonlocal is_read
        if not is_read:
            is_read = True
            await read()

    setattr(conn, 'reload_config', reload_config)


def keep_no_environment(channel: 'asyncssh.SSHServerChannel[bytes]') -> None:
    """asyncssh keeps all variables that a client sets, however many; there is
    no program here that would have them."""
    setattr(channel, '_process_env_request', lambda _packet: False)


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
