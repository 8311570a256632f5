# SPDX-License-Identifier: Apache-2.0
"""What comes before the desktop: version, security, ClientInit (RFB 3.8).

RFC 6143, section 7.1 and 7.2; VeNCrypt as nova-novncproxy and QEMU speak it.
It is done here and not in the library, so that a client that has shown
nothing yet costs no thread.
"""

import asyncio
import dataclasses
import hmac
import math
import os
import re
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeAlias

VERSION = b'RFB 003.008\n'
_VERSION = re.compile(rb'RFB 003\.(\d\d\d)\n')

_NONE = 1
_VNC = 2
_VENCRYPT = 19
_VENCRYPT_VERSION = b'\x00\x02'
_X509_NONE = 260
_CHALLENGE_SIZE = 16

#: After how many seconds a wrong password is answered.
_WRONG_PASSWORD_S = 1.0
#: A client that has to wait no longer than this before its password is
#: checked waits; any other is refused.
PATIENCE_S = 5.0

#: What is logged of a client that has to wait.
TOO_MANY = 'has given too many wrong passwords'

#: What VNC authentication answers to a challenge, given a password.
Encrypt: TypeAlias = Callable[[bytes, str], bytes]


class HandshakeError(Exception):
    """The client may not go on, or did not speak RFB; printable."""


class WrongPasswordError(HandshakeError):
    """The client gave a wrong password; ``Tries`` were told."""


class Tries(Protocol):
    """Limits how often passwords are tried; see ``admission``."""

    def wait_s(self) -> float:
        """Seconds until a password may be checked; 0: now."""

    def failed(self) -> None:
        """One was wrong."""

    def succeeded(self) -> None:
        """One was right."""


class Channel(Protocol):
    """A connection to a client during the handshake."""

    async def read(self, count: int) -> bytes:
        """Exactly so many bytes.

        :raises EOFError: it ended before
        """

    async def write(self, data: bytes) -> None:
        """Send bytes, as one segment if they are few."""


class SocketChannel:
    """A plain connection; nothing is read that is not asked for."""

    def __init__(self, connection: socket.socket) -> None:
        """:param connection: does not block"""
        self._connection = connection
        self._loop = asyncio.get_running_loop()

    async def read(self, count: int) -> bytes:
        """See Channel."""
        data = b''
        while len(data) < count:
            part = await self._loop.sock_recv(self._connection,
                                              count - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    async def write(self, data: bytes) -> None:
        """See Channel."""
        await self._loop.sock_sendall(self._connection, data)


class StreamChannel:
    """A connection that is a pair of asyncio's streams."""

    def __init__(self, reader: asyncio.StreamReader,
                 writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def read(self, count: int) -> bytes:
        """See Channel."""
        return await self.reader.readexactly(count)

    async def write(self, data: bytes) -> None:
        """See Channel."""
        self.writer.write(data)
        await self.writer.drain()


@dataclasses.dataclass(frozen=True)
class Terms:
    """What a client may do to get in; at least one of the ways.

    :ivar without: nothing
    :ivar passwords: a password; True with one for view-only clients
    :ivar start_tls: a certificate: makes the channel an encrypted one
    :ivar encrypt: needed for passwords
    :ivar tries: limits them; None: nothing does
    """

    without: bool = False
    passwords: tuple[tuple[str, bool], ...] = ()
    start_tls: Callable[[], Awaitable[StreamChannel]] | None = None
    encrypt: Encrypt | None = None
    tries: Tries | None = None


@dataclasses.dataclass(frozen=True)
class Admission:
    """A client that is in.

    :ivar channel: the one to go on with
    """

    channel: Channel
    view_only: bool
    shared: bool


async def refuse(channel: Channel, reason: str) -> None:
    """Tell a client after its version why it may not go on.

    :raises HandshakeError: it does not speak RFB
    """
    minor = await _version(channel)
    if minor < 7:
        await channel.write(struct.pack('>I', 0) + _text(reason))
    else:
        await channel.write(b'\0' + _text(reason))


async def admit(channel: Channel, terms: Terms) -> Admission:
    """Run the handshake up to ClientInit; ServerInit is the next to send.

    :raises HandshakeError: the client is refused, and was told so
    :raises OSError, EOFError: the connection broke
    """
    minor = await _version(channel)
    security = await _security(channel, terms, minor)
    view_only = False
    if security == _VENCRYPT:
        channel = await _vencrypt(channel, terms)
    if security == _VNC:
        view_only = await _password(channel, terms, minor)
    elif minor >= 8:
        await channel.write(struct.pack('>I', 0))
    shared = (await channel.read(1))[0] != 0
    return Admission(channel, view_only, shared)


async def _version(channel: Channel) -> int:
    await channel.write(VERSION)
    answer = await channel.read(len(VERSION))
    match = _VERSION.fullmatch(answer)
    if match is None:
        raise HandshakeError(f'is no VNC client: {answer!a}')
    minor = int(match[1])
    # Others are to be taken for 3.3 (RFC 6143, 7.1.1); 3.889 is Apple's.
    return 3 if minor < 7 else min(minor, 8)


async def _security(channel: Channel, terms: Terms, minor: int) -> int:
    types = []
    if terms.start_tls is not None:
        types.append(_VENCRYPT)
    if terms.without:
        types.append(_NONE)
    if terms.passwords:
        types.append(_VNC)
    if minor < 7:
        usable = [each for each in types if each != _VENCRYPT]
        if not usable:
            await channel.write(struct.pack('>I', 0) + _text(
                'RFB 3.7 or later is needed'))
            raise HandshakeError('speaks RFB 3.3, which has no VeNCrypt')
        await channel.write(struct.pack('>I', usable[0]))
        return usable[0]
    # One segment: nova-novncproxy takes what one recv() gives.
    await channel.write(bytes([len(types), *types]))
    chosen = (await channel.read(1))[0]
    if chosen not in types:
        if minor >= 8:
            await _fail(channel, 'no such security type')
        raise HandshakeError(f'chose the security type {chosen}')
    return chosen


async def _vencrypt(channel: Channel, terms: Terms) -> Channel:
    assert terms.start_tls is not None
    await channel.write(_VENCRYPT_VERSION)
    if await channel.read(2) != _VENCRYPT_VERSION:
        await channel.write(b'\xff')
        raise HandshakeError('speaks another version of VeNCrypt')
    await channel.write(b'\0' + struct.pack('>BI', 1, _X509_NONE))
    if await channel.read(4) != struct.pack('>I', _X509_NONE):
        await channel.write(b'\0')
        raise HandshakeError('chose another way of VeNCrypt than X509None')
    await channel.write(b'\1')
    return await terms.start_tls()


async def _password(channel: Channel, terms: Terms, minor: int) -> bool:
    """Ask for a password; returns whether it is the view-only one."""
    assert terms.encrypt is not None
    challenge = os.urandom(_CHALLENGE_SIZE)
    await channel.write(challenge)
    answer = await channel.read(_CHALLENGE_SIZE)
    tries = terms.tries
    while tries is not None and (wait := tries.wait_s()) > 0:
        if wait > PATIENCE_S:
            await _refuse_password(channel, minor, too_many(wait))
            raise HandshakeError(TOO_MANY)
        await asyncio.sleep(wait)
    # Nothing is waited for from here until the try is counted: no other one
    # comes between, and a client that hangs up is counted like any other.
    found = None
    for password, view_only in terms.passwords:
        if hmac.compare_digest(answer, terms.encrypt(challenge, password)):
            found = view_only if found is None else found
    if tries is not None:
        if found is None:
            tries.failed()
        else:
            tries.succeeded()
    if found is None:
        try:
            await asyncio.sleep(_WRONG_PASSWORD_S)
            await _refuse_password(channel, minor, 'wrong password')
        except OSError:
            pass    # it did not wait for the answer
        raise WrongPasswordError('gave a wrong password')
    await channel.write(struct.pack('>I', 0))
    return found


async def _refuse_password(channel: Channel, minor: int,
                           reason: str) -> None:
    if minor >= 8:
        await _fail(channel, reason)
    else:
        await channel.write(struct.pack('>I', 1))


def too_many(wait_s: float) -> str:
    """What a client is told that has to wait so many seconds."""
    return f'too many wrong passwords: wait {math.ceil(wait_s)} seconds'


async def _fail(channel: Channel, reason: str) -> None:
    await channel.write(struct.pack('>I', 1) + _text(reason))


def _text(text: str) -> bytes:
    data = text.encode('ascii')
    return struct.pack('>I', len(data)) + data
