# SPDX-License-Identifier: Apache-2.0
"""One live migration with one fault, from the request to the verdict."""

import dataclasses
import subprocess
import time
from collections.abc import Mapping, Sequence

from keystoneauth1 import exceptions as auth_exceptions
from laboratory.cloud.api import Cloud
from laboratory.cloud import machines
from laboratory.faults import catalogue, phases, state, stock, verdict
from laboratory.faults.fault import Fault, NothingThere
from laboratory.faults.log_trigger import LogTrigger
from laboratory.faults.outcome import Outcome
from laboratory.faults.scene import Scene
from laboratory.progress import Failure, Progress
from laboratory.testbed.settings import Place
from laboratory.users.subject import Mark, PROXIED, Subject
from laboratory.users import trial
from laboratory import waiting
from openstack import exceptions

_BEFORE_S = 1.5
_AFTER_S = 2.0
_REACH_S = 150.0
_END_S = 240.0
#: Longer than anything of the plug-in waits before it settles something.
SETTLE_S = 100.0
_STEADY_S = 12.0
_LOOK_S = 1.0
_CONSOLE_S = 90.0
#: Longest pause of TCP after a break of half a minute.
_BACKOFF_S = 60.0
#: How often a guest is asked for its ledger: a session may just end.
_ASKED = 3
#: What does not answer while a fault is there.
NOT_NOW = (exceptions.SDKException, auth_exceptions.ClientException,
           subprocess.SubprocessError, Failure, OSError)


@dataclasses.dataclass(frozen=True)
class Runner:
    """Runs cases in a cloud that is up.

    :param as_stock: what stock Nova leaves, see :mod:`laboratory.faults.stock`
    """

    place: Place
    api: Cloud
    progress: Progress
    as_stock: Mapping[tuple[str, str], frozenset[str]]

    def run(self, subject: Subject, source: str, destination: str,
            fault: str | None, phase: str | None) -> Outcome:
        """Migrate a started subject once.

        :param fault: a key of the catalogue
        :raises Failure: the guest was not fit for it before
        """
        scene = Scene(self.place, self.api, subject.server, subject.domain,
                      source, destination)
        title = f'{fault} at {phase}' if fault else 'no fault'
        with self.progress.step(f'{title}, {source} -> {destination}'):
            return _Case(self, subject, scene, fault, phase).run()


class _Case:

    def __init__(self, runner: Runner, subject: Subject, scene: Scene,
                 fault: str | None, phase: str | None) -> None:
        self._runner = runner
        self._subject = subject
        self._scene = scene
        self._pair = bool(subject.clients)
        self._fault: Fault = (catalogue.FAULTS[fault]() if fault
                              else Fault())
        self._phase = phase
        self._as_stock = stock.under(runner.as_stock, fault or '')
        self._begun = time.monotonic()
        self._nothing = ''
        self._outcome = Outcome(fault, phase, not self._pair, scene.source)

    def run(self) -> Outcome:
        scene = self._scene
        before = self._type() if self._pair else None
        logs = [machines.GrowingLog(scene.log(host))
                for host in (scene.source, scene.destination)]
        kernels = machines.KernelLogs(scene.place, scene.server)
        skipped = self._skipped()
        landed, requested = self._migrate_with_fault()
        repaired = time.monotonic()
        self._wait_until_over()
        last, wrong = self._settle(repaired)
        settled = None if wrong else time.monotonic() - repaired
        moved = (last is not None and
                 scene.destination in verdict.running(last))
        noticed = self._unheeded(landed, moved, requested)
        _gaps, rebuilt = verdict.reports([log.grown() for log in logs],
                                         scene.server)
        # An instance that was killed, and stays so, has lost what it knew.
        users, unanswered = (self._users(before, bool(rebuilt),
                                         self._with_console(last, rebuilt))
                             if before is not None and (
                                 last is None or verdict.running(last))
                             else ({}, []))
        noticed += unanswered
        gaps, rebuilt = verdict.reports([log.grown() for log in logs],
                                        scene.server)
        gaps += [(kind, verdict.TOO_SLOW, number - skipped[kind])
                 for kind, number in self._skipped().items()
                 if number > skipped[kind]]
        if before is not None:
            noticed += verdict.ledger(users, gaps, rebuilt)
        return dataclasses.replace(
            self._outcome, landed=landed, nothing=self._nothing,
            requested=requested, gaps=tuple(gaps), rebuilt=tuple(rebuilt),
            # What stock Nova leaves is measured, and not judged.
            users=users, settled_s=settled,
            problems=(*wrong, *noticed) if self._pair else (),
            moved=moved,
            signature=verdict.signature(last, scene.source) if last else '',
            fit=not wrong and last is not None and verdict.agrees(last) and (
                before is None or bool(users) and None not in {
                    user.received for user in users.values()}),
            corrupted=self._sign(kernels),
            seconds=time.monotonic() - self._begun)

    def _unheeded(self, landed: str, moved: bool, requested: str
                  ) -> list[str]:
        """Whether the instance is not where the fault has to leave it."""
        if not self._phase:
            return [] if moved else [': '.join(filter(None, (
                'without a fault the instance has not moved', requested)))]
        wanted = self._fault.moves(landed)
        if self._nothing or wanted in (None, moved):
            return []
        return [f'the instance has {"" if moved else "not "}moved']

    def _type(self) -> Mark:
        """:raises Failure: the guest does not answer, before anything"""
        before = self._subject.mark()
        if before is None:
            raise Failure('before the fault', 'the guest does not tell its '
                          'ledger', self._scene.log(self._scene.source))
        for client in self._subject.clients.values():
            client.reopen_s = _END_S
            client.restart_clock()
            client.type_on()
        time.sleep(_BEFORE_S)
        return before

    def _skipped(self) -> dict[str, int]:
        """What each user was told that he was too slow for."""
        return {kind: client.skipped
                for kind, client in self._subject.clients.items()}

    def _sign(self, kernels: machines.KernelLogs) -> str | None:
        try:
            return self._subject.corrupted() or kernels.sign()
        except NOT_NOW:
            return kernels.sign()

    # The migration and the fault.

    def _migrate_with_fault(self) -> tuple[str, str]:
        """The phase in which the fault landed, and Nova's answer."""
        scene, fault = self._scene, self._fault
        ahead = fault.ahead and self._phase == phases.BEGIN
        signs = (phases.of_pair(scene.server) if self._pair
                 else phases.of_stock(scene.server))
        trigger = LogTrigger(
            scene.log(scene.source), signs,
            'none' if ahead or self._phase is None else self._phase,
            self._inject)
        trigger.start()
        try:
            if ahead:
                self._inject()
            requested = self._request()
            if self._phase and not ahead and not requested:
                self._wait_for_injection(trigger)
            landed = 'before' if ahead else trigger.landed()
            if self._phase:
                time.sleep(fault.lasts_s)
        finally:
            trigger.stop()
            if self._phase:
                self._repair()
        if trigger.error is not None:
            raise trigger.error
        return landed if self._phase else '', requested

    def _inject(self) -> None:
        try:
            self._fault.inject(self._scene)
        except NothingThere as reason:
            self._nothing = str(reason)
        except exceptions.SDKException as error:
            raise Failure(self._fault.name, str(error)) from error

    def _repair(self) -> None:
        if self._nothing:
            return
        try:
            waiting.retried(lambda: self._fault.repair(self._scene),
                            _CONSOLE_S, *NOT_NOW, look_s=_LOOK_S)
        except NOT_NOW as error:
            raise Failure(f'repair of {self._fault.name}', str(error)
                          ) from error

    def _request(self) -> str:
        """Ask for the migration; why Nova refused, if it did."""
        scene = self._scene
        try:
            scene.api.ask_to_migrate('request', scene.server,
                                     scene.destination)
        except NOT_NOW as error:
            return str(error)[:300]
        return ''

    def _wait_for_injection(self, trigger: LogTrigger) -> None:
        deadline = time.monotonic() + _REACH_S
        while not trigger.acted.wait(0.5):
            if self._over() or time.monotonic() > deadline:
                if not trigger.acted.wait(1.0):
                    self._nothing = (f'{self._phase} was not reached, only '
                                     f'{", ".join(trigger.seen)}')
                return

    def _over(self) -> bool:
        """Whether Nova has ended the migration."""
        try:
            server = self._scene.api._sdk.compute.get_server(
                self._scene.server)
        except NOT_NOW:
            return False
        return server.task_state is None

    def _wait_until_over(self) -> None:
        """Until Nova has ended it, or does nothing about it any more."""
        stuck = any('(migrating)' in end for end in self._as_stock)
        limit = _STEADY_S * 2 if stuck else _END_S
        if not self._pair:
            limit = _END_S / 4
        waiting.until(self._over, limit, _LOOK_S)

    # Afterwards.

    def _settle(self, since: float) -> tuple[state.State | None, list[str]]:
        """Look until nothing is wrong any more; what is, in the end."""
        last = None
        steady = time.monotonic()
        while True:
            try:
                now = state.look(self._scene)
                if now != last:
                    steady = time.monotonic()
                last = now
                wrong = verdict.problems(now, self._pair, self._scene.source,
                                         self._as_stock)
            except NOT_NOW as error:
                wrong = [f'cannot be looked at: {error}']
            passed = time.monotonic() - since
            still = time.monotonic() - steady
            if not wrong or passed > SETTLE_S or (
                    not self._pair and still > _STEADY_S):
                return last, wrong
            time.sleep(_LOOK_S)

    def _with_console(self, last: state.State | None,
                      rebuilt: Sequence[str]) -> list[str]:
        """The kinds of users that have a console in the end. Nova's proxies
        lead to the host that Nova believes in, also with the stock consoles;
        only a session that goes on does not notice."""
        everybody = list(self._subject.clients)
        if not rebuilt or last is None or last.host in verdict.running(last):
            return everybody
        return [kind for kind in everybody if kind not in PROXIED]

    def _users(self, before: Mark, rebuilt: bool, kinds: Sequence[str]
               ) -> tuple[dict, list[str]]:
        """What each noticed; and what is wrong with the consoles.

        :param rebuilt: the sessions have ended, whether the users know it or
            not: a client learns it by what it sends next
        """
        subject = self._subject
        clients = {kind: subject.clients[kind] for kind in kinds}
        try:
            for kind, client in clients.items():
                known = before.tallies[kind].disconnects
                if rebuilt:
                    waiting.until(
                        lambda client=client, known=known:
                        client.tally().disconnects > known, _CONSOLE_S)
                if not client.wait_connected(_CONSOLE_S):
                    return {}, [f'{client.name} is not open again']
                if not rebuilt:
                    # His network may have been away: what he typed meanwhile
                    # waits until TCP tries again.
                    client.pause()
                    client.wait_answers(_BACKOFF_S)
            after = None
            for _attempt in range(_ASKED):
                for client in clients.values():
                    client.type_on()
                time.sleep(_AFTER_S)
                if after := subject.mark(kinds):
                    break
        except NOT_NOW as error:
            return {}, [f'a console does not answer: {error}']
        users = {kind: trial.user_between(
            client.typist, before, after, kind,
            after.tallies[kind] if after else client.tally(),
            client.worst_response_ms(), 0)
            for kind, client in clients.items()}
        return users, ([] if after else
                       ['the guest does not tell its ledger any more'])
