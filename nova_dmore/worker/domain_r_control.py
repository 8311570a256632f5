# SPDX-License-Identifier: Apache-2.0
"""The worker's conversation with Domain R over the control streams."""

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeGuard

from nova_dmore.channel import control
from nova_dmore.channel import errors
from nova_dmore.channel.host import end as host_end_module
from nova_dmore.channel import text
from nova_dmore import wire
from nova_dmore.worker.devices.serial import input as serial_in
from nova_dmore.worker import serial_break as serial_break_module
from nova_dmore.worker import sessions as sessions_module

LOG = logging.getLogger(__name__)

_OUT = wire.Stream.CONTROL_TO_DOMAIN_R
_IN = wire.Stream.CONTROL_TO_HOST

_GIVEN_UP = 'A break was given up: the instance boots anew'

#: Lines of Domain R that are logged per minute.
_LOG_LINES = 60
_TEXT_MAX = 1024

_OF_SESSIONS = (wire.SESSIONS, wire.SESSION_BEGAN, wire.SESSION_ENDED)

#: Of what Domain R says in numbers: they go to nova-compute, which may compute
#: with them.
_AMOUNT_MAX = 1 << 53


def _is_amount(value: Any) -> bool:
    # Neither infinite nor NaN, which JSON in Python knows.
    return type(value) in (int, float) and bool(0 <= value <= _AMOUNT_MAX)


def _is_offset(value: Any) -> TypeGuard[int]:
    return type(value) is int and 0 <= value <= wire.OFFSET_MAX


class DomainRControl:
    """Sends CONFIG, STATE, BOOT, GAP and END_SESSION; takes BREAK, BOOT_HEARD,
    SERVING, LOG, and what is said of sessions.

    :param serial_input: what is typed at the serial port.
    :param serial_break: the break that Domain R asks for.
    :param sessions: is told of them.
    :param changed: called when that has changed, before the message is taken.
    """

    def __init__(self, host_end: host_end_module.HostEnd,
                 serial_input: serial_in.SerialInput,
                 serial_break: serial_break_module.SerialBreak,
                 serving: dict[str, Any] | None = None,
                 waiting: Iterable[dict[str, Any]] = (),
                 sessions: sessions_module.SessionLog | None = None,
                 changed: Callable[[], None] = lambda: None) -> None:
        self._host_end = host_end
        self._input = serial_input
        self._break = serial_break
        self._codec = control.LineCodec(wire.CONTROL_TO_HOST_LINE_MAX)
        #: The last SERVING message, without its type.
        self.serving = serving
        #: GAP messages for the next time Domain R is there.
        self.waiting = list(waiting)
        self.sessions = sessions or sessions_module.SessionLog()
        self._changed = changed
        self.config: dict[str, Any] = {}
        self._state: wire.InstanceState | None = None   # told last
        #: Of CONFIG and STATE, of which there is a newer one than was told.
        self._untold: list[str] = []
        self._is_asked = False      # of a boot, and has not answered
        self._lines = 0
        self._lines_since = 0.0

    def configure(self, config: dict[str, Any], open_now: bool) -> None:
        """Keep the CONFIG message; send it if Domain R is there.

        :raises errors.ControlError: it is too long.
        """
        control.encode({**config, 'type': wire.CONFIG})
        self.config = config
        if open_now:
            self._tell(wire.CONFIG)

    def state(self, state: wire.InstanceState, open_now: bool) -> None:
        """Tell Domain R what the instance does, now and when it is there."""
        self._state = state
        if open_now:
            self._tell(wire.STATE)

    def _tell(self, kind: str) -> None:
        """Tell Domain R the newest of what only the newest counts of, as soon
        as there is room."""
        if kind in self._untold:
            return      # it was logged
        self._untold.append(kind)
        self._tell_newest()
        if kind in self._untold:
            LOG.warning('Domain R does not read its control stream: %s waits',
                        kind)

    def _tell_newest(self) -> None:
        while self._untold:
            kind = self._untold[0]
            line = control.encode(
                {**self.config, 'type': kind} if kind == wire.CONFIG
                else {'type': kind, 'state': self._state})
            if not self._has_room(line):
                return
            self._host_end.produce(_OUT, line)
            del self._untold[0]

    def _has_room(self, line: bytes) -> bool:
        return self._is_open and self._host_end.room(_OUT) >= len(line)

    @property
    def _is_open(self) -> bool:
        return self._host_end.state is host_end_module.HostState.OPEN

    def begin_boot(self) -> None:
        """The instance boots anew: what was typed until now, a break
        included, is not for what runs from now on."""
        self._break.give_up(_GIVEN_UP)
        self._input.begin_boot()
        self._find_what_is_old()

    def _find_what_is_old(self) -> None:
        fence = self._input.fence
        if not self._is_open:
            return      # ``opened`` does it: what is here cannot be read now
        if not (self.serving or {}).get('hears_boots'):
            # Domain R cannot say it, or serves nobody yet.
            fence.is_at(fence.number, self._input.sent)
        else:
            self._ask_what_is_old()

    def _ask_what_is_old(self) -> None:
        """Have Domain R say it, if it has to and there is room to ask.

        Once at a time: a guest may reset itself as often as it can, and Domain
        R be slow to hear of that.
        """
        fence = self._input.fence
        if self._is_asked or not fence.is_up or fence.before is not None:
            return
        line = control.encode({'type': wire.BOOT, 'number': fence.number})
        if self._has_room(line):
            self._host_end.produce(_OUT, line)
            self._is_asked = True

    def input_dropped(self, at: int, count: int, open_now: bool) -> None:
        """Tell the clients that what they have typed is for nobody."""
        if open_now:
            self._send({
                'type': wire.GAP, 'at': at, 'bytes': count,
                'stream': wire.Stream.SERIAL0_IN.name.lower(),
                'kind': wire.GapKind.EXACT,
                'reason': 'it was typed for an instance that is off, or '
                          'before it booted anew'})

    def gap(self, message: dict[str, Any], open_now: bool) -> None:
        """Tell Domain R of a gap, now or when it is there."""
        if open_now:
            self._send(message)
        else:
            self.waiting = self.waiting[-63:] + [message]

    def shorten(self) -> bool:
        """Drop half of what is to be told the next Domain R of gaps, the
        oldest, for there is no room to keep it -> whether there was any."""
        count = (len(self.waiting) + 1) // 2
        self.waiting = self.waiting[count:]
        return count > 0

    def opened(self) -> None:
        """Domain R joined an epoch: tell it everything again."""
        self._break.opened()
        self._untold.clear()
        if self.config:
            self._tell(wire.CONFIG)
        if self._state is not None:
            self._tell(wire.STATE)
        self._is_asked = False
        if self._input.fence.is_up:
            self._input.fence.ask_again()
            self._find_what_is_old()
        waiting, self.waiting = self.waiting, []
        for message in waiting:
            self._send(message)

    def lost(self) -> None:
        """Domain R is gone."""
        self.serving = None
        self.sessions.lost()

    def end_session(self, number: int) -> None:
        """Have Domain R cut a client off; none that is gone is missed."""
        self._send({'type': wire.END_SESSION, 'number': number})

    def pump(self) -> bool:
        """Read what Domain R says -> whether SERVING has changed."""
        serving = self.serving
        # If there was no room.
        self._tell_newest()
        self._ask_what_is_old()
        while not self._break.blocks():
            data = self._host_end.readable(_IN)
            end = data.find(b'\n') + 1
            messages, used = self._codec.decode(data[:end] if end else data)
            if not used:
                break
            for message in messages:
                self._handle(message, used)
            if not self._break.is_there:
                self._host_end.take(_IN, used)
        return serving is not self.serving

    def _handle(self, message: dict[str, Any], length: int) -> None:
        kind = message['type']
        if kind == wire.BREAK:
            offset = message.get('at')
            if (not _is_offset(offset) or
                    message.get('stream') != 'serial0_in'):
                return
            if self._input.fence.was_before(offset):
                # Nor could it wait: BOOT_HEARD comes after it.
                LOG.info(_GIVEN_UP)
                return
            self._break.ask(offset, length)
        elif kind == wire.BOOT_HEARD:
            self._is_asked = False
            if _is_offset(message.get('at')):
                self._input.fence.is_at(message.get('number'), message['at'])
            self._ask_what_is_old()     # of a later boot
        elif kind == wire.SERVING:
            self.serving = {
                name: message[name]
                for name in ('ssh', 'serial', 'vnc', 'boot_s',
                         'memory_kib', 'ends_sessions',
                         'tells_recording', 'hears_boots')
                if _is_amount(message.get(name))}
        elif kind == wire.LOG:
            self._log(message)
        elif kind in _OF_SESSIONS and self.sessions.take(message):
            # A successor that reads the message again knows it then.
            self._changed()

    def _log(self, message: dict[str, Any]) -> None:
        now = time.monotonic()
        if now - self._lines_since > 60:
            self._lines, self._lines_since = 0, now
        self._lines += 1
        if self._lines > _LOG_LINES:
            return
        level = (logging.WARNING if message.get('level') == 'warning'
                 else logging.INFO)
        LOG.log(level, 'Domain R: %s',
                text.printable(message.get('text'), _TEXT_MAX))

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self._host_end.produce(_OUT, control.encode(message))
        except errors.NoRoomError:
            LOG.warning('Domain R does not read its control stream: %s was '
                        'dropped', message['type'])
