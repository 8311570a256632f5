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
"""The VNC sessions in C (``native/``), as Python uses them."""

import array
import dataclasses
import itertools
import socket
from collections.abc import Iterator
from typing import Any, TypeAlias

from nova_dmore.channel import display as display_module

#: Events taken from the sessions at once.
_EVENTS = 64


@dataclasses.dataclass(frozen=True, slots=True)
class Key:
    """A key went down or up.

    :ivar symbol: X11's key symbol
    :ivar number: QEMU's number, 0 if the client does not tell
    """

    session: int
    down: bool
    symbol: int
    number: int


@dataclasses.dataclass(frozen=True, slots=True)
class Pointer:
    """The pointer moved, or a button changed.

    :ivar buttons: RFB's mask
    :ivar x: in a picture ``width`` wide; it may lie outside
    :ivar y: likewise
    """

    session: int
    buttons: int
    x: int
    y: int
    width: int
    height: int


@dataclasses.dataclass(frozen=True, slots=True)
class Gone:
    """A session has ended.

    :ivar fault: what the client did, None if it only left
    """

    session: int
    fault: str | None


Event: TypeAlias = Key | Pointer | Gone


def _native() -> Any:
    """The compiled module; only Domain R's image has it (see ffi_build)."""
    import nova_dmore_vnc
    return nova_dmore_vnc


class Sessions:
    """All sessions on one frame buffer; see ``native/sessions.h``.

    No method waits for a client, and all are called from one thread.
    """

    def __init__(self, framebuffer: memoryview) -> None:
        """Read pixels from a buffer, which is kept.

        :raises OSError: there is no memory
        """
        native = _native()
        self._ffi, self._lib = native.ffi, native.lib
        self._framebuffer = self._ffi.from_buffer(framebuffer)
        self._server = self._lib.vnc_new(self._framebuffer,
                                         len(self._framebuffer))
        if self._server == self._ffi.NULL:
            raise OSError('no memory for VNC sessions')
        self._events = self._ffi.new('struct vnc_event[]', _EVENTS)
        lib = self._lib
        self._faults = {
            lib.VNC_NONSENSE: 'sent what makes no sense',
            lib.VNC_CUT_TEXT: 'sent too long a text',
            lib.VNC_STALLED: 'took nothing for too long'}

    @property
    def most(self) -> int:
        """How many sessions there can be."""
        return self._lib.VNC_SESSIONS_MAX

    def fileno(self) -> int:
        """Becomes readable when there are events, or damage was taken.

        It is an eventfd.
        """
        return self._lib.vnc_wakeup(self._server)

    def close(self) -> None:
        """Free everything; all sessions must have told Gone."""
        self._lib.vnc_free(self._server)
        self._server = self._ffi.NULL

    def add(self, connection: socket.socket, name: str,
            view_only: bool) -> int:
        """Begin a session on a connection that is past its handshake.

        The socket must not block; it is taken over and closed.

        :param name: ASCII, shown to the user
        :returns: the session's number
        :raises OSError: there are too many, or no memory
        """
        number = self._lib.vnc_add(self._server, connection.fileno(),
                                   name.encode('ascii'), view_only)
        if number < 0:
            raise OSError('no more VNC sessions are possible')
        connection.detach()
        return number

    def end(self, session: int) -> None:
        """Cut a client; Gone follows."""
        self._lib.vnc_end(self._server, session)

    def events(self, most: int) -> Iterator[Event]:
        """Take at most so many events."""
        lib, events = self._lib, self._events
        while most > 0:
            asked = min(most, _EVENTS)
            count = lib.vnc_events(self._server, events, asked)
            for index in range(count):
                event = events[index]
                if event.kind == lib.VNC_KEY:
                    yield Key(event.session, bool(event.state), event.first,
                              event.second)
                elif event.kind == lib.VNC_POINTER:
                    yield Pointer(event.session, event.state, event.first,
                                  event.second, event.width, event.height)
                else:
                    yield Gone(event.session, self._faults.get(event.state))
            if count < asked:
                return
            most -= count

    def freeze(self, everything: bool) -> None:
        """Send no more pixels.

        A client that is being sent some gets the whole picture later;
        ``everything``: all clients do.
        """
        self._lib.vnc_freeze(self._server, everything)

    def open(self) -> None:
        """Send pixels again."""
        self._lib.vnc_open(self._server)

    def resize(self, width: int, height: int) -> None:
        """Set the size of the picture; 0: none, clients see it blank."""
        self._lib.vnc_size(self._server, width, height)

    def set_cursor(self, cursor: display_module.Cursor | None) -> None:
        """Set the pointer's shape."""
        if cursor is None:
            self._lib.vnc_cursor(self._server, 0, 0, 0, 0, self._ffi.NULL)
        else:
            self._lib.vnc_cursor(
                self._server, cursor.width, cursor.height, cursor.hot_x,
                cursor.hot_y, self._ffi.from_buffer(cursor.pixels))

    def damage(self,
               rectangles: list[display_module.Rectangle] | None) -> None:
        """Say what has changed; None: the whole picture."""
        if rectangles is None:
            self._lib.vnc_damage(self._server, self._ffi.NULL, -1)
        elif rectangles:
            flat = array.array('H', itertools.chain(*rectangles))
            self._lib.vnc_damage(
                self._server, self._ffi.from_buffer('uint16_t[]', flat),
                len(rectangles))

    @property
    def taken(self) -> bool:
        """Whether some client has been sent all damage, or is being sent."""
        return bool(self._lib.vnc_taken(self._server))

    def encrypt(self, challenge: bytes, password: str) -> bytes:
        """The right answer to a challenge of VNC authentication."""
        buffer = self._ffi.new('uint8_t[]', challenge)
        self._lib.vnc_encrypt(buffer, password.encode('ascii'))
        return bytes(self._ffi.buffer(buffer, len(challenge)))
