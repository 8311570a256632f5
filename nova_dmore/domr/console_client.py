# SPDX-License-Identifier: Apache-2.0
"""One client of the instance's serial console, as the console knows it."""

import enum
from collections.abc import Callable
from typing import TYPE_CHECKING

from nova_dmore.channel import patience
from nova_dmore.domr import notices
from nova_dmore.domr import pace
from nova_dmore.domr import ports
from nova_dmore.domr.terminal import stream as stream_module

if TYPE_CHECKING:       # it imports this one
    from nova_dmore.domr import console as console_module


class ClientState(enum.Enum):
    """Why a client may lag, and how far."""

    REPLAYING = 'replaying'     # the scroll-back -> LIVE at its end
    LIVE = 'live'               # -> STALLED if it slows the guest too long
    STALLED = 'stalled'         # holds nobody -> REPLAYING when it goes on


class Client:
    """One client of a console; made by ``Console.attach``.

    :ivar stream: parses the output for a terminal; None: it gets all bytes
        as they are
    :ivar is_person: it is told what the instance does
    :ivar finished: None, or it only reads what was printed before: called
        when it has that
    """

    def __init__(self, console: 'console_module.Console', port: ports.Port,
                 name: str, cursor: int,
                 stream: stream_module.TerminalStream | None = None,
                 is_person: bool = False,
                 finished: Callable[[], None] | None = None) -> None:
        self._console = console
        self.port = port
        self.name = name
        self.cursor = cursor
        self.stream = stream
        self.is_person = is_person
        self.printed_before = console.end   # what comes from here on is new
        self.finished = finished
        self.notices = notices.Notices(stream, port.tell, port.write)
        #: What its terminal is given before the scroll-back.
        self.restores = b''
        self.refused: float | None = None   # when it was told so
        self.state = ClientState.REPLAYING
        self.writable = False
        self.pace = pace.Pace()
        self.has_turn = False   # it will be given more
        self.input_paused = False
        self.seen: object = None        # the port's progress ...
        self.since: float | None = None     # ... and when it last changed
        self.patience = patience.Patience()

    def pause_writing(self) -> None:
        """The connection is full."""
        self.writable = False
        self.pace.is_full()

    def resume_writing(self) -> None:
        """The connection has room again."""
        self.writable = True
        self._console.pump(self)

    def input(self, data: bytes) -> None:
        """The client typed something."""
        self._console.queue_input(self, data)

    def send_break(self) -> None:
        """The client wants a break to be sent."""
        self._console.queue_input(self, None)

    def detach(self) -> None:
        """The client is gone; what it typed is still sent."""
        self._console.detach(self)
