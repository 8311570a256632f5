# SPDX-License-Identifier: Apache-2.0
"""An event loop and a connection that are the fuzzer's."""

from collections.abc import Callable, Iterable
from typing import Any


class Timer:
    """One call that is due later."""

    def __init__(self, at: float, callback: Callable[..., Any],
                 arguments: tuple[Any, ...]) -> None:
        self.at = at
        self.callback: Callable[..., Any] | None = callback
        self.arguments = arguments

    def cancel(self) -> None:
        self.callback = None


class Loop:
    """What the devices use of nova_dmore.posix.loop's; its time stands still.

    :ivar readers: who is to be called when a connection has something
    """

    def __init__(self) -> None:
        self.now = 1000.0
        self.readers: dict[Any, Callable[[], None]] = {}
        self.writers: dict[Any, Callable[[], None]] = {}
        self.timers: list[Timer] = []

    def time(self) -> float:
        """In place of ``time.monotonic``, too."""
        return self.now

    def call_later(self, delay: float, callback: Callable[..., Any],
                   *arguments: Any) -> Timer:
        timer = Timer(self.now + delay, callback, arguments)
        self.timers.append(timer)
        return timer

    def call_soon(self, callback: Callable[..., Any], *arguments: Any
                  ) -> Timer:
        return self.call_later(0, callback, *arguments)

    def add_reader(self, sock: Any, callback: Callable[[], None]) -> None:
        self.readers[sock] = callback

    def remove_reader(self, sock: Any) -> None:
        self.readers.pop(sock, None)

    def add_writer(self, sock: Any, callback: Callable[[], None]) -> None:
        self.writers[sock] = callback

    def remove_writer(self, sock: Any) -> None:
        self.writers.pop(sock, None)

    def run(self, seconds: float = 0.0, most: int = 50) -> None:
        """Let time pass.

        :param most: how many calls are made; what is not called by then
            stays
        """
        end = self.now + seconds
        for _ in range(most):
            self.timers = [each for each in self.timers
                           if each.callback is not None]
            due = min((each for each in self.timers if each.at <= end),
                      key=lambda each: each.at, default=None)
            if due is None:
                break
            self.timers.remove(due)
            self.now = max(self.now, due.at)
            assert due.callback is not None     # sorted out above
            due.callback(*due.arguments)
        self.now = end


class Connection:
    """A socket whose peer has sent pieces of bytes, and then waits.

    :ivar sent: bytes that were sent to the peer
    :ivar full: the peer reads nothing
    """

    def __init__(self, pieces: Iterable[bytes] = ()) -> None:
        self._pieces = list(pieces)
        self.sent = 0
        self.full = self.over = self.closed = False

    def feed(self, data: bytes) -> None:
        """The peer sends some more."""
        if data:
            self._pieces.append(data)

    @property
    def ready(self) -> bool:
        """Whether a receive would not block."""
        return not self.closed and bool(self._pieces or self.over)

    def setblocking(self, on: bool) -> None:
        """As a socket has it."""

    def setsockopt(self, *option: int) -> None:
        """As a socket has it."""

    def recv(self, count: int) -> bytes:
        if not self._pieces:
            if self.over:
                return b''
            raise BlockingIOError
        piece = self._pieces.pop(0)
        if len(piece) > count:
            self._pieces.insert(0, piece[count:])
        return piece[:count]

    def recv_into(self, buffer: memoryview) -> int:
        data = self.recv(len(buffer))
        buffer[:len(data)] = data
        return len(data)

    def send(self, data: bytes) -> int:
        if self.full:
            raise BlockingIOError
        self.sent += len(data)
        return len(data)

    def close(self) -> None:
        self.closed = True


def deliver(loop: Loop, connection: Connection, most: int = 200) -> None:
    """Call whoever listens until nothing is left to be received."""
    for _ in range(most):
        reader = loop.readers.get(connection)
        if reader is None or not connection.ready:
            return
        reader()
