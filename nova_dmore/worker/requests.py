# SPDX-License-Identifier: Apache-2.0
"""Requests of nova-compute: lines of JSON on an accepted connection."""

import asyncio
import json
import logging
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from nova_dmore.channel import text
from nova_dmore.posix import crash
from nova_dmore import wire

LOG = logging.getLogger(__name__)

#: Read at once, in bytes.
_CHUNK = 1 << 14

#: Grants a request with its params -> the result.
Handle: TypeAlias = Callable[[wire.Request, dict[str, Any]],
                             Awaitable[dict[str, Any]]]


class Refused(Exception):
    """A request that cannot be granted; the text is the answer."""


class BadRequest(Refused):
    """A request that makes no sense."""


class Waiters:
    """Requests that are answered when something is so."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiters: set[asyncio.Future[None]] = set()

    async def wait_until(self, predicate: Callable[[], object],
                         deadline: float) -> None:
        """Wait until ``predicate()``, which whatever precedes a :meth:`wake`
        may make true, or not."""
        while not predicate():
            left = deadline - time.monotonic()
            if left <= 0:
                return
            waiter = self._loop.create_future()
            self._waiters.add(waiter)
            try:
                await asyncio.wait([waiter], timeout=left)
            finally:    # whoever asked may have gone
                self._waiters.discard(waiter)

    def wake(self) -> None:
        """Something changed: have them look again."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)


async def serve(sock: socket.socket, handle: Handle) -> None:
    """Answer the requests on one connection until it ends.

    :param sock: connected unix stream socket; closed at the end.
    :param handle: raises :class:`Refused`. Whatever else it raises was not
        expected, and ends the process.
    """
    loop = asyncio.get_running_loop()
    sock.setblocking(False)
    sending = asyncio.Lock()
    answers: set[asyncio.Task[None]] = set()
    rest = b''
    try:
        while data := await loop.sock_recv(sock, _CHUNK):
            *lines, rest = (rest + data).split(b'\n')
            if max(map(len, [*lines, rest])) > wire.REQUEST_LINE_MAX:
                raise ValueError('a line is too long')
            for line in lines:
                task = asyncio.create_task(
                    _answer(line, sock, sending, handle))
                crash.watch(task)
                answers.add(task)
                task.add_done_callback(answers.discard)
    except (OSError, ValueError) as e:
        LOG.warning('A control connection is closed: %s', text.printable(e))
    finally:
        for task in answers:
            task.cancel()
        # They may wait for room in the socket.
        await asyncio.gather(*answers, return_exceptions=True)
        sock.close()


async def _answer(line: bytes, sock: socket.socket, sending: asyncio.Lock,
                  handle: Handle) -> None:
    number = None
    try:
        number, method, params = _parse(line)
        answer: dict[str, Any] = {
            'id': number, 'result': await handle(method, params)}
    except Refused as e:
        answer = {'id': number, 'error': str(e)}
    try:
        async with sending:
            await asyncio.get_running_loop().sock_sendall(
                sock, json.dumps(answer).encode() + b'\n')
    except OSError as e:
        LOG.info('An answer was not wanted any more: %s', e)


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
