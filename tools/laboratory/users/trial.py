# SPDX-License-Identifier: Apache-2.0
"""The migrations of one kind of instance, each one measured."""

import pathlib
import time
from collections.abc import Iterator

from laboratory.cloud.api import Cloud
from laboratory.cloud import machines
from laboratory.cloud.machines import GrowingLog
from laboratory.progress import Failure, Progress
from laboratory.testbed.settings import COMPUTES, Place
from laboratory.users.client import Client
from laboratory.users import entries, figures
from laboratory.users.entries import Entry, User
from laboratory.users.subject import DMORE, Mark, Subject, Trial
from laboratory.users.typist import Tally

#: Seconds of typing before a migration is asked for, and after it is over.
_BEFORE_S = 2.0
_AFTER_S = 3.0
_REOPEN_S = 60.0


class Runner:
    """Runs trials in one cloud.

    :param folder: for temporary files
    """

    def __init__(self, cloud: Cloud, place: Place, folder: pathlib.Path,
                 progress: Progress) -> None:
        self._cloud = cloud
        self._place = place
        self._folder = folder
        self._progress = progress

    def run(self, trial: Trial, count: int) -> Iterator[Entry]:
        """Migrate there and back, ``count`` times.

        A migration in which the emulator corrupted a guest is repeated with a
        fresh instance, unless there were too many of them.

        :raises Failure: something else than what is measured went wrong
        """
        good = corrupted = 0
        while good < count and corrupted <= entries.allowed_corrupted(count):
            subject = Subject(trial, self._cloud, self._place, self._folder,
                              self._progress)
            try:
                for entry in self._migrations(
                        trial, subject, range(good + 1, count + 1), count):
                    yield entry
                    if entry.corrupted:
                        corrupted += 1
                    else:
                        good += 1
            finally:
                subject.close()

    def _migrations(self, trial: Trial, subject: Subject, numbers: range,
                    count: int) -> Iterator[Entry]:
        """There and back with one instance, until its guest is corrupted."""
        source, destination = COMPUTES
        subject.start(source)
        mark = subject.mark()
        if mark is None:
            raise Failure(trial.name, 'the guest does not tell its ledger',
                          machines.compute_log(self._place, source))
        for number in numbers:
            with self._progress.step(f'{trial.name}: migration {number} of '
                                     f'{count}, {source} -> {destination}'):
                entry, mark = self._migrate(trial, subject, mark, source,
                                            destination)
            yield entry
            if entry.corrupted or mark is None:
                self._progress.say(f'{trial.name}: the emulator corrupted a '
                                   f'guest: {entry.corrupted}')
                return
            source, destination = destination, source

    def _migrate(self, trial: Trial, subject: Subject, before: Mark,
                 source: str, destination: str) -> tuple[Entry, Mark | None]:
        log = GrowingLog(machines.compute_log(self._place, source))
        kernels = machines.KernelLogs(self._place, subject.server)
        resent = {kind: subject.retransmits(kind) for kind in subject.clients}
        for client in subject.clients.values():
            client.restart_clock()
            client.type_on()
        seen = [_seen(subject)]
        time.sleep(_BEFORE_S)
        seen.append(_seen(subject))
        seconds = self._cloud.migrate(subject.server, source, destination)
        seen.append(_seen(subject))
        time.sleep(_AFTER_S)
        seen.append(_seen(subject))
        for client in subject.clients.values():
            if not client.wait_connected(_REOPEN_S):
                raise Failure(client.name, 'is not open again', log.path)
        after = self._settled(subject)
        (_, (begin, _), (end, _), _) = seen
        responses = {kind: figures.apart(client.responses(), begin, end)
                     for kind, client in subject.clients.items()}
        sign = subject.corrupted() or kernels.sign()
        if after is None and sign is None:
            raise Failure(f'{trial.name}: after the migration', 'the guest '
                          'does not tell its ledger any more', log.path)
        wrong = {kind: subject.wrong_pixels(kind, destination)
                 for kind in subject.clients} if sign is None else {}
        entry = Entry(
            source, destination,
            {kind: user_between(
                typist, before, after, kind,
                after.tallies[kind] if after else client.tally(),
                max(responses[kind][0], default=0.0),
                max(0, subject.retransmits(kind) - resent[kind]),
                *map(figures.distribution, responses[kind]),
                wrong.get(kind))
             for (kind, client), typist in zip(subject.clients.items(),
                                               trial.users.values())},
            round(seconds, 2),
            machines.downtime_ms(destination, subject.domain),
            corrupted=sign, **self._of_the_pair(
                trial, subject, log, destination,
                figures.rate(seen[:2], seen[2:])))
        return entry, after

    def _settled(self, subject: Subject) -> Mark | None:
        """Type some more after the last break, then have it counted."""
        time.sleep(_AFTER_S)
        return subject.mark()

    @staticmethod
    def _of_the_pair(trial: Trial, subject: Subject, log: GrowingLog,
                     destination: str, output_bytes_per_s: float | None
                     ) -> dict[str, float | None]:
        if trial is not DMORE:
            return {}
        return {
            'domr_downtime_ms': machines.downtime_ms(
                destination, f'domr-{subject.server}'),
            'stop_skew_ms': figures.stop_skew_ms(log.grown(), subject.server),
            # A session that is opened again begins with old output, so this
            # has no meaning with the stock consoles.
            'output_bytes_per_s': output_bytes_per_s,
        }


def user_between(typist: int, before: Mark, after: Mark | None, kind: str,
                 tally: Tally, max_response_ms: float, tcp_retransmits: int,
                 responses: dict[str, float] | None = None,
                 echoes: dict[str, float] | None = None,
                 wrong_pixels: int | None = None) -> User:
    """One user's part of an entry: what was added between two marks."""
    tally = tally.since(before.tallies[kind])
    return User(
        sent=tally.sent,
        **(_keys(before.ledgers[kind], after.ledgers[kind], typist, tally)
           if after else dict.fromkeys(('received', 'lost', 'silent',
                                        'duplicated', 'reordered'))),
        output_bytes_missing=tally.missing,
        output_bytes_duplicated=tally.duplicated,
        disconnects=tally.disconnects, break_s=round(tally.break_s, 2),
        max_response_ms=round(max_response_ms, 1),
        tcp_retransmits=tcp_retransmits, responses=responses or {},
        wrong_pixels=wrong_pixels, echoes=echoes or {})


def _seen(subject: Subject) -> tuple[float, int]:
    """The time, and what has come to the first user who reads a text."""
    reader = next((client for client in subject.clients.values()
                   if isinstance(client, Client)), None)
    return time.monotonic(), reader.received if reader else 0


def _keys(before: dict, after: dict, typist: int, tally: Tally
          ) -> dict[str, int]:
    """What became of the keys, by the guest's two ledgers."""
    old, new = before['typists'][typist], after['typists'][typist]
    received, again, reordered, alien = (
        new[name] - old[name]
        for name in ('received', 'duplicated', 'reordered', 'foreign'))
    distinct = received - again - alien
    return {
        'received': received,
        'lost': tally.sent - distinct,
        'silent': tally.sent - tally.unsent - distinct,
        # What belongs to no stream of keys came without being typed, too.
        'duplicated': again + alien + after['foreign'] - before['foreign'],
        'reordered': reordered,
    }
