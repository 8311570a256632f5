# SPDX-License-Identifier: Apache-2.0
"""Somebody who types at a console and opens it again when it is cut."""

import abc
import dataclasses
import threading
import time
from collections.abc import Callable

from guest import protocol
from laboratory.progress import Failure
from laboratory.users.keyclock import KeyClock
from laboratory.users.sessions import Session
from laboratory.users.transcript import Ledger

#: Seconds between two keys.
KEY_S = 0.05
#: Seconds between two attempts to open a console again, and all of them.
_RETRY_S = 0.2
_REOPEN_S = 60.0
#: So many keys at most are typed at a console that is not there, or says
#: nothing: the guest can tell how many it missed up to half a period of them
#: in a row.
_UNSENT = protocol.PERIOD * 3 // 8
#: A console that is silent for so long may be gone, in seconds.
_SILENT_S = 3.0
#: A console that says nothing for so long after it was opened is loaded once
#: more, in seconds; each time it is given twice as long, for a login may take
#: longer on a busy machine.
_FIRST_OUTPUT_S = 5.0


@dataclasses.dataclass(frozen=True)
class Tally:
    """What one user has done and seen so far.

    :param sent: keys that were typed
    :param unsent: those of them for which there was no session
    :param break_s: seconds without a session, altogether
    """

    sent: int
    unsent: int
    disconnects: int
    break_s: float
    missing: int
    duplicated: int

    def since(self, earlier: 'Tally') -> 'Tally':
        """What was added after an earlier one."""
        return Tally(*(now - before for now, before in zip(
            dataclasses.astuple(self), dataclasses.astuple(earlier))))


class Typist(abc.ABC):
    """One user; what is seen at the console is a matter of the kind.

    :param name: for messages
    :param typist: which of the two streams of keys this user types
    :param open_session: opens the console, each time anew; raises OSError
    :param say: takes messages about what happens
    :ivar reopen_s: seconds for which it tries to open a console again
    :ivar key_s: seconds between two keys
    :ivar skipped: bytes of output of which the console has said that it did
        not wait for this user any more
    """

    def __init__(self, name: str, typist: int,
                 open_session: Callable[[], Session],
                 say: Callable[[str], None]) -> None:
        self.name = name
        self.typist = typist
        self.key_s = KEY_S
        self.skipped = 0
        self._open = open_session
        self._say = say
        self._changed = threading.Condition()
        self._clock = KeyClock()
        self._ledgers: list[Ledger] = []
        self._sent = self._unsent = self._disconnects = 0
        self._unsent_in_a_row = 0
        self._heard = time.monotonic()
        self._break_s = 0.0
        self._closing = False
        self.reopen_s = _REOPEN_S
        self._gave_up: str | None = None
        self._typing = threading.Event()
        self._session: Session | None = open_session()
        self._reader = threading.Thread(
            target=self._read, name=f'{name} reads', daemon=True)
        self._writer = threading.Thread(
            target=self._type, name=f'{name} types', daemon=True)

    def start(self) -> None:
        """Begin to read and, when told, to type."""
        self._reader.start()
        self._writer.start()

    # What a kind of console adds. All are called with the lock held.

    @property
    @abc.abstractmethod
    def _ready(self) -> bool:
        """Whether the helper in the guest has been seen."""

    @abc.abstractmethod
    def _take(self, data: object, now: float) -> str | None:
        """Take what a session received; return what is worth a message."""

    @abc.abstractmethod
    def _cut(self) -> None:
        """The session has ended; the next one begins with what there is."""

    @abc.abstractmethod
    def _output(self) -> tuple[int, int]:
        """Bytes of output that are missing, and that were too many."""

    # For the one who directs.

    def write(self, data: bytes) -> None:
        """Type something that is no numbered key; nothing if it is cut off."""
        with self._changed:
            session = self._session
        if session is not None:
            self._try_send(session, data)

    def type_on(self) -> None:
        """Type one key after the other from now on."""
        self._typing.set()

    def pause(self) -> None:
        """Type no more."""
        self._typing.clear()

    def wait_ready(self, seconds: float) -> bool:
        """Until the helper in the guest says that it runs; whether it does."""
        return self._wait(lambda: self._ready, seconds)

    def wait_answers(self, seconds: float) -> bool:
        """Until every key is answered, or none for so long; whether they
        are."""
        while waiting := self._clock.waiting:
            if not self._wait(lambda: self._clock.waiting < waiting, seconds):
                return False
        return True

    def wait_connected(self, seconds: float) -> bool:
        """Until there is a session; whether there is."""
        return self._wait(lambda: self._session is not None, seconds)

    def wait_ledger(self, number: int, seconds: float) -> Ledger | None:
        """The ledger that comes after ``number`` others."""
        if not self._wait(lambda: len(self._ledgers) > number, seconds):
            return None
        return self._ledgers[number]

    @property
    def ledgers(self) -> int:
        """How many ledgers have come."""
        with self._changed:
            return len(self._ledgers)

    @property
    def odd(self) -> bytes:
        """Text that came and was no output of the helper."""
        return b''

    def tally(self, ledger: Ledger | None = None) -> Tally:
        """What there is so far; of the output, what there was at a ledger."""
        with self._changed:
            missing, duplicated = ((ledger.missing, ledger.duplicated)
                                   if ledger else self._output())
            return Tally(self._sent, self._unsent, self._disconnects,
                         self._break_s, missing, duplicated)

    def restart_clock(self) -> None:
        """Forget the responses so far."""
        with self._changed:
            self._clock.restart()

    def worst_response_ms(self) -> float:
        with self._changed:
            return self._clock.worst_s * 1000

    def responses_ms(self) -> list[float]:
        """How long the answers took since then."""
        with self._changed:
            return [seconds * 1000 for seconds in self._clock.responses_s]

    def responses(self) -> list[tuple[float, float]]:
        """Since then, when each answered key was typed and when answered."""
        with self._changed:
            return list(self._clock.responses)

    def close(self) -> None:
        """Leave."""
        with self._changed:
            self._closing = True
            session = self._session
        self._typing.set()
        if session is not None:
            session.close()
        self._reader.join(10)
        self._writer.join(10)

    def _wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        """:raises Failure: the console cannot be opened any more"""
        with self._changed:
            self._changed.wait_for(
                lambda: condition() or self._gave_up is not None, seconds)
            if self._gave_up is not None:
                raise Failure(self.name, self._gave_up)
            return condition()

    # Its thread that types.

    def _type(self) -> None:
        due = time.monotonic()
        while True:
            self._typing.wait()
            if self._closing:
                return
            # After a pause, not all keys of the pause at once.
            due = max(due + self.key_s, time.monotonic() - self.key_s)
            time.sleep(max(0.0, due - time.monotonic()))
            if self._typing.is_set():
                self._type_key()

    def _type_key(self) -> None:
        with self._changed:
            session = self._session
            if self._perhaps_lost(session) >= _UNSENT:
                return
            value = protocol.key(self._sent, self.typist)
            self._sent += 1
            if session is not None:
                self._clock.sent(self._sent - 1, value, time.monotonic())
        if session is None or not self._try_send(session, bytes([value])):
            with self._changed:
                self._unsent += 1
                self._unsent_in_a_row += 1
        else:
            self._unsent_in_a_row = 0

    def _perhaps_lost(self, session: Session | None) -> int:
        """How many keys in a row the guest may never have seen."""
        if session is None:
            return self._unsent_in_a_row
        silent = time.monotonic() - self._heard > _SILENT_S
        return self._clock.waiting if silent else 0

    @staticmethod
    def _try_send(session: Session, data: bytes) -> bool:
        try:
            session.send(data)
        except OSError:
            # The thread that reads sees it, too, and opens the next one.
            return False
        return True

    # Its thread that reads.

    def _read(self) -> None:
        session = self._session
        while session is not None:
            data = session.receive()
            now = time.monotonic()
            if data:
                self._took(data, now)
            elif self._closing:
                return
            else:
                session.close()
                session = self._reopen(now)

    def _took(self, data: object, now: float) -> None:
        with self._changed:
            self._heard = now
            said = self._take(data, now)
            self._changed.notify_all()
        if said:
            self._say(f'{self.name}: {said}')

    def _reopen(self, since: float) -> Session | None:
        """Open the console again, which has output as soon as it is there."""
        with self._changed:
            self._session = None
            # A console that is not there yet is not cut.
            self._disconnects += self._ready
            self._cut()
            self._unsent_in_a_row = self._clock.waiting
            self._clock.dropped()
            self._changed.notify_all()
        self._say(f'{self.name}: not connected')
        reason = ''
        patience_s = _FIRST_OUTPUT_S
        while not self._closing and time.monotonic() < since + self.reopen_s:
            try:
                session = self._open()
                data = self._first_output(session, patience_s)
                if data:
                    return self._reopened(session, data, since)
                session.close()
                patience_s *= 2
            except OSError as error:
                reason = str(error)
            time.sleep(_RETRY_S)
        with self._changed:
            self._gave_up = (f'not opened again within {self.reopen_s:.0f} s'
                             f'{": " if reason else ""}{reason}')
            self._changed.notify_all()
        return None

    @staticmethod
    def _first_output(session: Session, patience_s: float) -> object:
        """What a console begins with; nothing if it does not begin."""
        limit = threading.Timer(patience_s, session.close)
        limit.daemon = True
        limit.start()
        try:
            return session.receive()
        finally:
            limit.cancel()

    def _reopened(self, session: Session, data: object, since: float
                  ) -> Session:
        now = time.monotonic()
        with self._changed:
            self._session = session
            if self._ready:
                self._break_s += now - since
            self._changed.notify_all()
        self._say(f'{self.name}: open again after {now - since:.2f} s')
        self._took(data, now)
        return session
