# SPDX-License-Identifier: Apache-2.0
"""A line and clients for tests of the shared console."""

from collections.abc import Callable

from nova_dmore.domr import console


class Line:
    """A line with a limited number of bytes of room."""

    def __init__(self) -> None:
        self.room = 1 << 20
        self.sent: list[bytes | None] = []
        self.output_paused = False
        self.breaks = True      # there is room for one
        self.polls: list[int] = []      # how much had been sent then

    def sendable(self) -> int:
        return self.room

    def send(self, data: bytes) -> None:
        assert 0 < len(data) <= self.room
        self.room -= len(data)
        self.sent.append(data)

    def send_break(self) -> bool:
        if self.breaks:
            self.sent.append(None)
        return self.breaks

    def pause_output(self, on: bool) -> None:
        self.output_paused = on

    def poll_freeze(self) -> None:
        self.polls.append(len(self.sent))


class Port:
    """A client that takes a limited number of bytes."""

    def __init__(self, room: int = 1 << 30) -> None:
        self.room = room
        self.got = bytearray()
        self.told: list[str] = []
        self.reading = True
        self.bounds: list[int] = []
        self.client: console.Client | None = None

    def write(self, data: bytes) -> None:
        self.got += data
        self.room -= len(data)
        if self.room <= 0:
            assert self.client is not None
            self.client.pause_writing()

    def tell(self, text: str) -> None:
        self.told.append(text)

    def pause_input(self, on: bool) -> None:
        self.reading = not on

    def progress(self) -> object:
        return len(self.got)

    def taken(self) -> int:
        return len(self.got)

    def bound(self, size: int) -> None:
        self.bounds.append(size)

    def more(self, room: int) -> None:
        self.room = room
        assert self.client is not None
        self.client.resume_writing()


class Reader(Port):
    """A client that reads what it was given little by little."""

    read = 0

    def progress(self) -> object:
        return self.read

    def taken(self) -> int:
        return self.read


class Turns:
    """An event loop that never does anything else."""

    def __init__(self) -> None:
        self._waiting: list[Callable[[], None]] = []
        self._running = False

    def later(self, function: Callable[[], None]) -> None:
        self._waiting.append(function)
        if not self._running:
            self._running = True
            while self._waiting:
                self._waiting.pop(0)()
            self._running = False
