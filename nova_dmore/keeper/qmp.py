# SPDX-License-Identifier: Apache-2.0
"""The keeper's QMP connection to one QEMU.

QEMU connects, and does so again when the connection has ended. This is a
client of its own, and not the well-kept ``qemu.qmp``, for one reason: whether
a byte may be given to QEMU depends on what QEMU has said before, and
:meth:`QmpLink.receive` takes that in at once. A client that reads in tasks has
events under way that nobody can ask for.
"""

import collections
import dataclasses
import enum
import errno
import json
import logging
import socket
import time
from collections.abc import Callable
from typing import Any, TypeAlias

from nova_dmore.channel.host import unread
from nova_dmore.channel import text
from nova_dmore.keeper import peers
from nova_dmore.keeper import qmp_events
from nova_dmore.link import messages
from nova_dmore.posix import loop as loop_module
from nova_dmore.posix import unix_connect

LOG = logging.getLogger(__name__)

#: Of a QEMU whose connection was ended for what it said.
CONFUSED = 'confused'

#: Longest line that is read, in bytes.
_LINE_MAX = 1 << 20
_CHUNK = 1 << 16

#: How long a QEMU that has connected may take to greet, in seconds.
_GREETING_TIMEOUT_S = 5.0

#: How often one ``receive`` reads at most: QEMU may never stop talking.
_READS_MAX = 16
#: How many bytes, and how many events that are acted on, QEMU may send in a
#: second. One that sends more is confused, too: its connection is ended.
_BYTES_MAX = 1 << 23
_EVENTS_RATE_MAX = 100
#: For how long a confused QEMU is refused, in seconds; it connects again after
#: one second.
_CONFUSED_PAUSE_S = 0.9
#: How many commands may wait for QEMU's answers.
_WAITING_MAX = 256
#: Longest run state that is passed on, in characters.
_STATUS_MAX = 40


class LinkState(enum.Enum):
    """Where a connection is; each -> AWAY when it ends."""

    AWAY = 'away'               # -> GREETED when QEMU connects
    GREETED = 'greeted'         # its greeting is awaited
    AGREEING = 'agreeing'       # it is asked for commands -> READY
    READY = 'ready'             # commands may be sent


#: Called with ``{'result': ...}``, or with ``error`` (text) and ``failure`` (a
#: :class:`messages.Failure`).
Replied: TypeAlias = Callable[[messages.Message], None]


@dataclasses.dataclass
class _Unsent:
    """What is left to be sent of a command."""

    data: bytes
    #: A socket that QEMU gets with the first byte.
    given: socket.socket | None
    number: int


class QmpLink:
    """One QEMU's monitor, for as long as QEMU is connected.

    :param vm: ``messages.INSTANCE`` or ``DOMAIN_R``.
    :param on_status: called with (connected, run state or None, arriving);
        ``arriving`` tells that an incoming migration was seen on this
        connection. The state of a QEMU that is not connected any more is
        :data:`CONFUSED` if it lives, and said what cannot be.
    :param on_event: called with (name, monotonic seconds) for
        :data:`qmp_events.EVENTS` and those of a migration (messages.SAVING
        ...), before the ``on_status`` that follows from it. Neither may call
        :meth:`receive`.
    """

    def __init__(self, loop: loop_module.Loop, vm: str,
                 on_status: Callable[[bool, str | None, bool], None],
                 on_event: Callable[[str, float], None]) -> None:
        self._loop = loop
        self._vm = vm
        self._on_status = on_status
        self._on_event = on_event
        self.state = LinkState.AWAY
        self._peer: peers.Peer | None = None
        self._socket: socket.socket | None = None
        #: Whether QEMU was given one on this connection.
        self._gives_descriptors = False
        self._unread = unread.Unread()
        self._left_alone_until = 0.0
        self._received = bytearray()
        self._to_send: collections.deque[_Unsent] = collections.deque()
        #: By the id of the command.
        self._waiting: dict[int, Replied] = {}
        self._last_id = 0
        self._arriving = False
        self._is_asking = False     # for the run state
        self._asked = 0             # how often it was wanted in all
        #: What QEMU has sent in the current second, and when that began.
        self._bytes = self._events = 0
        self._second = 0.0
        self._timer: loop_module.Handle | None = None

    def connected(self, sock: socket.socket, peer: peers.Peer) -> None:
        """Take a connection, until it ends.

        :raises peers.RefusedError: another one lives, or the last one said
            what cannot be a moment ago.
        """
        if (living := self.living_peer()) is not None:
            raise peers.RefusedError(f'{living} is connected, not {peer}')
        if time.monotonic() < self._left_alone_until:
            raise peers.RefusedError(f'{peer} comes too soon')
        if self._unread.are_too_many():
            raise peers.RefusedError('QEMU reads nothing')
        unix_connect.prepare(sock)
        self._socket, self._peer = sock, peer
        self.state = LinkState.GREETED
        self._arriving = False
        self._gives_descriptors = False
        self._loop.add_reader(self._socket, self.receive)
        self._timer = self._loop.call_later(
            _GREETING_TIMEOUT_S, self._lost, 'no greeting in time')

    def living_peer(self) -> peers.Peer | None:
        """-> whose connection has not ended, None: nobody's."""
        self.receive()     # its end may not have been read
        return self._peer if self._socket is not None else None

    def close(self) -> None:
        """End; nobody is called any more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._socket is not None:
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            if self._gives_descriptors:
                self._unread.end(self._socket)
            else:
                self._socket.close()
            self._socket = None
        for unsent in self._to_send:
            if unsent.given is not None:
                unsent.given.close()
        self._to_send.clear()
        self.state = LinkState.AWAY

    def receive(self) -> None:
        """Take in all that QEMU has said by now."""
        for _ in range(_READS_MAX):
            if self._socket is None:
                return
            try:
                data = self._socket.recv(_CHUNK)
            except BlockingIOError:
                return
            except OSError as e:
                self._lost(e)
                return
            if not data:
                self._lost('it hung up')
                return
            self._received += data
            if self._is_flood(len(data)):
                self._lost('it talks without end', is_confused=True)
                return
            self._take_lines()

    def _is_flood(self, count: int, events: int = 0) -> bool:
        now = time.monotonic()
        if now - self._second >= 1.0:
            self._second = now
            self._bytes = self._events = 0
        self._bytes += count
        self._events += events
        return self._bytes > _BYTES_MAX or self._events > _EVENTS_RATE_MAX

    def execute(self, command: str, arguments: dict[str, Any] | None,
                replied: Replied, given: socket.socket | None = None
                ) -> None:
        """Have QEMU run a command.

        :param given: a socket that QEMU gets with it; it is closed here.
        """
        error = ('QEMU is not connected'
                 if self.state is not LinkState.READY else
                 'QEMU does not answer'
                 if len(self._waiting) >= _WAITING_MAX else None)
        if error is None:
            self._send(command, arguments, replied, given)
            return
        if given is not None:
            given.close()
        replied({'error': error, 'failure': messages.Failure.NOT_SENT})

    def _send(self, command: str, arguments: dict[str, Any] | None,
              replied: Replied, given: socket.socket | None = None) -> None:
        self._last_id += 1
        self._waiting[self._last_id] = replied
        message: messages.Message = {'execute': command, 'id': self._last_id}
        if arguments:
            message['arguments'] = arguments
        self._to_send.append(_Unsent(
            json.dumps(message).encode() + b'\n', given, self._last_id))
        self._flush()

    def _flush(self) -> None:
        sock = self._socket
        assert sock is not None     # ``close`` leaves nothing to be sent
        try:
            while self._to_send:
                self._send_some(sock, self._to_send[0])
        except BlockingIOError:
            self._loop.add_writer(sock, self._flush)
            return
        except OSError:
            pass        # the reader sees the end of the connection
        self._loop.remove_writer(sock)

    def _send_some(self, sock: socket.socket, unsent: _Unsent) -> None:
        data, given = unsent.data, unsent.given
        if given is None:
            sent = sock.send(data)
        else:
            try:
                sent = socket.send_fds(sock, [data], [given.fileno()])
            except OSError as e:
                if e.errno != errno.ETOOMANYREFS:
                    raise
                # The kernel limits how many descriptors one user has under
                # way, and QEMUs of other pairs do not take theirs. Only this
                # command fails.
                given.close()
                self._to_send.popleft()
                self._waiting.pop(unsent.number)({
                    'error': str(e), 'failure': messages.Failure.NOT_SENT})
                return
            # It came with the first byte.
            self._gives_descriptors = True
            given.close()
        if sent == len(data):
            self._to_send.popleft()
        else:
            unsent.data, unsent.given = data[sent:], None

    def _lost(self, reason: object, is_confused: bool = False) -> None:
        LOG.info('QMP of %s, %s: disconnected: %s', self._vm, self._peer,
                 text.printable(reason))
        was, arriving = self.state, self._arriving
        self.close()
        if is_confused:
            self._left_alone_until = time.monotonic() + _CONFUSED_PAUSE_S
        self._received.clear()
        waiting, self._waiting = self._waiting, {}
        for replied in waiting.values():
            replied({'error': 'QEMU went away',
                     'failure': messages.Failure.LOST})
        if was is LinkState.READY:
            self._on_status(False, CONFUSED if is_confused else None,
                            arriving)

    # -- what QEMU says

    def _take_lines(self) -> None:
        *lines, self._received = self._received.split(b'\n')
        if len(self._received) > _LINE_MAX:
            self._lost('an endless line', is_confused=True)
            return
        for line in lines:
            if self._socket is None:
                return      # the rest is of a connection that has ended
            try:
                message = json.loads(line)
                if not isinstance(message, dict):
                    raise ValueError('no object')
            except (ValueError, RecursionError) as e:
                self._lost(e, is_confused=True)
                return
            self._handle(message)

    def _handle(self, message: messages.Message) -> None:
        if 'event' in message:
            self._handle_event(message)
        elif 'QMP' in message and self.state is LinkState.GREETED:
            self.state = LinkState.AGREEING
            self._send('qmp_capabilities', None, self._agreed)
        elif 'return' in message or 'error' in message:
            number = message.get('id')
            replied = (self._waiting.pop(number, None)
                       if type(number) is int else None)
            if replied is not None:
                replied({'result': message['return']} if 'return' in message
                        else {'error': _text_of(message['error']),
                              'failure': messages.Failure.REFUSED})

    def _agreed(self, reply: messages.Message) -> None:
        if 'result' not in reply:
            return
        assert self._timer is not None      # it waits for the greeting
        self._timer.cancel()
        self.state = LinkState.READY
        LOG.info('QMP of %s, %s: connected', self._vm, self._peer)
        self._ask_for_status()

    def _handle_event(self, message: messages.Message) -> None:
        name = qmp_events.told_as(message)
        if name is None or self.state is not LinkState.READY:
            return
        # A guest may reset itself as often as it can.
        if self._is_flood(0, events=qmp_events.is_acted_on(name)):
            self._lost('too many events', is_confused=True)
            return
        self._on_event(name, time.monotonic() - qmp_events.age_s(message))
        if qmp_events.EVENTS.get(name) is not None:
            self._on_status(True, qmp_events.EVENTS[name], self._arriving)
            self._ask_for_status()
        elif name == messages.SAVED:
            # A VM that has arrived is paused now; QEMU sends no event of it.
            self._ask_for_status()

    def _ask_for_status(self) -> None:
        self._asked += 1
        if self._is_asking:
            return      # again, when the answer is here
        self._is_asking = True
        asked = self._asked

        def replied(reply: messages.Message) -> None:
            self._is_asking = False
            if 'result' not in reply:
                return
            if asked == self._asked:
                self._status_is(reply['result'])
            else:
                # An event came after the question: the answer is out of date.
                self._ask_for_status()
        self.execute('query-status', None, replied)

    def _status_is(self, result: Any) -> None:
        status = result.get('status') if isinstance(result, dict) else None
        if status == 'inmigrate':
            self._arriving = True
        self._on_status(
            True, text.printable(status, _STATUS_MAX)
            if isinstance(status, str) else 'unknown', self._arriving)


def _text_of(error: Any) -> str:
    found = error.get('desc') if isinstance(error, dict) else error
    return text.printable(found)
