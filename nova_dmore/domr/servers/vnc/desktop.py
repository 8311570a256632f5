# SPDX-License-Identifier: Apache-2.0
"""What all VNC clients share: the picture, the keyboard, the pointer.

There is one desktop in a Domain R; it outlives the servers that a new
configuration starts, and so do its clients.
"""

import asyncio
import functools
import socket
from collections.abc import Callable

from nova_dmore.channel.domr import display as domr_display
from nova_dmore.domr import config as config_module
from nova_dmore.domr import screen as screen_module
from nova_dmore.domr.servers import once
from nova_dmore.domr.servers import rms
from nova_dmore.domr.servers.vnc import authentication
from nova_dmore.domr.servers.vnc import faults
from nova_dmore.domr.servers.vnc import hands
from nova_dmore.domr.servers.vnc import notice
from nova_dmore.domr.servers.vnc import protocol
from nova_dmore.domr.servers.vnc import sessions
from nova_dmore import wire

#: How long a client that is the first one waits for the picture.
PICTURE_WAIT_S = 2.0

#: How long it may take until it is known what the instance does, seconds.
_STATE_S = 1.0


class Desktop:
    """Made by ``of``; all methods are called from the event loop."""

    def __init__(self, context: rms.Context) -> None:
        """Become the viewer of the context's screen."""
        self._screen = context.screen
        self._changed = context.changed
        self._told = context.sessions
        self._log = once.Once(context.log)
        self._sessions = sessions.Sessions(
            context.start_vnc, context.screen.framebuffer_size, self._woken,
            context.log)
        self._clients: dict[int, tuple[str, Callable[[], None] | None]] = {}
        self._numbers: dict[int, int] = {}  # of their sessions, for the host
        self._waiting = 0       # clients that wait for a picture
        self._picture = asyncio.Event()
        self._blocked = False
        self._acknowledged = True
        self._context = context
        self._last_vnc = context.config.vnc
        self._instance = context.instance
        self._cleared = False       # clients see no picture, be there one
        self._hands = hands.Hands(context, lambda: self._vnc, self._name,
                                  self._log, self._draw,
                                  self._sessions.answer_size,
                                  self._sessions.set_control)
        self._drawn: tuple[object, ...] = ()
        context.screen.viewer = self
        context.instance.subscribe(self._instance_changed)

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
        self._hands.close()
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
        :param shared: it does not ask to be alone, which ``exclusive`` of the
            configuration decides; one that is view-only never is
        :param on_gone: called when the client has gone
        :raises OSError: there are too many
        """
        await self._wait_for_picture()
        self._draw(is_coming=True)
        number = self._sessions.add(
            connection, name, view_only,
            self._vnc.paste is not config_module.Paste.OFF)
        wants_alone = not (shared or view_only)
        if wants_alone and self._vnc.exclusive is config_module.Exclusive.CUT:
            for other in self._clients:
                self._sessions.end(other)
        self._clients[number] = client, on_gone
        self._hands.begin(number, wants_alone)
        self._numbers[number] = self._told.begin(
            'vnc', client, functools.partial(self._sessions.end, number),
            view_only=view_only)
        self._count()
        self._changed()

    async def _wait_for_picture(self) -> None:
        """Let the host paint: it does so only for viewers."""
        if self._screen.good or self._is_off:
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

    def show(self, changes: domr_display.DisplayChanges,
             screen: screen_module.Screen) -> None:
        """Tell the clients what has changed."""
        if changes.resized or (changes.opened and self._cleared):
            self._resize()
        lights = screen.leds()
        if changes.leds and lights is not None:
            self._hands.locks.told(lights)
            self._sessions.set_leds(lights)
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
        self._hands.flush()

    # -- what the instance does

    @property
    def _is_off(self) -> bool:
        return self._instance.now is wire.InstanceState.OFF

    def _instance_changed(self, state: wire.InstanceState | None) -> None:
        if state is None:
            # An epoch begins, and there is enough to do: the host says it
            # anew in a moment, or (release 0.2) nothing more.
            asyncio.get_running_loop().call_later(_STATE_S, self._draw)
            return
        begins_anew = state in (wire.InstanceState.OFF,
                                wire.InstanceState.REBOOTING)
        if begins_anew:
            self._hands.locks.reset()
        if begins_anew or not self._instance.takes_input:
            # The rest of it would be for a boot loader.
            self._hands.cancel_paste()
        if self._is_off or (self._cleared and self._screen.good):
            self._resize()
        else:
            self._draw()

    def _resize(self) -> None:
        """Have clients see the picture; none of an instance that is off,
        though its QEMU may have a display before its start and after its end.
        """
        self._cleared = self._is_off
        self._sessions.resize(*((0, 0) if self._cleared
                                else self._screen.size))
        self._draw()

    def _draw(self, is_coming: bool = False) -> None:
        """Draw what clients are told, if it is something else by now.

        :param is_coming: the first client is about to be there
        """
        if not self._clients and not is_coming:
            return      # it takes time, and nobody sees it
        state = self._instance.now
        text = (notice.banner(state, self._hands.is_pasting,
                              self._hands.controlled, self._hands.pasted)
                if self._vnc.banner else None)
        wanted = state, text, self._screen.size
        if wanted != self._drawn:
            self._drawn = wanted
            width = self._screen.size[0]
            self._sessions.draw(lambda: (notice.blank(state),
                                         *notice.strip(text, width)))

    # -- events

    def _woken(self) -> None:
        self._drain()
        self._acknowledge()

    def _drain(self) -> None:
        """Take events as long as they can be sent; else clients wait."""
        room = self._hands.room
        self._blocked = room <= 0
        if self._blocked:
            return
        count = 0
        for event in self._sessions.events(room):
            count += 1
            if isinstance(event, protocol.Gone):
                self._gone(event)
            else:
                self._hands.take(event)
        self._blocked = count == room

    @property
    def _vnc(self) -> config_module.Vnc:
        """The configuration; its last one if there is to be no VNC now."""
        self._last_vnc = self._context.config.vnc or self._last_vnc
        assert self._last_vnc is not None   # else there would be no desktop
        return self._last_vnc

    def _name(self, number: int) -> str:
        return self._clients[number][0] if number in self._clients else '?'

    def _gone(self, event: protocol.Gone) -> None:
        self._hands.end(event.session)
        name, on_gone = self._clients.pop(event.session)
        self._told.ended(self._numbers.pop(event.session))
        fault = faults.OF_REASON.get(event.reason)
        if fault is not None:
            self._log.say(f'{fault} {name.rpartition(" port ")[0]}',
                          'warning', f'{name} {fault}: it is cut off')
        if on_gone is not None:
            on_gone()
        self._count()
        self._changed()
