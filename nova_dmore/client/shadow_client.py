# SPDX-License-Identifier: Apache-2.0
"""How nova-compute talks to the shadow-device process of a pair.

Synchronous and thread-safe. Every request takes a connection of its own from
a small stock, so a thread that waits in :meth:`ShadowClient.frozen` holds up
nobody. New ones come from the host service; those that are open lead to the
worker itself, also while the host service is away. A worker that was restarted
closes its connections; the request is then repeated on a new one until its
time is over (all requests may be repeated without harm).
"""

import json
import socket
import threading
import time
from collections.abc import Callable
from collections.abc import Iterable
from typing import Any
from typing import Protocol
from typing import TypeVar

from nova_dmore.channel import text
from nova_dmore.client import answers
from nova_dmore import exception
from nova_dmore import wire

#: How long a request that does not wait for anything may take, in seconds.
DEFAULT_TIMEOUT_S = 5.0

#: How much longer than its ``timeout_ms`` a waiting request may take.
GRACE_S = 2.0

#: How soon a process that does not answer is asked again, in seconds.
_RETRY_INTERVAL_S = 0.02
#: Bytes of an answer: a carry-over has those of two streams in it. All others
#: are shorter; what a hostile worker says becomes forty times as much memory.
_CARRY_OVER_ANSWER_MAX = 4 * wire.REQUEST_LINE_MAX
_ANSWER_MAX = wire.REQUEST_LINE_MAX
#: The longest that a worker takes for its :data:`wire.Request.GAPS`.
_GAPS_TIMEOUT_MS = 10 ** 9

_Answer = TypeVar('_Answer')


class GapsRequest:
    """A request GAPS that waits for its answer.

    :param sock: connected socket on which it was sent.
    """

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._socket = sock

    def fileno(self) -> int:
        """Readable when there are gap reports, or the worker has ended."""
        return self._socket.fileno()

    def is_refused(self) -> bool:
        """Whether the worker is of a release without this request.

        Called when it is readable.
        """
        try:
            return 'error' in json.loads(self._socket.recv(1 << 16))
        except (OSError, RecursionError, TypeError, ValueError):
            return False    # it has ended, or says what means nothing

    def close(self) -> None:
        """Take the request back."""
        self._socket.close()


class Opener(Protocol):
    """A :class:`nova_dmore.client.host_service.HostService`, or what connects
    to workers as it does."""

    def open(self, instance: str, timeout: float) -> socket.socket | None:
        """See there."""


class ShadowClient:
    """Requests to one pair's shadow-device process.

    :param service: see :class:`Opener`.
    :param instance: the uuid of the pair's instance.
    :param timeout: seconds that a request without ``timeout_ms`` may take.

    Every method raises :class:`exception.ShadowAnswerError` when the process
    does not answer in time or refuses the request, and
    :class:`exception.HostServiceError` when the host service cannot be asked.
    """

    def __init__(self, service: Opener, instance: str,
                 timeout: float = DEFAULT_TIMEOUT_S) -> None:
        self._service = service
        self._instance = instance
        self._timeout = timeout
        self._lock = threading.Lock()
        self._idle: list[socket.socket] = []
        self._next_id = 0
        #: Whether the worker that answered last tells of sessions.
        self._has_sessions = False

    def status(self, timeout: float | None = None) -> wire.Status:
        """-> :class:`wire.Status`.

        :param timeout: seconds, instead of the client's own.
        """
        result = self._request(wire.Request.STATUS, {}, timeout)
        self._has_sessions = 'sessions' in result
        return self._checked(wire.Request.STATUS, answers.status, result)

    def configure(self, config: dict[str, Any]) -> None:
        """Give the CONFIG message (a dict) for this and later Domain Rs."""
        self._request(wire.Request.CONFIGURE, {'config': config})

    def arm(self, migration_id: str, role: wire.Role, on: bool = True
            ) -> None:
        """A stop (source) or start (destination) now belongs to a migration.

        :param role: a :class:`wire.Role`.
        :param on: False disarms; the source's frozen pair thaws when its
            instance runs.
        """
        self._request(wire.Request.ARM, {
            'migration_id': migration_id, 'role': wire.Role(role).value,
            'on': bool(on)})

    def adopt(self) -> None:
        """The instance belongs to this host now, running or paused: let an
        arrived Domain R run. Harmless for a pair that is live."""
        self._request(wire.Request.ADOPT, {})

    def hold(self, on: bool) -> None:
        """Ask Domain R to keep its pre-copy from converging, or no more."""
        self._request(wire.Request.HOLD, {'on': bool(on)})

    def let_go(self, on: bool) -> None:
        """Have Domain R stopped as soon as it may: its migration goes on
        then. Or no more."""
        self._request(wire.Request.LET_GO, {'on': bool(on)})

    def frozen(self, timeout_ms: float) -> wire.Frozen:
        """Wait for the instance's stop and the freeze -> :class:`wire.Frozen`.

        Domain R may stop then.
        """
        return self._checked(
            wire.Request.FROZEN, answers.frozen,
            self._waiting(wire.Request.FROZEN, {}, timeout_ms))

    def hand_over(self, timeout_ms: float) -> dict[str, Any] | None:
        """After :meth:`frozen`: wait until the instance's QEMU has saved its
        state -> what a destination needs (a dict), None: nothing."""
        return self._checked(
            wire.Request.HAND_OVER, answers.hand_over,
            self._waiting(wire.Request.HAND_OVER, {}, timeout_ms))

    def carry_over(self, migration_id: str, carry_over: dict[str, Any]
                   ) -> wire.CarryOverAnswer:
        """Destination: hand in what :meth:`hand_over` gave at the source.

        -> :class:`wire.CarryOverAnswer`; a late or repeated one is not
        accepted.
        """
        answer = self._request(wire.Request.CARRY_OVER, {
            'migration_id': migration_id, 'carry_over': carry_over})
        return wire.CarryOverAnswer(accepted=answer.get('accepted') is True,
                               reason=text.printable(answer.get('reason')))

    def live(self, timeout_ms: float) -> wire.PairState:
        """Wait until bytes flow -> the :class:`wire.PairState` then."""
        return self._checked(
            wire.Request.LIVE, answers.live,
            self._waiting(wire.Request.LIVE, {}, timeout_ms))

    def wait_for_gaps(self) -> GapsRequest:
        """Ask to be told of gap reports, and of events of sessions, without
        waiting for the answer.

        -> :class:`GapsRequest`, to be closed by the caller.
        """
        sock = self._connect(time.monotonic() + self._timeout)
        request = {'id': 0, 'method': wire.Request.GAPS.value,
                   'params': {'timeout_ms': _GAPS_TIMEOUT_MS,
                              # An earlier release refuses what it does not
                              # know.
                              **({'sessions': True} if self._has_sessions
                                 else {})}}
        try:
            sock.sendall(json.dumps(request).encode() + b'\n')
        except OSError:
            pass    # the worker has ended, as its reader will see
        return GapsRequest(sock)

    def forget_gaps(self, numbers: Iterable[int]) -> None:
        """Gap reports that were logged need not be kept."""
        self._request(wire.Request.FORGET_GAPS, {'numbers': list(numbers)})

    def forget_session_events(self, numbers: Iterable[int]) -> None:
        """Events of sessions that were told need not be kept."""
        self._request(wire.Request.FORGET_SESSION_EVENTS,
                      {'numbers': list(numbers)})

    def end_session(self, number: int) -> None:
        """Have a client cut off; its session ends soon, if Domain R knows how
        to do that."""
        self._request(wire.Request.END_SESSION, {'number': number})

    def shutdown(self, timeout: float | None = None) -> None:
        """End keeper and worker; no error if they are gone already.

        Returns when nothing of them listens any more.
        """
        deadline = time.monotonic() + (timeout or self._timeout)
        is_asked = False
        while (sock := self._open(deadline)) is not None:
            try:
                if not is_asked:
                    self._exchange(sock, wire.Request.SHUTDOWN, {}, deadline)
                    is_asked = True
            except (OSError, EOFError):
                pass    # ends while it answers, or its worker restarts
            finally:
                sock.close()
            if time.monotonic() > deadline:
                raise self._error('did not shut down')
            time.sleep(_RETRY_INTERVAL_S)
        self.close()

    def is_gone(self) -> bool:
        """Whether no process listens: the keeper does as long as it lives.

        Tells at once, where a request would be repeated until its time is
        over. False does not mean that the process answers.
        """
        sock = self._open(time.monotonic() + self._timeout)
        if sock is None:
            return True
        sock.close()
        return False

    def close(self) -> None:
        """Close the connections in stock; later requests open new ones."""
        with self._lock:
            idle, self._idle = self._idle, []
        for sock in idle:
            sock.close()

    def _checked(self, method: wire.Request,
                 check: Callable[[dict[str, Any]], _Answer],
                 result: dict[str, Any]) -> _Answer:
        """:raises exception.ShadowAnswerError: it is not what it should be.
        """
        try:
            return check(result)
        except (KeyError, TypeError, ValueError) as e:
            raise self._error(f'answered {method.name} wrongly: '
                              f'{text.printable(repr(e))}') from e

    def _waiting(self, method: wire.Request, params: dict[str, Any],
                 timeout_ms: float) -> dict[str, Any]:
        return self._request(
            method, {**params, 'timeout_ms': int(timeout_ms)},
            timeout_ms / 1000 + GRACE_S)

    def _request(self, method: wire.Request, params: dict[str, Any],
                 timeout: float | None = None) -> dict[str, Any]:
        deadline = time.monotonic() + (timeout or self._timeout)
        while True:
            sock = None
            try:
                sock = self._take(deadline)
                result = self._exchange(sock, method, params, deadline)
            except (OSError, EOFError) as e:
                if sock is not None:
                    sock.close()
                if time.monotonic() + _RETRY_INTERVAL_S > deadline:
                    raise self._error(
                        f'did not answer {method}: {e!r}') from e
                # The worker may be restarting, and the rest of the stock
                # belongs to the old one too.
                self.close()
                time.sleep(_RETRY_INTERVAL_S)
                continue
            except exception.ShadowProcessError:
                if sock is not None:
                    sock.close()
                raise
            with self._lock:
                self._idle.append(sock)
            return result

    def _take(self, deadline: float) -> socket.socket:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return self._connect(deadline)

    def _connect(self, deadline: float) -> socket.socket:
        sock = self._open(deadline)
        if sock is None:
            # The keeper listens as long as it lives.
            raise self._error('is not there')
        return sock

    def _open(self, deadline: float) -> socket.socket | None:
        """-> a connection; None: there is no process."""
        return self._service.open(
            self._instance, max(0.001, deadline - time.monotonic()))

    def _exchange(self, sock: socket.socket, method: wire.Request,
                  params: dict[str, Any], deadline: float
                  ) -> dict[str, Any]:
        with self._lock:
            self._next_id += 1
            number = self._next_id
        request = {'id': number, 'method': str(method), 'params': params}
        line = json.dumps(request).encode() + b'\n'
        if len(line) > wire.REQUEST_LINE_MAX:
            raise self._error(f'cannot take a {method} of {len(line)} bytes')
        sock.settimeout(max(0.001, deadline - time.monotonic()))
        sock.sendall(line)
        answer = self._receive(
            sock, deadline, _CARRY_OVER_ANSWER_MAX
            if method is wire.Request.HAND_OVER else _ANSWER_MAX)
        if answer.get('id') != number:
            raise self._error(f'answered {method} with a wrong id')
        if 'error' in answer:
            raise self._error(
                f'refused {method}: {text.printable(answer["error"])}')
        result = answer.get('result')
        if not isinstance(result, dict):
            raise self._error(f'answered {method} without a result')
        return result

    def _receive(self, sock: socket.socket, deadline: float, most: int
                 ) -> dict[str, Any]:
        buffer = bytearray()
        while not buffer.endswith(b'\n'):
            sock.settimeout(max(0.001, deadline - time.monotonic()))
            data = sock.recv(1 << 16)
            if not data:
                raise EOFError('the connection was closed')
            buffer += data
            if len(buffer) > most:
                raise self._error('sent an endless answer')
        try:
            answer = json.loads(buffer)
        except (RecursionError, ValueError) as e:
            raise self._error('sent an answer that is not JSON: '
                              f'{text.printable(e)}') from e
        if not isinstance(answer, dict):
            raise self._error('sent an answer that is not an object')
        return answer

    def _error(self, what: str) -> exception.ShadowAnswerError:
        return exception.ShadowAnswerError(
            f'The shadow-device process of {self._instance} {what}')
