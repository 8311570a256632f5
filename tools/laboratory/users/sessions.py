# SPDX-License-Identifier: Apache-2.0
"""The ways to a console: nova-serialproxy and nova-novncproxy, ``ssh``, and
``socat``.
"""

import os
import pathlib
import socket
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Sequence
from typing import Protocol

import websocket

from laboratory.vnc.encodings import Pixels
from laboratory.vnc import rfb

#: Seconds for a handshake.
_OPEN_S = 10
_RETURN = ord('\r')
#: Seconds between two keys of a text.
_KEY_S = 0.03


class Session(Protocol):
    """One connection to a console; one thread reads and another one writes."""

    def receive(self) -> object:
        """Wait for output; nothing when the connection has ended."""

    def send(self, data: bytes) -> None:
        """:raises OSError: the connection has ended"""

    def close(self) -> None:
        """End it; ``receive`` returns."""


class ProxySession:
    """A WebSocket of nova-serialproxy or nova-novncproxy.

    :param url: with its token, as the API gives it
    :raises OSError: it cannot be opened
    """

    def __init__(self, url: str) -> None:
        try:
            self._socket = websocket.create_connection(
                url, timeout=_OPEN_S, subprotocols=['binary'],
                sockopt=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)])
        except websocket.WebSocketException as error:
            raise ConnectionError(str(error)) from error
        self._socket.settimeout(None)

    def receive(self) -> bytes:
        try:
            kind, data = self._socket.recv_data()
            while not data and kind != websocket.ABNF.OPCODE_CLOSE:
                # nova-novncproxy sends an empty message after its handshake.
                kind, data = self._socket.recv_data()
        except (websocket.WebSocketException, OSError):
            return b''
        return b'' if kind == websocket.ABNF.OPCODE_CLOSE else data

    def send(self, data: bytes) -> None:
        try:
            self._socket.send_binary(data)
        except websocket.WebSocketException as error:
            raise ConnectionError(str(error)) from error

    def close(self) -> None:
        # Closing alone would not wake the thread that reads.
        self._socket.abort()
        self._socket.shutdown()


class VncSession:
    """A VNC session through a WebSocket of nova-novncproxy.

    :param url: of noVNC's page with its token, as the API gives it
    :raises OSError: it cannot be opened
    """

    def __init__(self, url: str) -> None:
        self._proxy = ProxySession(websocket_url(url))
        # A console that never greets is one that cannot be opened.
        limit = threading.Timer(_OPEN_S, self._proxy.close)
        limit.daemon = True
        limit.start()
        try:
            self._vnc = rfb.Connection(self._proxy.receive, self._proxy.send)
        except OSError:
            self._proxy.close()
            raise
        finally:
            limit.cancel()

    @property
    def picture(self) -> Pixels:
        return self._vnc.picture

    def receive(self) -> 'VncSession | None':
        """Wait until the picture changes; nothing when the connection has
        ended."""
        try:
            self._vnc.update()
        except OSError:
            return None
        return self

    def send(self, data: bytes) -> None:
        """Press the keys that make these characters.

        A text is typed slowly: an emulated keyboard holds few events and
        drops the others.
        """
        for place, value in enumerate(data):
            if place:
                time.sleep(_KEY_S)
            if value == _RETURN:
                self._vnc.press(rfb.RETURN)
            elif value < ord(' '):
                self._vnc.key(True, rfb.CONTROL)
                self._vnc.press(value + ord('a') - 1)
                self._vnc.key(False, rfb.CONTROL)
            else:
                self._vnc.press(value)

    def close(self) -> None:
        self._proxy.close()


def websocket_url(url: str) -> str:
    """Where noVNC connects to, from the address of its page."""
    page = urllib.parse.urlsplit(url)
    path, = urllib.parse.parse_qs(page.query)['path']
    return f'ws://{page.netloc}/{path.lstrip("/")}'


class ProgramSession:
    """A program whose input and output are the console's.

    :param log: takes what it says about itself
    :raises OSError: it cannot be started
    """

    def __init__(self, argv: Sequence[str], log: pathlib.Path) -> None:
        with log.open('a') as stream:
            self._process = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=stream, bufsize=0)
        self._input = self._process.stdin.fileno()
        self._output = self._process.stdout.fileno()

    def receive(self) -> bytes:
        return os.read(self._output, 1 << 16)

    def send(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._input, data):]

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()


def ssh_command(target: Sequence[str], key: pathlib.Path,
                known_hosts: pathlib.Path, terminal: bool = True
                ) -> list[str]:
    """The command line of a plain OpenSSH client.

    :param target: the words that say where to connect to
    :param key: the private key
    :param known_hosts: accepts one key per address, and refuses another one
    :param terminal: the other end is to behave as one; else it is a pipe
    """
    return ['ssh', '-tt' if terminal else '-T', '-F', 'none', '-i', str(key),
            '-o', 'IdentitiesOnly=yes', '-o', 'BatchMode=yes',
            '-o', 'StrictHostKeyChecking=accept-new',
            '-o', f'UserKnownHostsFile={known_hosts}',
            '-o', 'GlobalKnownHostsFile=/dev/null', *target]


class SshSession(ProgramSession):
    """The session of an OpenSSH client, see :func:`ssh_command`."""

    def __init__(self, target: Sequence[str], key: pathlib.Path,
                 known_hosts: pathlib.Path, log: pathlib.Path,
                 terminal: bool = True) -> None:
        super().__init__(ssh_command(target, key, known_hosts, terminal), log)


class SocatSession(ProgramSession):
    """``socat`` at a raw serial port."""

    def __init__(self, host: str, port: int, log: pathlib.Path) -> None:
        super().__init__(['socat', '-', f'TCP:{host}:{port},nodelay'], log)
