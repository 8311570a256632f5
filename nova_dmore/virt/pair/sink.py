# SPDX-License-Identifier: Apache-2.0
"""Takes what an instance prints that has no shadow-device process, for now.

An instance that arrives without its pair has a serial port all the same: its
QEMU needs the FIFOs, and the guest's port stands still when they are full. So
what comes is dropped until there is a process that takes it.
"""

import contextlib
import os
import select
import socket
import threading

from nova_dmore import places
from nova_dmore.posix import fifos
from nova_dmore import wire

_CHUNK = 65536


class Sink(threading.Thread):
    """Reads what comes, and drops it.

    It accepts a socket, too: an instance that was started by 0.1 has one, and
    a UART that could not get rid of a byte at the source stands still for good
    where nobody listens (``serial_post_load`` in hw/char/serial.c).

    :param where: the directories of the pair, with its FIFOs.
    :raises OSError: somebody listens there (EADDRINUSE), or it cannot be read.
    """

    def __init__(self, where: places.Places):
        super().__init__(name=f'dmore-sink-{where.own}', daemon=True)
        self._listener = socket.socket(socket.AF_UNIX)
        try:
            self._listener.bind(os.path.join(where.own, wire.SERIAL0_SOCKET))
            self._listener.listen()
            self._listener.setblocking(False)
            self._fifo_in, self._fifo_out = fifos.open_both(where.instance)
            # nova-compute may end, and take this thread with it.
            fifos.make_room(self._fifo_out)
        except OSError:
            self._listener.close()
            raise
        self._ended = os.eventfd(0, os.EFD_CLOEXEC)
        self._connections: dict[int, socket.socket] = {}

    def run(self) -> None:
        """Called by ``start()``."""
        poll = select.poll()
        for each in (self._ended, self._fifo_out, self._listener):
            poll.register(each, select.POLLIN)
        while True:
            for ready, _ in poll.poll():
                if ready == self._ended:
                    self._end()
                    return
                if ready == self._listener.fileno():
                    self._accept(poll)
                elif ready == self._fifo_out:
                    with contextlib.suppress(BlockingIOError):
                        os.read(ready, _CHUNK)
                else:
                    self._drop(poll, ready)

    def _accept(self, poll: select.poll) -> None:
        with contextlib.suppress(OSError):
            connection, _ = self._listener.accept()
            self._connections[connection.fileno()] = connection
            poll.register(connection, select.POLLIN)

    def _drop(self, poll: select.poll, ready: int) -> None:
        with contextlib.suppress(OSError):
            if self._connections[ready].recv(_CHUNK):
                return
        poll.unregister(ready)
        self._connections.pop(ready).close()

    def _end(self) -> None:
        for each in (self._listener, *self._connections.values()):
            each.close()
        for descriptor in (self._fifo_in, self._fifo_out, self._ended):
            os.close(descriptor)

    def close(self) -> None:
        """Hang up; returns when the thread has ended. The paths stay."""
        os.eventfd_write(self._ended, 1)
        self.join()
