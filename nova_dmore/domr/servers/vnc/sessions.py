# SPDX-License-Identifier: Apache-2.0
"""The VNC sessions: in a process of their own, as the desktop uses them.

The process is started for the first client. If it ends, its clients are cut,
and the next one has it started again.
"""

import collections
import socket
from collections.abc import Callable, Iterator
from typing import TypeAlias

from nova_dmore.channel import display as display_module
from nova_dmore.domr.servers.vnc import process as process_module
from nova_dmore.domr.servers.vnc import protocol
from nova_dmore import wire


#: The arguments of ``process.Process.draw``.
Drawn: TypeAlias = tuple[bytes, bytes, int, int]


class Sessions:
    """All sessions; none of the methods waits for a client."""

    def __init__(self, start_process: Callable[[], socket.socket],
                 framebuffer_size: int, changed: Callable[[], None],
                 log: Callable[[str, str], None]) -> None:
        """Start nothing yet.

        :param start_process: starts nova-dmore-vnc and returns the link to
            it; raises OSError if it cannot
        :param framebuffer_size: bytes of the region that pixels have
        :param changed: called when there are events, or damage was taken
        :param log: called with a level and a text
        """
        self._start_process = start_process
        self._framebuffer_size = framebuffer_size
        self._changed = changed
        self._log = log
        self._process: process_module.Process | None = None
        self._used: set[int] = set()    # until their Gone is taken
        self._alive: set[int] = set()   # until their Gone comes
        self._view_only: set[int] = set()   # those that may not type
        self._events: collections.deque[protocol.Input] = collections.deque()
        self._owed = 0      # credit that the process has spent
        self._orphans = 0   # events from a process that has ended
        self._dealt_with = 0
        # The newest state, for a process that is started later.
        self._size = 0, 0
        self._cursor: display_module.Cursor | None = None
        self._leds: int | None = None
        self._controls: int | None = None
        self._drawn: Callable[[], Drawn] | None = None
        self._frozen = True
        self._everything = False
        self._serial = self._taken = 0

    @property
    def most(self) -> int:
        """How many sessions there can be."""
        return protocol.SESSIONS_MAX

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.close()
            self._process = None

    # -- the process

    def _running(self) -> process_module.Process:
        """The process, started if there is none.

        :raises OSError: it cannot be started
        """
        if self._process is not None:
            return self._process
        try:
            link = self._start_process()
            try:
                process = process_module.Process(
                    link, self._framebuffer_size, self._readable)
            except OSError:
                link.close()
                raise
        except OSError as error:
            self._log('warning', 'the process of the VNC sessions cannot be '
                      f'started: {ascii(str(error))}')
            raise
        self._process = process
        self._owed = self._dealt_with = self._serial = self._taken = 0
        process.size(*self._size)
        process.cursor(self._cursor)
        if self._leds is not None:
            process.leds(self._leds)
        process.control(self._controls)
        if self._drawn is not None:
            process.draw(*self._drawn())
        if not self._frozen:
            process.open(False)
        return process

    def _readable(self) -> None:
        process = self._process
        if process is None:
            return
        try:
            for event in process.events():
                self._received(event)
        except EOFError:
            self._ended('ended')
        except protocol.ProtocolError as error:
            self._ended(f'is ended, as it sent {error}')
        self._changed()

    def _received(self, event: protocol.Event) -> None:
        """Keep an event if it is one that may come.

        :raises ProtocolError: it is not
        """
        if isinstance(event, protocol.Taken):
            self._taken = event.serial
            return
        if event.session not in self._alive:
            raise protocol.ProtocolError(
                f'something of session {event.session}, which there is not')
        if isinstance(event, protocol.Gone):
            self._alive.discard(event.session)
            self._view_only.discard(event.session)
        else:
            # The process drops what such a client types, but it is not
            # trusted: a client may have taken it over.
            if event.session in self._view_only:
                raise protocol.ProtocolError(
                    f'input of session {event.session}, which is view-only')
            self._owed += 1
            if self._owed > protocol.CREDIT:
                raise protocol.ProtocolError('too many events')
        self._events.append(event)

    def _ended(self, how: str) -> None:
        """The process has ended, or has to: all its clients are gone."""
        self.close()
        self._log('warning', f'the process of the VNC sessions {how}: '
                  f'{len(self._alive)} clients are cut off; the next one has '
                  'it started again')
        self._orphans = sum(not isinstance(event, protocol.Gone)
                            for event in self._events)
        self._events.extend(
            protocol.Gone(session, protocol.Reason.CLOSED)
            for session in sorted(self._alive))
        self._alive.clear()
        self._view_only.clear()

    # -- clients

    def add(self, connection: socket.socket, name: str,
            view_only: bool, takes_text: bool = True) -> int:
        """Begin a session on a connection that is past its handshake.

        The socket must not block; it is taken over and closed.

        :param name: ASCII, shown to the user
        :param takes_text: whether to offer it the extended clipboard
        :returns: the session's number
        :raises OSError: there are too many, or no process
        """
        free = set(range(protocol.SESSIONS_MAX)) - self._used
        if not free:
            raise OSError('no more VNC sessions are possible')
        process = self._running()
        number = min(free)
        self._used.add(number)
        self._alive.add(number)
        if view_only:
            self._view_only.add(number)
        process.add(number, connection, name, view_only, takes_text)
        return number

    def end(self, session: int) -> None:
        """Cut a client; Gone follows."""
        if self._process is not None and session in self._alive:
            self._process.end(session)

    def answer_size(self, session: int, answer: wire.SizeAnswer) -> None:
        """Tell a client what has become of the size that it wants."""
        if self._process is not None and session in self._alive:
            self._process.answer_size(session, answer)

    def events(self, most: int) -> Iterator[protocol.Input]:
        """Take at most so many events."""
        while self._events and most > 0:
            most -= 1
            event = self._events.popleft()
            if isinstance(event, protocol.Gone):
                self._used.discard(event.session)
            elif self._orphans:
                self._orphans -= 1
            else:
                self._dealt_with += 1
            yield event
        if (self._process is not None
                and self._dealt_with >= protocol.CREDIT // 2):
            self._process.more(self._dealt_with)
            self._owed -= self._dealt_with
            self._dealt_with = 0

    # -- the picture

    def freeze(self, everything: bool) -> None:
        """Send no more pixels.

        A client that is being sent some gets the whole picture later;
        ``everything``: all clients do.
        """
        self._frozen = True
        self._everything |= everything
        if self._process is not None:
            self._process.freeze()

    def open(self) -> None:
        """Send pixels again."""
        self._frozen = False
        if self._process is not None:
            self._process.open(self._everything)
        self._everything = False

    def resize(self, width: int, height: int) -> None:
        """Set the size of the picture; 0: none, clients see it blank."""
        self._size = width, height
        if self._process is not None:
            self._process.size(width, height)

    def set_cursor(self, cursor: display_module.Cursor | None) -> None:
        """Set the pointer's shape."""
        self._cursor = cursor
        if self._process is not None:
            self._process.cursor(cursor)

    def set_leds(self, leds: int) -> None:
        """Set what the lights of the guest's keyboard show."""
        self._leds = leds
        if self._process is not None:
            self._process.leds(leds)

    def set_control(self, session: int | None) -> None:
        """Set who moves the pointer that is drawn for those who draw none;
        None: all."""
        self._controls = session
        if self._process is not None:
            self._process.control(session)

    def draw(self, drawn: Callable[[], Drawn]) -> None:
        """Set what stands for a picture, and what is laid over one.

        :param drawn: draws it; also for a process that is started later: it
            is too large to be kept
        """
        self._drawn = drawn
        if self._process is not None:
            self._process.draw(*drawn())

    def damage(self,
               rectangles: list[display_module.Rectangle] | None) -> None:
        """Say what has changed; None: the whole picture."""
        if rectangles == [] or self._process is None:
            return
        self._serial = self._serial % 0xffffffff + 1
        self._process.damage(self._serial, rectangles)

    @property
    def taken(self) -> bool:
        """Whether some client has been sent all damage, or is being sent."""
        return not self._alive or self._taken == self._serial
