# SPDX-License-Identifier: Apache-2.0
"""Requests of nova-compute: lines of JSON on an accepted connection."""

import dataclasses
import functools
import json
import logging
import socket
import time
from collections.abc import Callable
from typing import Any, TypeAlias

from nova_dmore.channel import text
from nova_dmore.posix import loop as loop_module
from nova_dmore import wire

LOG = logging.getLogger(__name__)

#: Read at once, in bytes.
_CHUNK = 1 << 14

Result: TypeAlias = dict[str, Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Later:
    """A result that is there when something is so, or at the latest at a
    time.

    :ivar is_so: what precedes a :meth:`Waiters.wake` may make it true.
    :ivar deadline: CLOCK_MONOTONIC seconds.
    """

    is_so: Callable[[], object]
    deadline: float
    result: Callable[[], Result]


#: Grants a request with its params.
Handle: TypeAlias = Callable[[wire.Request, dict[str, Any]], Result | Later]


class Refused(Exception):
    """A request that cannot be granted; the text is the answer."""


class BadRequest(Refused):
    """A request that makes no sense."""


class Waiters:
    """Requests that are answered when something is so."""

    def __init__(self, loop: loop_module.Loop) -> None:
        self._loop = loop
        #: What is to be told, and what ends the waiting; by the request.
        self._waiting: dict[Later, tuple[Callable[[Result], None],
                                         loop_module.Handle]] = {}
        self._is_woken = False

    def wait(self, later: Later, told: Callable[[Result], None]) -> None:
        """Have somebody told the result as soon as it is there."""
        if later.is_so():
            told(later.result())
            return
        self._waiting[later] = told, self._loop.call_later(
            max(0.0, later.deadline - time.monotonic()), self._end, later)

    def forget(self, later: Later) -> None:
        """Whoever asked has gone."""
        if later in self._waiting:
            self._waiting.pop(later)[1].cancel()

    def wake(self) -> None:
        """Something changed: answer those that wait, when all of it has."""
        if not self._is_woken:
            self._is_woken = True
            self._loop.call_soon(self._answer)

    def _answer(self) -> None:
        self._is_woken = False
        for later in list(self._waiting):
            if later in self._waiting and later.is_so():
                self._end(later)

    def _end(self, later: Later) -> None:
        told, timer = self._waiting.pop(later)
        timer.cancel()
        told(later.result())


class Connection:
    """Answers the requests on one connection until that ends.

    :param sock: connected unix stream socket; closed at the end.
    :param handle: raises :class:`Refused`. Whatever else it raises was not
        expected, and ends the process.
    """

    def __init__(self, loop: loop_module.Loop, waiters: Waiters,
                 sock: socket.socket, handle: Handle) -> None:
        self._loop = loop
        self._waiters = waiters
        self._sock = sock
        self._handle = handle
        self._rest = b''        # the begin of a line
        self._unsent = b''
        self._is_full = False   # of answers that nobody takes
        self._waiting: set[Later] = set()
        sock.setblocking(False)
        loop.add_reader(sock, self._read)

    def _read(self) -> None:
        try:
            data = self._sock.recv(_CHUNK)
            *lines, self._rest = (self._rest + data).split(b'\n')
            if max(map(len, [*lines, self._rest])) > wire.REQUEST_LINE_MAX:
                raise ValueError('a line is too long')
        except BlockingIOError:
            return
        except (OSError, ValueError) as e:
            LOG.warning('A control connection is closed: %s',
                        text.printable(e))
            self._close()
            return
        for line in lines:
            self._request(line)
        if not data:
            self._close()

    def _request(self, line: bytes) -> None:
        if self._is_closed():
            return
        number = None
        try:
            number, method, params = _parse(line)
            result = self._handle(method, params)
        except Refused as e:
            self._answer({'id': number, 'error': str(e)})
            return
        if isinstance(result, Later):
            self._waiting.add(result)
            self._waiters.wait(result, functools.partial(
                self._told, result, number))
        else:
            self._answer({'id': number, 'result': result})

    def _told(self, later: Later, number: Any, result: Result) -> None:
        self._waiting.discard(later)
        self._answer({'id': number, 'result': result})

    def _answer(self, answer: dict[str, Any]) -> None:
        self._unsent += json.dumps(answer).encode() + b'\n'
        if not self._is_full:
            self._send()

    def _send(self) -> None:
        try:
            self._unsent = self._unsent[self._sock.send(self._unsent):]
        except BlockingIOError:
            pass
        except OSError as e:
            LOG.info('An answer was not wanted any more: %s', e)
            self._close()
            return
        is_full = bool(self._unsent)
        if is_full and not self._is_full:
            # Who takes no answers is not asked for more requests.
            self._loop.remove_reader(self._sock)
            self._loop.add_writer(self._sock, self._send)
        elif self._is_full and not is_full:
            self._loop.remove_writer(self._sock)
            self._loop.add_reader(self._sock, self._read)
        self._is_full = is_full

    def _is_closed(self) -> bool:
        return self._sock.fileno() < 0

    def _close(self) -> None:
        if self._is_closed():
            return
        for each in self._waiting:
            self._waiters.forget(each)
        self._loop.remove_reader(self._sock)
        self._loop.remove_writer(self._sock)
        self._sock.close()


def _parse(line: bytes) -> tuple[Any, wire.Request, dict[str, Any]]:
    try:
        request = json.loads(line)
        if not isinstance(request, dict):
            raise ValueError('not an object')
        params = request.get('params', {})
        if not isinstance(params, dict):
            raise ValueError('params is not an object')
        return request['id'], wire.Request(request['method']), params
    except (KeyError, RecursionError, TypeError, ValueError) as e:
        raise BadRequest(f'bad request: {text.printable(repr(e))}') from e
