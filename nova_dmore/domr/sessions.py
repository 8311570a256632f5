# SPDX-License-Identifier: Apache-2.0
"""Who is attached to the console: what the servers tell the host of it."""

import dataclasses
import itertools
import re
import time
from collections.abc import Callable
from typing import Any

from nova_dmore import wire

_PEER = re.compile(r'(\S+) port (\d+)')


@dataclasses.dataclass(frozen=True)
class _Session:
    server: str
    address: str
    port: int
    who: str | None
    view_only: bool
    began_at: float
    cut: Callable[[], None]


class Sessions:
    """The sessions of all servers; all methods are called from the event loop.

    :param say: sends a message to the host.
    """

    def __init__(self, say: Callable[[dict[str, Any]], None]) -> None:
        self._say = say
        self._numbers = itertools.count(1)
        self._sessions: dict[int, _Session] = {}

    def begin(self, server: str, client: str, cut: Callable[[], None],
              who: str | None = None, view_only: bool = False) -> int:
        """A client was attached -> the number of its session.

        :param server: one of ``wire.SESSION_SERVERS``
        :param client: its name in the log, which ends in its address, the
            word ``port``, and its port
        :param cut: cuts it off; called when an operator wants that, or
            somebody who may log in to the console
        :param who: the fingerprint of its key
        """
        peer = _PEER.search(client)
        assert peer is not None     # all servers name their clients so
        number = next(self._numbers)
        # IPv6 addresses of a link have their interface behind a %.
        self._sessions[number] = _Session(
            server, peer[1].partition('%')[0], int(peer[2]), who, view_only,
            time.clock_gettime(time.CLOCK_BOOTTIME), cut)
        self._say({'type': wire.SESSION_BEGAN, 'server': server,
                   'session': self._described(number)})
        return number

    def ended(self, number: int) -> None:
        """A client is gone."""
        session = self._sessions.pop(number)
        self._say({'type': wire.SESSION_ENDED, 'server': session.server,
                   'number': number})

    def knows(self, number: int | None) -> bool:
        """Whether a session of that number is there."""
        return number in self._sessions

    def end(self, number: object) -> None:
        """Cut a client off, unless it has gone already."""
        for known, session in list(self._sessions.items()):
            if known == number:
                session.cut()

    def all(self) -> list[dict[str, Any]]:
        """-> the sessions of all servers, in the order in which they began:
        as in ``wire.SESSIONS``, and each with its ``server``."""
        return [{'server': session.server, **self._described(number)}
                for number, session in self._sessions.items()]

    def say_all(self) -> None:
        """Tell a host that may be another one than before."""
        for server in wire.SESSION_SERVERS:
            self._say({'type': wire.SESSIONS, 'server': server, 'sessions': [
                self._described(number)
                for number, session in self._sessions.items()
                if session.server == server][:wire.SESSIONS_MAX]})

    def _described(self, number: int) -> dict[str, Any]:
        session = self._sessions[number]
        age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - session.began_at
        return {'number': number, 'age_s': round(age_s, 3),
                'address': session.address, 'port': session.port,
                'who': session.who, 'view_only': session.view_only}
