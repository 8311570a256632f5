# SPDX-License-Identifier: Apache-2.0
"""What all VNC clients share: the picture, the keyboard, the pointer.

There is one desktop in a Domain R; it outlives the servers that a new
configuration starts, and so do its clients.
"""

import asyncio
import functools
import socket
from collections.abc import Callable

from nova_dmore.channel import display as display_module
from nova_dmore.channel import input_event
from nova_dmore.domr import screen as screen_module
from nova_dmore.domr.servers import once
from nova_dmore.domr.servers import rms
from nova_dmore.domr.servers.vnc import authentication
from nova_dmore.domr.servers.vnc import keyboard
from nova_dmore.domr.servers.vnc import pointer
from nova_dmore.domr.servers.vnc import protocol
from nova_dmore.domr.servers.vnc import sessions

#: How long a client that is the first one waits for the picture.
PICTURE_WAIT_S = 2.0

#: The instance is behind when it has not taken this many events.
BEHIND = 8

#: Events that are left free for what clients hold when they go away.
_RESERVE = 1024
#: Events that one of a client's can become.
_EVENTS_PER_EVENT = max(keyboard.Keyboard.EVENTS_MAX,
                        pointer.Pointer.EVENTS_MAX + 1)

#: What is said of a client whose session ended for such a reason.
_FAULTS = {
    protocol.Reason.NONSENSE: 'sent a message of a type that is not served',
    protocol.Reason.CUT_TEXT: 'sent too long a text',
    protocol.Reason.STALLED: 'took nothing for too long, or stopped in the '
                             'middle of a message',
    protocol.Reason.PIXEL_FORMAT: 'asked for a format of pixels that is not '
                                  'possible',
    protocol.Reason.TOO_MANY_ENCODINGS: 'listed too many encodings',
    protocol.Reason.NO_MEMORY: 'needs memory that there is not'}


class Desktop:
    """Made by ``of``; all methods are called from the event loop."""

    def __init__(self, context: rms.Context) -> None:
        """Become the viewer of the context's screen."""
        self._screen = context.screen
        self._input = context.input
        self._changed = context.changed
        self._told = context.sessions
        self._log = once.Once(context.log)
        self._sessions = sessions.Sessions(context.start_vnc, self._woken,
                                           context.log)
        self._clients: dict[int, tuple[str, Callable[[], None] | None]] = {}
        self._numbers: dict[int, int] = {}  # of their sessions, for the host
        self._waiting = 0       # clients that wait for a picture
        self._picture = asyncio.Event()
        self._blocked = False
        self._acknowledged = True
        self._keyboard = keyboard.Keyboard(self._send)
        self._pointer = pointer.Pointer(
            context.input.send, lambda: context.input.waiting() >= BEHIND)
        context.screen.viewer = self

    @staticmethod
    def of(context: rms.Context) -> 'Desktop':
        """The desktop of a context; made when it is first asked for."""
        if isinstance(context.screen.viewer, Desktop):
            return context.screen.viewer
        return Desktop(context)

    async def close(self) -> None:
        """Cut all clients and give everything back; for tests."""
        for number in list(self._clients):
            self._sessions.end(number)
        while self._clients:
            await asyncio.sleep(0.01)
        self._screen.viewer = None
        self._sessions.close()

    # -- clients

    @property
    def clients(self) -> int:
        """Clients that see the desktop."""
        return len(self._clients)

    @property
    def is_full(self) -> bool:
        """Whether there can be no more clients."""
        return (len(self._clients) + self._waiting
                >= min(rms.CLIENTS_MAX, self._sessions.most))

    async def add(self, connection: socket.socket, *, client: str, name: str,
                  view_only: bool, shared: bool,
                  on_gone: Callable[[], None] | None = None) -> None:
        """Show the desktop to a client that is past its handshake.

        :param connection: does not block; it is taken over
        :param client: for the log, printable
        :param name: of the desktop, ASCII
        :param shared: the other clients stay; they do also if this one may
            only look
        :param on_gone: called when the client has gone
        :raises OSError: there are too many
        """
        await self._wait_for_picture()
        number = self._sessions.add(connection, name, view_only)
        if not shared and not view_only:
            for other in self._clients:
                self._sessions.end(other)
        self._clients[number] = client, on_gone
        self._numbers[number] = self._told.begin(
            'vnc', client, functools.partial(self._sessions.end, number),
            view_only=view_only)
        self._count()
        self._changed()

    async def _wait_for_picture(self) -> None:
        """Let the host paint: it does so only if somebody looks."""
        if self._screen.good:
            return
        self._picture.clear()
        self._waiting += 1
        self._count()
        try:
            async with asyncio.timeout(PICTURE_WAIT_S):
                await self._picture.wait()
        except TimeoutError:
            pass    # it sees a blank desktop, or the last picture
        finally:
            self._waiting -= 1
            self._count()

    def _count(self) -> None:
        self._screen.set_viewers(len(self._clients) + self._waiting)

    def encrypt(self, challenge: bytes, password: str) -> bytes:
        """See authentication."""
        return authentication.encrypt(challenge, password)

    # -- screen.Viewer

    def freeze(self, everything: bool) -> None:
        """The pixels are not good from now on."""
        self._sessions.freeze(everything)

    def show(self, changes: display_module.DisplayChanges,
             screen: screen_module.Screen) -> None:
        """Tell the clients what has changed."""
        if changes.resized:
            self._sessions.resize(*screen.size)
        if changes.cursor:
            self._sessions.set_cursor(screen.cursor())
        if changes.damage != []:
            self._sessions.damage(changes.damage)
        if changes.opened:
            self._sessions.open()
        if screen.good:
            self._picture.set()
        self._acknowledged = False
        self._acknowledge()

    def _acknowledge(self) -> None:
        """Ask the host for more as soon as a client was sent the last."""
        if not self._acknowledged and self._sessions.taken:
            self._acknowledged = True
            self._screen.acknowledge()

    def flush(self) -> None:
        """There may be room for input."""
        if self._blocked:
            self._drain()
        if (self._pointer.waits and self._input.waiting() < BEHIND
                and self._input.room()):
            self._pointer.flush()

    # -- events

    def _woken(self) -> None:
        self._drain()
        self._acknowledge()

    def _drain(self) -> None:
        """Take events as long as they can be sent; else clients wait."""
        room = (self._input.room() - _RESERVE) // _EVENTS_PER_EVENT
        self._blocked = room <= 0
        if self._blocked:
            return
        count = 0
        for event in self._sessions.events(room):
            count += 1
            match event:
                case protocol.Key():
                    self._key(event)
                case protocol.Pointer():
                    self._pointer.move(
                        event.session, event.buttons,
                        pointer.scale(event.x, event.width),
                        pointer.scale(event.y, event.height))
                case protocol.Gone():
                    self._gone(event)
        self._blocked = count == room

    def _key(self, event: protocol.Key) -> None:
        if not self._keyboard.key(event.session, event.down, event.symbol,
                                  event.number):
            self._log.say('no key', 'info', f'{self._name(event.session)}: '
                          f'no key has the symbol {event.symbol:#x}; such '
                          'ones are ignored')

    def _send(self, event: input_event.Event) -> None:
        """A key: what the pointer did before it comes first."""
        self._pointer.flush()
        self._input.send(event)

    def _name(self, number: int) -> str:
        return self._clients[number][0] if number in self._clients else '?'

    def _gone(self, event: protocol.Gone) -> None:
        self._keyboard.release(event.session)
        self._pointer.release(event.session)
        name, on_gone = self._clients.pop(event.session)
        self._told.ended(self._numbers.pop(event.session))
        fault = _FAULTS.get(event.reason)
        if fault is not None:
            self._log.say(f'{fault} {name.rpartition(" port ")[0]}',
                          'warning', f'{name} {fault}: it is cut off')
        if on_gone is not None:
            on_gone()
        self._count()
        self._changed()
