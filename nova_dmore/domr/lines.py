# SPDX-License-Identifier: Apache-2.0
"""The streams to the host, as the servers see them."""

from collections.abc import Callable
from typing import Any

from nova_dmore.channel import control
from nova_dmore.channel.domr import end as domr_end
from nova_dmore.channel import input_event
from nova_dmore import wire

_LOG_TEXT_MAX = 1000
#: Log lines beyond these wait no more for a host that reads none.
_OUTBOX_MAX = 64
#: Nor do these: all of it is told again at the start of an epoch.
_MAY_BE_DROPPED = (wire.LOG, wire.SESSION_BEGAN, wire.SESSION_ENDED)


class Outbox:
    """Messages to the host, in order; log lines may be dropped, and so may
    what is said of a session that begins or ends."""

    def __init__(self, end: domr_end.DomainREnd) -> None:
        self._end = end
        self._messages: list[dict[str, Any]] = []

    @property
    def is_waiting(self) -> bool:
        """Whether some found no room yet."""
        return bool(self._messages)

    def put(self, message: dict[str, Any]) -> None:
        """Send a message as soon as there is room."""
        kind = message['type']
        if (kind in _MAY_BE_DROPPED
                and len(self._messages) >= _OUTBOX_MAX):
            return
        if kind in (wire.SERVING, wire.SESSIONS):   # only the last one counts
            self._messages = [
                waiting for waiting in self._messages
                if (waiting['type'], waiting.get('server'))
                != (kind, message.get('server'))]
        self._messages.append(message)
        self.flush()

    def log(self, level: str, text: str) -> None:
        """Send a line for the host's log, and print it here."""
        print(f'{level}: {text}', flush=True)
        self.put({'type': wire.LOG, 'level': level,
                  'text': text[:_LOG_TEXT_MAX]})

    def flush(self) -> None:
        """Send what there is room for."""
        while self._messages:
            line = control.encode(self._messages[0],
                                  wire.CONTROL_TO_HOST_LINE_MAX)
            if len(line) > self._end.sendable(wire.Stream.CONTROL_TO_HOST):
                return
            self._end.send(wire.Stream.CONTROL_TO_HOST, line)
            del self._messages[0]


class SerialLine:
    """The streams of the serial port, as the console's Line."""

    def __init__(self, end: domr_end.DomainREnd, outbox: Outbox,
                 wake: Callable[[], None], poll: Callable[[], None]) -> None:
        """:param wake: has the region polled, soon
        :param poll: polls it at once
        """
        self._end = end
        self._outbox = outbox
        self._wake = wake
        self._poll = poll

    def sendable(self) -> int:
        """How many bytes ``send`` takes now."""
        return self._end.sendable(wire.Stream.SERIAL0_IN)

    def send(self, data: bytes) -> None:
        """Send input."""
        self._end.send(wire.Stream.SERIAL0_IN, data)

    def send_break(self) -> bool:
        """Ask the host for a break after all input sent so far; whether
        earlier messages leave room to ask."""
        if self._outbox.is_waiting:
            return False
        self._outbox.put({
            'type': wire.BREAK,
            'stream': wire.Stream.SERIAL0_IN.name.lower(),
            'at': self._end.position(wire.Stream.SERIAL0_IN)})
        return True

    def pause_output(self, on: bool) -> None:
        """Take no more output, or go on."""
        if on:
            self._end.pause(wire.Stream.SERIAL0_OUT)
        else:
            self._end.resume(wire.Stream.SERIAL0_OUT)
            self._wake()

    def poll_freeze(self) -> None:
        """Freeze, if the host waits for that.

        The interrupt is heard in the next turn of the loop. A turn that has a
        dozen keys of a client takes 50 ms of an emulated processor, and the
        instance stands still meanwhile.
        """
        if self._end.freeze_wanted:
            self._poll()


class InputLine:
    """The stream of keys and pointer events."""

    def __init__(self, end: domr_end.DomainREnd) -> None:
        self._end = end
        self._most = end.sendable(wire.Stream.INPUT0_IN)

    def room(self) -> int:
        """How many events ``send`` takes now."""
        return (self._end.sendable(wire.Stream.INPUT0_IN)
                // wire.INPUT_RECORD_SIZE)

    def waiting(self) -> int:
        """How many events the instance's devices have not taken."""
        return ((self._most - self._end.sendable(wire.Stream.INPUT0_IN))
                // wire.INPUT_RECORD_SIZE)

    def send(self, event: input_event.Event) -> None:
        """Send an event; it is kept until the device has taken it.

        :raises NoRoomError: there is no ``room``
        """
        self._end.send(wire.Stream.INPUT0_IN, input_event.pack(event))
