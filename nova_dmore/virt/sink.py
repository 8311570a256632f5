# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""Takes what an instance prints that has no shadow-device process, for now.

Its socket must not be without a listener when a UART arrives that could not
get rid of a byte at the source: QEMU asks to be called when there is room
(``serial_post_load`` in hw/char/serial.c), which it never is for a socket that
is not connected, and the guest's serial port stands still for good. Seen with
QEMU 7.2 each time; with a listener never.
"""

import contextlib
import socket
import threading

_CHUNK = 65536


class Sink(threading.Thread):
    """Accepts one connection after the other, and drops what comes.

    :param path: of the socket that is made.
    :raises OSError: it cannot be made.
    """

    def __init__(self, path: str):
        super().__init__(name=f'dmore-sink-{path}', daemon=True)
        self._listener = socket.socket(socket.AF_UNIX)
        try:
            self._listener.bind(path)
            self._listener.listen()
        except OSError:
            self._listener.close()
            raise
        self._lock = threading.Lock()
        self._connection: socket.socket | None = None
        self._is_closed = False

    def run(self) -> None:
        """Called by ``start()``."""
        with self._listener:
            while True:
                try:
                    connection, _address = self._listener.accept()
                except OSError:
                    return      # closed
                with connection:
                    self._drop(connection)

    def _drop(self, connection: socket.socket) -> None:
        with self._lock:
            if self._is_closed:
                return
            self._connection = connection
        with contextlib.suppress(OSError):
            while connection.recv(_CHUNK):
                pass
        with self._lock:
            self._connection = None

    def close(self) -> None:
        """Hang up; returns when the thread has ended. The path stays."""
        with self._lock:
            self._is_closed = True
            for each in (self._listener, self._connection):
                if each is not None:
                    with contextlib.suppress(OSError):
                        each.shutdown(socket.SHUT_RDWR)
        self.join()
