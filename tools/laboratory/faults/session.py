# SPDX-License-Identifier: Apache-2.0
"""One instance after the other, each moved there and back with faults."""

import contextlib
import pathlib
import shutil
import subprocess
import time
from collections.abc import Callable

from laboratory.cloud import machines
from laboratory.faults import case, scene
from laboratory.faults.outcome import Outcome
from laboratory.progress import Failure
from laboratory.testbed import resources
from laboratory.testbed.settings import COMPUTES
from laboratory.users.subject import DMORE, Subject, Trial
from openstack import exceptions

PAIR = Trial('faults', 'm1.guest', {'ssh': 0, 'serial': 1})
#: With all the users that there can be, for migrations without a fault.
EVERYBODY = Trial('soak', 'm1.guest', DMORE.users)
STOCK = Trial('faults-stock', 'm1.guest-stock', {})
#: Longer than Nova's interval between two looks at a host.
_HOST_S = 90.0
_LOOK_S = 5.0


class Session:
    """Keeps an instance for as long as it is well.

    :param trial: what instances are started for
    :param folder: for files
    """

    def __init__(self, runner: case.Runner, trial: Trial,
                 folder: pathlib.Path,
                 make: Callable[..., Subject] = Subject) -> None:
        self._runner = runner
        self._trial = trial
        self._folder = folder
        self._make = make
        self._subject: Subject | None = None

    def run(self, fault: str | None, phase: str | None) -> Outcome:
        """Move the instance to the other host once.

        :raises Failure: no instance can be started
        """
        # Nova moves nothing to a host that has not reported lately, as after
        # RabbitMQ was away.
        with contextlib.suppress(TimeoutError, *case.NOT_NOW):
            resources.wait(self._runner.api._sdk, COMPUTES)
        subject = self.start()
        source = self._runner.api._sdk.compute.get_server(
            subject.server).compute_host
        destination, = set(COMPUTES) - {source}
        with contextlib.ExitStack() as failing:
            failing.callback(self.close)
            outcome = self._runner.run(subject, source, destination, fault,
                                       phase)
            failing.pop_all()
        if outcome.corrupted or not outcome.fit:
            self.close()
        return outcome

    def start(self) -> Subject:
        """The instance, which is started if there is none.

        :raises Failure: it cannot be
        """
        return self._subject or self._start_soon()

    def _start_soon(self) -> Subject:
        """Nova boots nothing where libvirt did not answer, until it looks at
        the host the next time.

        :raises Failure: it does not either
        """
        deadline = time.monotonic() + _HOST_S
        while True:
            try:
                return self._start()
            except Failure as failure:
                if time.monotonic() > deadline:
                    raise
                self._runner.progress.say(f'once more: {failure}')
                time.sleep(_LOOK_S)

    def _start(self) -> Subject:
        runner = self._runner
        subject = self._make(self._trial, runner.api, runner.place,
                             self._folder, runner.progress)
        self._subject = subject
        with contextlib.ExitStack() as failing:
            failing.callback(self.close)
            subject.start(COMPUTES[0])
            failing.pop_all()
        return subject

    def close(self) -> None:
        """Remove the instance, in whatever state it is."""
        subject, self._subject = self._subject, None
        if subject is None:
            return
        sdk = self._runner.api._sdk
        with contextlib.suppress(*case.NOT_NOW):
            server = sdk.compute.get_server(subject.server)
            if server.task_state is not None:
                sdk.compute.reset_server_state(server, 'error')
        try:
            subject.close()
        except (*case.NOT_NOW, exceptions.SDKException) as error:
            self._runner.progress.say(f'{subject.server}: {error}')
        sweep(self._runner, subject)


def sweep(runner: case.Runner, subject: Subject) -> None:
    """Remove what an instance has left behind after it was deleted, so that
    what comes next does not find it. Its verdict has been spoken."""
    if not subject.server:
        return
    with contextlib.suppress(*case.NOT_NOW):
        _give_back(runner.api._sdk, subject.server)
    where = scene.Scene(runner.place, runner.api, subject.server,
                        subject.domain, *COMPUTES)
    for host in COMPUTES:
        for domain in (subject.domain, f'domr-{subject.server}'):
            for action in ('destroy', 'undefine'):
                subprocess.run(
                    machines.virsh(host, action, domain),
                    capture_output=True, timeout=60)
        left = (where.keeper(host) + where.instance_qemu(host)
                + where.domain_r_qemu(host))
        if scene.kill(left):
            runner.progress.say(f'{len(left)} processes were left on {host}')
        with contextlib.suppress(Failure):
            shutil.rmtree(where.pair_directory(host), ignore_errors=True)


def _give_back(sdk, server: str) -> None:
    """Have Placement forget what a migration that failed keeps for good: some
    of them later no host has room."""
    for migration in sdk.compute.migrations(server_id=server):
        sdk.placement.delete_allocation(migration.uuid)
