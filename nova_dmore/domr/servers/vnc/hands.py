# SPDX-License-Identifier: Apache-2.0
"""What clients do with keyboard, pointer, clipboard and the desktop's size,
and which may."""

import asyncio
import time
from collections.abc import Callable

from nova_dmore.channel import input_event
from nova_dmore.domr import config as config_module
from nova_dmore.domr.servers import once
from nova_dmore.domr.servers import rms
from nova_dmore.domr.servers.vnc import control
from nova_dmore.domr.servers.vnc import keyboard
from nova_dmore.domr.servers.vnc import locks as locks_module
from nova_dmore.domr.servers.vnc import paste
from nova_dmore.domr.servers.vnc import pointer
from nova_dmore.domr.servers.vnc import protocol
from nova_dmore.domr.servers.vnc import resizing
from nova_dmore.domr.servers.vnc import shown
from nova_dmore import wire

#: A client that holds a key or a button and has sent none for so long is taken
#: for one that has gone, in seconds; how often that is polled.
SILENT_S = 60.0
_SILENCE_POLL_S = 5.0

#: With Control and Alt: types the clipboard, lets all keys go (and control),
#: takes control. By the symbol if it is a letter of Latin, as a keymap of the
#: client may have it anywhere; else by QEMU's number, if the client sends it.
_PASTE_KEY = 0x2f, frozenset((0x56, 0x76))
_RELEASE_KEY = 0x16, frozenset((0x55, 0x75))
_CONTROL_KEY = 0x18, frozenset((0x4f, 0x6f))
_ESCAPE_KEY = 0x01, frozenset((0xff1b,))

#: What is said of a clipboard that cannot be pasted.
_NOTHING_TO_PASTE = (f'nothing pasted: no text, or more than '
                     f'{protocol.TEXT_MAX} characters')

#: The instance is behind when it has not taken this many events.
BEHIND = 8

#: Events that are left free for what clients hold when they go away.
_RESERVE = 1024
#: Events that one of a client's can become.
_EVENTS_PER_EVENT = max(keyboard.Keyboard.EVENTS_MAX,
                        pointer.Pointer.EVENTS_MAX + 1)


class Hands:
    """What clients press, move and paste; called from the event loop.

    :param context: see ``rms``
    :param vnc: tells the configuration that counts now
    :param name: of a client, by its session, printable
    :param changed: called when what ``is_pasting``, ``controlled`` or
        ``pasted`` says is something else
    :param answer_size: tells a client what has become of the size that it
        wants
    :param tell_control: is told of the client whose input alone counts, None:
        that of all does
    """

    def __init__(self, context: rms.Context,
                 vnc: Callable[[], config_module.Vnc],
                 name: Callable[[int], str], log: once.Once,
                 changed: Callable[[], None],
                 answer_size: Callable[[int, wire.SizeAnswer], None],
                 tell_control: Callable[[int | None], None]) -> None:
        self._input = context.input
        self._instance = context.instance
        self._screen = context.screen
        self._vnc, self._name, self._log = vnc, name, log
        self._keyboard = keyboard.Keyboard(
            self._send, is_behind=lambda: bool(context.input.waiting()))
        self._pointer = pointer.Pointer(
            context.input.send, lambda: context.input.waiting() >= BEHIND)
        self._clipboards = paste.Clipboards()
        self._paste = paste.Paste(self._keyboard, context.input.waiting,
                                  changed)
        self._pasted = shown.Shown(changed)
        self._control = control.Control(changed)
        self._answer_size = answer_size
        self._tell_control = tell_control
        self._told_control: int | None = None
        self._resizing = resizing.Resizing(context.screen, answer_size)
        #: The key of the last command of a client, as long as it may repeat.
        self._commanded: dict[int, int] = {}
        #: When clients were heard of last.
        self._heard: dict[int, float] = {}
        self._silence: asyncio.TimerHandle | None = None

    @property
    def is_pasting(self) -> bool:
        """Whether a text is being typed."""
        return self._paste.is_typing

    @property
    def controlled(self) -> str | None:
        """What the picture is to say of control, if anything."""
        return self._control.shown.text

    @property
    def pasted(self) -> str | None:
        """What the picture is to say of what was pasted, if anything."""
        return self._pasted.text

    @property
    def locks(self) -> locks_module.Locks:
        """What the guest's Caps Lock and Num Lock are."""
        return self._keyboard.locks

    @property
    def room(self) -> int:
        """How many events of clients can be taken now; 0 or less: none."""
        return (self._input.room() - _RESERVE) // _EVENTS_PER_EVENT

    def begin(self, client: int, wants_alone: bool) -> None:
        """A client is there.

        :param wants_alone: it asks for that, and may type
        """
        self._heard[client] = time.monotonic()
        if wants_alone and self._has_control:
            self._take_control(client)
        self._say_control()
        self._schedule_silence_check()

    def end(self, client: int) -> None:
        """A client has gone: let go what it holds."""
        if self._paste.client == client:
            self._paste.cancel()
        self._clipboards.forget(client)
        self._resizing.forget(client)
        self._control.give_up(client)
        self._say_control()
        self._commanded.pop(client, None)
        self._heard.pop(client, None)
        self._keyboard.release(client)
        self._pointer.release(client)

    def cancel_paste(self) -> None:
        """Type no more of a clipboard."""
        self._paste.cancel()

    def flush(self) -> None:
        """The region was polled: the instance may have taken something, then
        a motion that waits is sent, or the host may have answered."""
        self._resizing.poll()
        if (self._pointer.waits and self._input.waiting() < BEHIND
                and self._input.room()):
            self._pointer.flush()

    def close(self) -> None:
        """Do nothing more by itself; for tests."""
        self._paste.cancel()
        self._pasted.hide()
        self._resizing.close()

    def take(self, event: protocol.Key | protocol.Pointer | protocol.Text
             | protocol.SizeWanted) -> None:
        """Do what a client does; ``room`` was checked."""
        match event:
            case protocol.Key():
                self._key(event)
            case protocol.Pointer() if not self._is_excluded(event.session):
                self._move(event)
            case protocol.Text():
                self._text(event)
            case protocol.SizeWanted():
                self._size(event)
        # Whatever it was, also where the configuration is another one by now.
        self._say_control()

    # -- pointer, clipboard, size

    def _size(self, event: protocol.SizeWanted) -> None:
        if self._is_excluded(event.session):
            self._answer_size(event.session, wire.SizeAnswer.PROHIBITED)
        else:
            self._resizing.ask(event.session, event.width, event.height)

    def _move(self, event: protocol.Pointer) -> None:
        self._heard[event.session] = time.monotonic()
        size = self._screen.size
        # Of a picture that is not shown to its edges all counts.
        width, height = (self._screen.whole
                         if (event.width, event.height) == size
                         else (event.width, event.height))
        self._pointer.move(event.session, event.buttons,
                           pointer.scale(event.x, width),
                           pointer.scale(event.y, height))

    def _text(self, event: protocol.Text) -> None:
        text = self._clipboards.take(event)
        if self._is_excluded(event.session):
            return
        if self._paste.client == event.session:
            self._paste.cancel()
        if text == '':
            self._log.say('paste', 'info', f'{self._name(event.session)}: '
                          'its clipboard has no text now, or one that is too '
                          'long to be typed')
        # Some clients send their clipboard by themselves, and that must not
        # end what somebody else has typed.
        elif (text and not self._paste.is_typing
              and self._vnc().paste is config_module.Paste.AT_ONCE):
            self._begin_paste(event.session, text)

    def _begin_paste(self, client: int, text: str) -> None:
        if not self._instance.takes_input:
            return
        self._keyboard.release_all()
        self._keyboard.keymap = self._vnc().keymap
        missing = self._paste.begin(client, text)
        if missing:
            self._pasted.show(f'{missing} characters left out: they are on '
                              'no key')
            self._log.say('paste', 'info', f'{self._name(client)}: {missing} '
                          'characters of its clipboard are on no key of the '
                          f'keymap {self._keyboard.keymap}: they are left '
                          'out')

    def _is_command(self, event: protocol.Key) -> bool:
        """Do what a key means to this server; whether it means something."""
        key = event.number or event.symbol
        commanded = self._commanded.get(event.session)
        if event.down and key == commanded:
            return True     # it is held, and repeats
        if not event.down:
            # What was held with it may be let go first.
            if not keyboard.is_modifier(event.symbol, event.number):
                self._commanded.pop(event.session, None)
            return False
        self._commanded.pop(event.session, None)
        if not self._does(event):
            return False
        self._commanded[event.session] = key
        return True

    def _does(self, event: protocol.Key) -> bool:
        """Do what a key that went down means, if it means something."""
        if self._paste.is_typing and _is(_ESCAPE_KEY, event):
            self._paste.cancel()
            return True
        if not self._keyboard.commands(event.session):
            return False
        if self._has_control and _is(_CONTROL_KEY, event):
            self._take_control(event.session)
            return True
        if _is(_RELEASE_KEY, event):
            self._control.give_up(event.session)
        if self._vnc().paste is config_module.Paste.OFF:
            return False
        if _is(_RELEASE_KEY, event):
            self._keyboard.release_all()
            return True
        text = self._clipboards.of(event.session)
        if _is(_PASTE_KEY, event) and text:
            self._begin_paste(event.session, text)
            return True
        if _is(_PASTE_KEY, event) and text is not None:
            self._pasted.show(_NOTHING_TO_PASTE)
        return False

    # -- control

    @property
    def _has_control(self) -> bool:
        """Whether one client can have control."""
        return self._vnc().exclusive is config_module.Exclusive.CONTROL

    def _say_control(self) -> None:
        """Tell whose input counts, if it is another's by now."""
        holder = self._control.holder if self._has_control else None
        if holder != self._told_control:
            self._told_control = holder
            self._tell_control(holder)

    def _is_excluded(self, client: int) -> bool:
        return self._has_control and self._control.excludes(client)

    def _take_control(self, client: int) -> None:
        """Have one client type alone; what others hold is let go."""
        for other in self._heard:
            if other != client:
                self._keyboard.release(other)
                self._pointer.release(other)
        if self._paste.client not in (None, client):
            self._paste.cancel()
        self._control.take(client)
        self._log.say('control', 'info', f'{self._name(client)} has taken '
                      'control: the other clients are excluded')

    def _excluded_key(self, event: protocol.Key) -> None:
        self._commanded.pop(event.session, None)
        held = self._control.heard(event)
        if held and event.down and _is(_CONTROL_KEY, event):
            self._take_control(event.session)
            # Now it holds them in the instance, as if it had typed before.
            for number in sorted(held):
                self._key(protocol.Key(event.session, True, 0, number))

    # -- keys

    def _key(self, event: protocol.Key) -> None:
        if self._is_excluded(event.session):
            self._excluded_key(event)
            return
        self._heard[event.session] = time.monotonic()
        if self._is_command(event):
            return
        if event.down and not self._instance.takes_input:
            # As QEMU's own console does; the picture says why. An operator
            # can tell these from keys that were lost.
            self._log.say('no input', 'info', f'{self._name(event.session)}: '
                          'a key is dropped, for the instance is '
                          f'{self._instance.now}')
            return
        self._keyboard.keymap = self._vnc().keymap
        if not self._keyboard.key(event.session, event.down, event.symbol,
                                  event.number, event.knows_locks):
            self._log.say('no key', 'info', f'{self._name(event.session)}: '
                          f'no key has the symbol {event.symbol:#x}; such '
                          'ones are ignored')

    def _send(self, event: input_event.Event) -> None:
        """A key: what the pointer did before it comes first."""
        self._pointer.flush()
        self._input.send(event)

    def _schedule_silence_check(self) -> None:
        """Let go what clients hold that have said nothing for long."""
        if self._silence is None and self._heard:
            self._silence = asyncio.get_running_loop().call_later(
                _SILENCE_POLL_S, self._on_silence)

    def _on_silence(self) -> None:
        self._silence = None
        now = time.monotonic()
        for client, heard in self._heard.items():
            if now - heard < SILENT_S or self._input.room() < _RESERVE:
                continue
            if self._keyboard.held(client):
                self._keyboard.suspend(client)
            if self._pointer.pressed(client):
                self._pointer.release(client)
        self._schedule_silence_check()


def _is(key: tuple[int, frozenset[int]], event: protocol.Key) -> bool:
    number, symbols = key
    is_letter = event.symbol < 0x80 and chr(event.symbol).isalpha()
    if is_letter or not event.number:
        return event.symbol in symbols
    return event.number == number
