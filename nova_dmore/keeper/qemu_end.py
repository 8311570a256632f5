# SPDX-License-Identifier: Apache-2.0
"""QEMU's end of the instance's serial line: two FIFOs.

An instance that release 0.1 started has a socket instead.
"""

import socket

from nova_dmore.posix import fifos
from nova_dmore.posix import pipes
from nova_dmore.posix import unix_connect

#: Room for output in QEMU's FIFO and in the worker's pipe, in bytes: a page
#: each. It is small because the echo of a key waits for all that lies there.
OUTPUT_ROOM = 4096
#: With no more bytes free than this QEMU may already be waiting for room: it
#: writes byte by byte.
_CROWDED = 64
#: With more bytes than this in a unix socket QEMU may be waiting for room:
#: each byte is a piece of its own, and the socket takes a few hundred pieces.
_SOCKET_ROOM = 64


class QemuEnd:
    """Where QEMU writes output, and reads input.

    :param directory: where the FIFOs lie.
    :raises OSError: there are no FIFOs.

    :ivar source: descriptor of the output.
    :ivar sink: descriptor of the input.
    """

    def __init__(self, directory: str) -> None:
        self._fifo_in, self._fifo_out = fifos.open_both(directory)
        self._to_count = fifos.open_to_count(directory)
        # It fails while there is more in it, and is tried again.
        self._fits = pipes.resize(self._fifo_out, OUTPUT_ROOM)
        self.source, self.sink = self._fifo_out, self._fifo_in
        self._socket: socket.socket | None = None
        #: How many bytes of the oldest page of QEMU's FIFO were moved already.
        #: The kernel frees a page when all of it was read, so these take room.
        self._of_page = 0

    # -- the socket

    @property
    def has_socket(self) -> bool:
        """Whether there is one, which may have hung up."""
        return self._socket is not None

    def is_connected(self) -> bool:
        """Whether there is one that has not."""
        return self._socket is not None and not unix_connect.has_hung_up(
            self._socket)

    def connect(self, sock: socket.socket) -> None:
        """Take a socket, in place of the FIFOs."""
        unix_connect.prepare(sock)
        self._socket = sock
        self.source = self.sink = sock.fileno()

    def disconnect(self) -> None:
        """Close it, and go back to the FIFOs."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
            self.source, self.sink = self._fifo_out, self._fifo_in

    # -- input

    @property
    def to_count(self) -> int:
        """A descriptor for the worker, which counts the unread by it."""
        return self._to_count if self._socket is None else self.sink

    def unread(self) -> int:
        """-> how many bytes of input QEMU has not read."""
        return pipes.unread(self.sink)

    def empty_input(self) -> None:
        """Drop what is in the FIFO."""
        pipes.empty(self._fifo_in)

    # -- output

    def waiting(self) -> int:
        """-> how many bytes of output are here."""
        return pipes.waiting(self.source)

    def empty_output(self) -> None:
        """Drop what is in the FIFO."""
        pipes.empty(self._fifo_out)

    def is_crowded(self) -> bool:
        """Whether QEMU may wait for room, and write when it gets some."""
        return self._is_full(self.waiting() + self._of_page)

    def _is_full(self, used: int) -> bool:
        return used > (OUTPUT_ROOM - _CROWDED if self._socket is None
                       else _SOCKET_ROOM)

    def moved(self, count: int, most: int, left: int) -> bool:
        """Bytes of output were moved -> whether QEMU may have waited for room
        by then.

        :param most: how many were wanted.
        :param left: how many are here now.
        """
        crowded = self._is_full(self._of_page + count + left)
        # A page has room again when all of it was moved.
        self._of_page = (0 if count < most or not left else
                         (self._of_page + count) % OUTPUT_ROOM)
        if not (left or self._fits):
            self._fits = pipes.resize(self._fifo_out, OUTPUT_ROOM)
        return crowded

    def make_room(self) -> None:
        """Let the guest go on for a while without a keeper."""
        fifos.make_room(self._fifo_out)
