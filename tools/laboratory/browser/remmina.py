# SPDX-License-Identifier: Apache-2.0
"""Remmina on a screen that nobody sees: a client of libvncclient."""

import pathlib
import re
import subprocess
import time
from collections.abc import Sequence

import psutil

from laboratory.browser.viewer import SIZE, Viewer
from laboratory.progress import Failure
from laboratory import waiting

_CONNECT_S = 30.0
#: More than a handshake, fewer than the first picture. Until that is there,
#: Remmina drops what is typed.
_HANDSHAKE_BYTES = 1500
#: From a picture's first bytes until it is shown.
_SHOWN_S = 1.0
#: It keeps passwords encrypted with a key of its own, so it is what writes
#: this one.
_SCRIPT = '''
printf '[remmina]\nname=console\nprotocol=VNC\nserver=%s\nquality=9\n\
colordepth=32\nviewmode=1\n' "$SERVER" >/tmp/console.remmina &&
printf '%s\n' "$VNC_PASSWORD" |
    remmina --update-profile /tmp/console.remmina --set-option password &&
exec remmina --connect /tmp/console.remmina
'''


class Remmina(Viewer):
    """A user of it; its window has a bar beside the console's picture.

    :param password: if it is asked for one
    :raises Failure: it shows no window, or does not connect
    """

    def __init__(self, host: str, port: int, log: pathlib.Path,
                 password: str = '') -> None:
        super().__init__(['sh', '-c', _SCRIPT], log, SIZE,
                         SERVER=f'{host}:{port}', VNC_PASSWORD=password)
        self._server = host, port
        self._first = self._first_connection(log)

    def _first_connection(self, log: pathlib.Path) -> Sequence[int]:
        """It connects when its window is shown."""
        if not waiting.until(self._gets_picture, _CONNECT_S):
            self.close()
            raise Failure('Remmina', 'shows no picture', log)
        time.sleep(_SHOWN_S)
        return self._connections()

    def _gets_picture(self) -> bool:
        found = self._connections()
        return bool(found) and _received(found[0]) > _HANDSHAKE_BYTES

    @property
    def connected(self) -> bool:
        """Whether it still has its one connection: it goes on without, and
        begins another."""
        return self._connections() == self._first

    def _connections(self) -> Sequence[int]:
        """Its own ports of connections to the server."""
        return [connection.laddr.port
                for process in psutil.Process(self._process.pid).children(
                    recursive=True)
                for connection in process.connections('tcp')
                if connection.raddr == self._server
                and connection.status == psutil.CONN_ESTABLISHED]


def _received(port: int) -> int:
    """How many bytes the connection from a port of this host has got."""
    told = subprocess.run(['ss', '-tinH', 'sport', '=', f':{port}'],
                          capture_output=True, text=True).stdout
    found = re.search(r'\bbytes_received:(\d+)', told)
    return int(found[1]) if found else 0
