# SPDX-License-Identifier: Apache-2.0
"""The agent's end of the link to a running nova-dmore-vnc.

Nothing here waits for the process. What its socket does not take is kept: of
the picture the newest state and all that has changed, of clients those that
there are. That is bounded, however long the process takes nothing.
"""

import array
import asyncio
import mmap
import os
import socket
from collections.abc import Callable, Iterator

from nova_dmore.channel import display as display_module
from nova_dmore.domr.servers.vnc import protocol
from nova_dmore import wire

#: Where the region is in the device's file: the second of its maps (see
#: domr.uio; Linux's UIO has map n at n pages).
REGION_OFFSET = mmap.PAGESIZE

#: Packets that are taken before the event loop goes on with other things.
_PACKETS = 16

#: What there is one of: the newest.
_IN_ORDER = (protocol.Type.SIZE, protocol.Type.CURSOR, protocol.Type.LEDS,
             protocol.Type.DRAWN, protocol.Type.CONTROL)


class Process:
    """One process; all methods are called from the event loop."""

    def __init__(self, link: socket.socket, framebuffer_size: int,
                 readable: Callable[[], None]) -> None:
        """Tell a process that was just started where the pixels are.

        :param link: taken over
        :param framebuffer_size: bytes of the region that they have
        :param readable: called when ``events`` has something to give
        :raises OSError: it ended already
        """
        self._link = link
        self._loop = asyncio.get_running_loop()
        self._writing = False
        self._adds: list[tuple[bytes, socket.socket]] = []
        self._ends: set[int] = set()
        #: The newest of each session.
        self._size_answers: dict[int, wire.SizeAnswer] = {}
        #: The newest of each kind, as long as it is not sent.
        self._newest: dict[protocol.Type, bytes] = {}
        self._damage: list[display_module.Rectangle] | None = []
        self._serial = self._sent_serial = 0
        self._everything = False    # what clients have is worth nothing
        self._opening = False
        self._credit = 0
        link.setblocking(False)
        page = os.memfd_create('drawn', os.MFD_CLOEXEC)
        try:
            os.ftruncate(page, protocol.DRAWN_SIZE)
            self._page = mmap.mmap(page, protocol.DRAWN_SIZE)
            # One store of 32 bits each.
            self._freezes = memoryview(self._page).cast('I')
            socket.send_fds(link, [protocol.start(
                REGION_OFFSET, wire.FRAMEBUFFER_START + framebuffer_size,
                wire.FRAMEBUFFER_START, framebuffer_size)], [page])
        finally:
            os.close(page)
        self._loop.add_reader(link, readable)

    def close(self) -> None:
        """Have the process end, and its clients cut."""
        self._loop.remove_reader(self._link)
        self._loop.remove_writer(self._link)
        self._link.close()
        for _, connection in self._adds:
            connection.close()
        self._freezes.release()
        self._page.close()

    def events(self) -> Iterator[protocol.Event]:
        """What the process has said, not all of it at once.

        :raises EOFError: it has ended
        :raises ProtocolError: it said what it may not
        """
        for _ in range(_PACKETS):
            try:
                packet = self._link.recv(
                    protocol.EVENTS_MAX * protocol.EVENT.size + 1)
            except BlockingIOError:
                return
            except OSError as error:
                raise EOFError from error
            if not packet:
                raise EOFError
            yield from protocol.events(packet)

    # -- what it is told; see protocol

    def add(self, session: int, connection: socket.socket, name: str,
            view_only: bool, takes_text: bool) -> None:
        """Begin a session; the connection is taken over."""
        # One that is left was for the client that had the number before.
        self._size_answers.pop(session, None)
        connection = socket.socket(fileno=connection.detach())
        self._adds.append((
            protocol.add(session, name, view_only, takes_text), connection))
        self._flush()

    def end(self, session: int) -> None:
        """Cut a client."""
        self._ends.add(session)
        self._flush()

    def answer_size(self, session: int, answer: wire.SizeAnswer) -> None:
        """Tell a client what has become of the size that it wants."""
        self._size_answers[session] = answer
        self._flush()

    def freeze(self) -> None:
        """Pixels are not good from this moment on."""
        self._freezes[0] = (self._freezes[0] + 1) & 0xffffffff
        self._opening = False

    def open(self, everything: bool) -> None:
        """They are good again.

        :param everything: what clients have is worth nothing
        """
        self._everything |= everything
        self._opening = True
        self._flush()

    def size(self, width: int, height: int) -> None:
        """Set the size of the picture."""
        self._newest[protocol.Type.SIZE] = protocol.size(width, height)
        self._flush()

    def cursor(self, shape: display_module.Cursor | None) -> None:
        """Set the pointer's shape."""
        self._newest[protocol.Type.CURSOR] = protocol.cursor(shape)
        self._flush()

    def leds(self, lights: int) -> None:
        """Set what the lights of the keyboard show."""
        self._newest[protocol.Type.LEDS] = protocol.leds(lights)
        self._flush()

    def control(self, session: int | None) -> None:
        """Set who moves the pointer that is drawn; None: all."""
        self._newest[protocol.Type.CONTROL] = protocol.control(session)
        self._flush()

    def draw(self, blank: bytes, banner: bytes, banner_width: int,
             banner_left: int) -> None:
        """Set what stands for a picture, and what is laid over one.

        :param blank: rows of BLANK_WIDTH, an even number; for the middle
        :param banner: BANNER_ROWS rows of ``banner_width``, or nothing
        :param banner_left: from where on they are to be shown
        """
        middle = protocol.PAGE + (protocol.BLANK_SIZE - len(blank)) // 2
        for start, pixels in ((middle, blank),
                              (protocol.PAGE + protocol.BLANK_SIZE, banner)):
            self._page[start:start + len(pixels)] = pixels
        self._newest[protocol.Type.DRAWN] = protocol.drawn(
            banner_width, banner_left)
        self._flush()

    def damage(self, serial: int,
               rectangles: list[display_module.Rectangle] | None) -> None:
        """Say what has changed; None: everything."""
        self._serial = serial
        if rectangles is None or self._damage is None or (
                len(rectangles) + len(self._damage)
                > protocol.RECTANGLES_MAX):
            self._damage = None
        else:
            self._damage = self._damage + rectangles
        self._flush()

    def more(self, credit: int) -> None:
        """Let it send more keys and motions."""
        self._credit += credit
        self._flush()

    # -- sending

    def _flush(self) -> None:
        """Send what the socket takes, and the rest when it takes more."""
        try:
            blocked = not self._send_all()
        except OSError:
            blocked = False     # it has ended: ``events`` finds that too
        if blocked and not self._writing:
            self._loop.add_writer(self._link, self._flush)
        elif self._writing and not blocked:
            self._loop.remove_writer(self._link)
        self._writing = blocked

    def _send_all(self) -> bool:
        """Whether all could be sent.

        Clients before the picture: they then see the changes too. The
        picture's size, shape and damage before it is opened.
        """
        while self._adds:
            message, connection = self._adds[0]
            if not self._send(message, connection):
                return False
            self._adds.pop(0)
            connection.close()
        while self._ends:
            session = next(iter(self._ends))
            if not self._send(protocol.end(session)):
                return False
            self._ends.discard(session)
        while self._size_answers:
            session = next(iter(self._size_answers))
            if not self._send(protocol.size_answer(
                    session, self._size_answers[session])):
                return False
            del self._size_answers[session]
        for kind in _IN_ORDER:
            if kind in self._newest:
                if not self._send(self._newest[kind]):
                    return False
                del self._newest[kind]
        if self._serial != self._sent_serial:
            if not self._send(protocol.damage(self._serial, self._damage)):
                return False
            self._sent_serial, self._damage = self._serial, []
        if self._opening:
            if not self._send(protocol.open_(self._freezes[0],
                                             self._everything)):
                return False
            self._opening = self._everything = False
        if self._credit:
            if not self._send(protocol.more(self._credit)):
                return False
            self._credit = 0
        return True

    def _send(self, message: bytes,
              connection: socket.socket | None = None) -> bool:
        control = [] if connection is None else [(
            socket.SOL_SOCKET, socket.SCM_RIGHTS,
            array.array('i', [connection.fileno()]))]
        try:
            self._link.sendmsg([message], control)
        except BlockingIOError:
            return False
        return True
