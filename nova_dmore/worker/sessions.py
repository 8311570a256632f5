# SPDX-License-Identifier: Apache-2.0
"""Who is attached to the console of a pair, as its Domain R says.

Domain R migrates with its clients, and says at the start of each epoch who
they are: so a destination knows them, and tells nobody that they have begun.
A successor of this worker has the notes.
"""

import logging
import time
from collections.abc import Iterable
from typing import Any, TypeAlias

from nova_dmore.channel import session
from nova_dmore import wire

LOG = logging.getLogger(__name__)

#: New events a minute, beside those that are kept until nova-compute takes
#: them: one of a hostile Domain R is a notification and a line in a log each.
EVENTS_PER_MINUTE = 120

_Message: TypeAlias = dict[str, Any]


class SessionLog:
    """The sessions of a pair, and what nova-compute has not heard of them.

    :param kept: :meth:`to_notes` of an earlier worker, or None.
    """

    def __init__(self, kept: _Message | None = None) -> None:
        kept = kept or {'next': 1, 'sessions': [], 'events': [], 'untold': 0}
        self._next: int = kept['next']
        self._sessions = {
            each.number: each
            for each in map(session.from_json, kept['sessions'])}
        self._events: list[_Message] = list(kept['events'])
        #: Events for which there was no room.
        self.untold: int = kept['untold']
        self._minute = 0.0
        self._in_minute = 0

    def take(self, message: _Message) -> bool:
        """A message of Domain R -> whether anything has changed.

        What makes no sense in it is left out.
        """
        kind = message['type']
        server = message.get('server')
        if server not in wire.SESSION_SERVERS:
            return False
        before = self._marks()
        if kind == wire.SESSION_ENDED:
            self._ended(message.get('number'))
        elif kind == wire.SESSION_BEGAN:
            for each in self._parsed(server, [message.get('session')]):
                self._began(each)
        else:
            self._replace(str(server), message.get('sessions'))
        return self._marks() != before

    def _marks(self) -> tuple[int, int, int]:
        """Another one when anything has changed: whoever comes or goes is an
        event, or was counted, but for those that Domain R tells again."""
        return self._next, self.untold, len(self._sessions)

    def _parsed(self, server: object, values: object
                ) -> Iterable[session.Session]:
        if isinstance(values, list):
            for value in values[:wire.SESSIONS_MAX]:
                try:
                    yield session.from_domain_r(server, value, time.time())
                except ValueError as e:
                    LOG.debug('Domain R tells of no session: %s', e)

    def _began(self, new: session.Session) -> None:
        """A worker that ended may have seen it before."""
        if new.number in self._sessions or not self._has_room(new.server):
            return
        self._sessions[new.number] = new
        self._add_event('began', new)

    def _has_room(self, server: str) -> bool:
        return wire.SESSIONS_MAX > sum(
            each.server == server for each in self._sessions.values())

    def _ended(self, number: object) -> None:
        if type(number) is int and number in self._sessions:
            self._add_event('ended', self._sessions.pop(number))

    def _replace(self, server: str, values: object) -> None:
        """These are all: of others that are known, the end was not heard."""
        told = {each.number: each for each in self._parsed(server, values)}
        for number, known in list(self._sessions.items()):
            if known.server == server and number not in told:
                self._ended(number)
        for number, each in told.items():
            # What is known was known better: as it was when it began.
            if number not in self._sessions and self._has_room(server):
                self._sessions[number] = each

    def lost(self) -> None:
        """Domain R is gone, and all its clients."""
        for number in list(self._sessions):
            self._ended(number)

    def _add_event(self, event: str, about: session.Session) -> None:
        now = time.monotonic()
        if now - self._minute > 60:
            self._minute, self._in_minute = now, 0
        self._in_minute += 1
        if (self._in_minute > EVENTS_PER_MINUTE
                or len(self._events) >= wire.SESSION_EVENTS_MAX):
            self.untold += 1
            return
        self._events.append({'number': self._next, 'event': event,
                             'time': time.time(), 'session': about.to_json()})
        self._next += 1

    def sessions(self) -> list[_Message]:
        """-> those that there are, in the order in which they began."""
        return [each.to_json() for each in sorted(
            self._sessions.values(), key=lambda each: each.since)]

    def events(self) -> list[_Message]:
        """-> what nova-compute has not taken, oldest first."""
        return list(self._events)

    def forget(self, numbers: Iterable[int]) -> None:
        """Drop the events with these numbers; unknown ones are ignored."""
        numbers = set(numbers)
        self._events = [each for each in self._events
                        if each['number'] not in numbers]

    def shorten(self) -> bool:
        """Drop half of the events, the oldest, for there is no room to keep
        them -> whether there were any."""
        count = (len(self._events) + 1) // 2
        del self._events[:count]
        self.untold += count
        return count > 0

    def to_notes(self) -> _Message:
        """-> a JSON object for :class:`nova_dmore.link.notes.Notes`."""
        return {'next': self._next, 'sessions': self.sessions(),
                'events': self.events(), 'untold': self.untold}
