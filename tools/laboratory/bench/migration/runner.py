# SPDX-License-Identifier: Apache-2.0
"""Migrates the instances of a block, and has everything looked at."""

import contextlib
import dataclasses
import pathlib
import time
from collections.abc import Iterator, Sequence

from laboratory.bench.migration import plan, rows, stops
from laboratory.bench.migration.plan import Cell, Measurement
from laboratory.bench.migration.rows import Moved
from laboratory.bench.migration.stops import Stop
from laboratory.bench.migration.watch import Machines, TcpClocks
from laboratory.cloud.api import Cloud
from laboratory.cloud import machines
from laboratory.progress import Failure, Progress
from laboratory.testbed.settings import COMPUTES, Place
from laboratory.users.client import Client, PROGRAM
from laboratory.users.entries import User
from laboratory.users import figures, trial
from laboratory.users.subject import Mark, Subject, Trial

#: Lines per second that the guest prints: they tell its clock, too.
_RATE = 20
#: How many pages a busy guest writes to every 10 ms: 10 MiB/s.
_PAGES = 25
#: Seconds of typing before a migration is asked for, and after it is over.
_BEFORE_S = 2.0
_AFTER_S = 3.0
_REOPEN_S = 60.0
#: How often a migration is made that does not count.
_ATTEMPTS = 3


@dataclasses.dataclass
class Side:
    """An instance with its users, where it is, and what was counted last.

    :ivar users: what is reported of each client is that of which user
    """

    trial: Trial
    users: dict[str, str]
    subject: Subject | None = None
    host: str = ''
    mark: Mark | None = None


class Runner(contextlib.ExitStack):
    """Measures blocks; the instances live as long as the context.

    :param folder: for the files of ``ssh``
    """

    def __init__(self, cloud: Cloud, place: Place, folder: pathlib.Path,
                 progress: Progress) -> None:
        super().__init__()
        self._cloud = cloud
        self._place = place
        self._folder = folder
        self._progress = progress
        self._warm = False
        self._machines = self.enter_context(Machines())
        self._clocks = TcpClocks()

    def block(self, block: Sequence[Cell], runs: int) -> Iterator[dict]:
        """The rows of a block.

        :raises Failure: something else than what is measured went wrong
        """
        stock, pair = self._sides(block[0])
        try:
            for side in (stock, pair):
                self._start(side)
            self._warm_up(stock, pair)
            for what in plan.measurements(block, runs):
                yield from self._measure(
                    stock if what.side == plan.STOCK else pair, what)
        finally:
            for side in (stock, pair):
                if side.subject is not None:
                    side.subject.close()

    def _sides(self, cell: Cell) -> tuple[Side, Side]:
        memory = cell.instance_mib
        self._cloud.flavor(f'bench-{memory}', memory)
        self._cloud.flavor(f'bench-{memory}-stock', memory,
                           **{'dmore:domain_r': 'disabled'})
        command = f'{PROGRAM} --rate {_RATE}'
        if cell.guest == plan.DIRTY:
            command = f'dmore-dirty {memory // 4} {_PAGES} & {command}'
        return (
            Side(Trial('stock', f'bench-{memory}-stock',
                       {'serial': 0, 'vnc': 0}, command),
                 {'ssh': 'serial', 'vnc': 'vnc'}),
            Side(Trial('pair', f'bench-{memory}', {'ssh': 0, 'vnc': 0},
                       command), {'ssh': 'ssh', 'vnc': 'vnc'}))

    def _start(self, side: Side) -> None:
        side.subject = Subject(side.trial, self._cloud, self._place,
                               self._folder, self._progress)
        side.host = COMPUTES[0]
        side.subject.start(side.host)
        side.mark = side.subject.mark()
        if side.mark is None:
            raise Failure(side.trial.name, 'the guest does not tell its '
                          'ledger', machines.compute_log(self._place,
                                                         side.host))

    def _warm_up(self, *sides: Side) -> None:
        """There and back: what services do for the first time takes longer.
        """
        if not self._warm:
            for side in (*sides, *sides):
                self._move(side)
            self._warm = True

    def _move(self, side: Side) -> None:
        """Migrate it, and count nothing but what there is then."""
        source = side.host
        side.host, = set(COMPUTES) - {source}
        with self._progress.step(f'{side.trial.name}: to {side.host}'):
            self._cloud.migrate(side.subject.server, source, side.host)
            side.mark = self._settled(side)

    def _settled(self, side: Side) -> Mark | None:
        """What is counted some time after a migration."""
        time.sleep(_AFTER_S)
        for client in side.subject.clients.values():
            if not client.wait_connected(_REOPEN_S):
                raise Failure(client.name, 'is not open again',
                              machines.compute_log(self._place, side.host))
        return side.subject.mark()

    def _measure(self, side: Side, what: Measurement) -> Iterator[dict]:
        """Until it counts, with a fresh instance after one that does not; if
        it never does, nothing of it is among the figures.
        """
        for _ in range(_ATTEMPTS):
            if side.mark is None:
                side.subject.close()
                self._start(side)
            if plan.SOURCES.get(what.side, side.host) != side.host:
                self._move(side)
                if side.mark is None:
                    continue
            with self._progress.step(f'{what.cell}; run {what.run}, '
                                     f'{what.side}'):
                made = self._migrate(side, what)
            yield from made
            if not made[0]['excluded']:
                return
            self._progress.say(f'does not count: {made[0]["excluded"]}')
        self._progress.say(f'{what.cell}, {what.side}: given up')

    def _migrate(self, side: Side, what: Measurement) -> list[dict]:
        subject, source, before = side.subject, side.host, side.mark
        destination, = set(COMPUTES) - {source}
        log = machines.GrowingLog(machines.compute_log(self._place, source))
        kernels = machines.KernelLogs(self._place, subject.server)
        resent = {kind: subject.retransmits(kind) for kind in subject.clients}
        self._machines.forget()
        for client in subject.clients.values():
            client.restart_clock()
        if what.cell.client:
            typist = subject.clients[side.users[what.cell.client]]
            typist.key_s = what.cell.key_interval_ms / 1000
            typist.type_on()
        time.sleep(_BEFORE_S)
        began = time.time()
        seconds = self._cloud.migrate(subject.server, source, destination)
        side.host = destination
        side.mark = after = self._settled(side)
        excluded = subject.corrupted() or kernels.sign()
        if after is None and excluded is None:
            excluded = 'the guest does not tell its ledger any more'
        moved = self._moved(side, what, source, began, seconds, log)
        if moved.instance is None and excluded is None:
            excluded = 'no stop of the instance was seen'
        if excluded is not None:
            side.mark = None
        users = {client: self._user(side, kind, before, after, resent[kind])
                 for client, kind in side.users.items()}
        return rows.rows(what, moved, users, excluded)

    def _moved(self, side: Side, what: Measurement, source: str, began: float,
               seconds: float, log: machines.GrowingLog) -> Moved:
        """What QEMU, libvirt, the clocks and the log tell of it."""
        subject, destination = side.subject, side.host
        stop = self._machines.stop(subject.domain, source, destination)
        made = Moved(
            source, destination, began, seconds, stop,
            self._guest_clock_ms(side, stop) if stop else None,
            machines.downtime_ms(destination, subject.domain))
        if what.side == plan.STOCK:
            return made
        domain = f'domr-{subject.server}'
        stop = self._machines.stop(domain, source, destination)
        return dataclasses.replace(
            made, domr=stop,
            domr_clock_ms=self._clocks.stop_ms(subject.address, stop)
            if stop else None,
            domr_libvirt_ms=machines.downtime_ms(destination, domain),
            phases=rows.phases(log.grown(), subject.server, began))

    @staticmethod
    def _guest_clock_ms(side: Side, stop: Stop) -> float | None:
        """By the lines that the guest prints at times of its clock."""
        client = side.subject.clients[side.users['ssh']]
        assert isinstance(client, Client)
        # The clock of the users' threads to that of QEMU.
        shift = time.time() - time.monotonic()
        return stops.clock_stop_ms(
            [(lines / _RATE, at + shift) for lines, at in list(client.ticks)],
            stop)

    def _user(self, side: Side, kind: str, before: Mark, after: Mark | None,
              resent: int) -> User:
        subject = side.subject
        client = subject.clients[kind]
        responses = client.responses_ms()
        return trial.user_between(
            side.trial.users[kind], before, after, kind,
            after.tallies[kind] if after else client.tally(),
            max(responses, default=0.0),
            max(0, subject.retransmits(kind) - resent),
            figures.distribution(responses))
