# SPDX-License-Identifier: Apache-2.0
"""The test cloud, for tests: one for all modules of a run.

It is started when the first module asks for it, and ended with the process;
or when a module asks for one of another kind (:func:`enter`).
Meanwhile the tests' thread is on the controller's network, where users are.
"""

import atexit
import contextlib
import functools
import os
import pathlib
import secrets
import signal
import tempfile
import time
import unittest

import testtools
from testtools import content

# For the path that it sets.
from tests.unit import tools  # noqa: F401
from laboratory.cloud import machines
from laboratory.users import sessions
from laboratory.users import subject as demo_subject
from laboratory.users import trial
from laboratory.cloud.api import Cloud
from laboratory.cloud.processes import Processes
from laboratory.cloud.reconfigured import reconfigured
from laboratory.cloud.standpoint import at_the_controller
from laboratory.layout import Layout
from laboratory.progress import Failure
from laboratory.progress import Progress
from laboratory.testbed import services
from laboratory.testbed import settings
from laboratory.cloud import own as own_cloud
from laboratory import waiting

#: How often a test is repeated whose guest the emulator corrupted.
_REPEATS = 2
#: Seconds after which a shell that did not answer is asked again.
_AGAIN_S = 2.0
#: So long Domain R may take until it serves, as a rule.
SERVING_S = 60.0
#: Seconds of typing before something happens, and after.
_BEFORE_S = 1.0
_AFTER_S = 2.0


class Machine(Processes):
    """The cloud that is up, as tests see it.

    :ivar place: where it lies
    :ivar api: what users ask for
    :ivar folder: for files
    """

    def __init__(self, place, folder):
        super().__init__(place)
        self.folder = folder
        self.api = Cloud(place)
        self.progress = Progress()

    def log(self, host):
        """nova-compute's log of a host, from now on."""
        return machines.GrowingLog(machines.compute_log(self.place, host))

    def restart(self, host, service):
        """:raises Failure: it does not get ready again"""
        self.testbed('restart', host, service)

    def kill(self, host, service):
        """:raises Failure: it does not get ready again"""
        services.find(self.place.compute(host), service).kill()

    def testbed(self, *arguments):
        """:raises Failure: ``tools/testbed`` failed"""
        own_cloud.testbed(Layout.from_environment(), *arguments)

    def configured(self, host, service, **sections):
        """Run a service of Nova with other options for a while.

        :param sections: options, by section
        :raises Failure: it does not get ready again
        """
        return reconfigured(self.place, host, functools.partial(
            self.restart, host, service), **sections)


#: With what arguments the cloud that is up was started; none if none is.
_up_with: tuple[str, ...] | None = None


def _up(*arguments):
    global _up_with
    main = Layout.from_environment()
    if main.domr_image() is None or not main.guest_image.exists():
        raise unittest.SkipTest('needs what tools/setup makes')
    os.environ['DMORE_VENV'] = str(main.venv)
    if _up_with is None:
        atexit.register(own_cloud.down, main)
    if _up_with != arguments:
        own_cloud.up(main, *arguments)
        _up_with = arguments
    layout = own_cloud.layout(main)
    return settings.Place(settings.Cloud.load(layout), layout)


def domain_xml(machine, host, domain):
    """The XML of a domain that runs, as libvirt keeps it."""
    libvirt = machine.place.host(host).root() / 'run' / 'libvirt' / 'qemu'
    return (libvirt / f'{domain}.xml').read_text()


_entered = contextlib.ExitStack()


def enter(*arguments):
    """A test module's ``setUpModule``; starts the cloud if it is not up.

    :param arguments: of ``tools/testbed up``. Other ones than before end the
        cloud that is up, which takes a minute: such modules come last
    :returns: the Machine
    """
    if os.geteuid() != 0:
        raise unittest.SkipTest('needs root')
    place = _up(*arguments)
    _entered.enter_context(at_the_controller(place))
    folder = _entered.enter_context(tempfile.TemporaryDirectory())
    return Machine(place, pathlib.Path(folder))


def leave():
    """A test module's ``tearDownModule``."""
    _entered.close()


class OtherCloud:
    """Mixed into the tests of a cloud of another kind.

    :cvar arguments: of :func:`enter`
    """

    arguments: tuple[str, ...]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.addClassCleanup(leave)
        cls.machine = enter(*cls.arguments)


class Console:
    """A plain ``ssh`` at an instance's console, and what it has shown.

    :param terminal: whether it has one at the other end
    :param within_s: seconds in which Domain R may still be booting
    """

    def __init__(self, machine, server, terminal=True, within_s=SERVING_S):
        self._machine = machine
        self._server = server
        self._terminal = terminal
        self.shown = b''
        deadline = time.monotonic() + within_s
        while not self._connect():
            if time.monotonic() > deadline:
                raise AssertionError(f'no console after {within_s} s')
            time.sleep(0.5)

    def _connect(self):
        """Whether there is a session, which greets."""
        machine = self._machine
        self._session = sessions.SshSession(
            [machine.api.ssh_url(self._server)], machine.place.private_key,
            machine.folder / f'known-hosts-{self._server}',
            machine.place.log(settings.CONTROLLER, 'test-ssh'),
            self._terminal)
        if not self._terminal:
            # Nobody greets, so have the shell say something.
            with contextlib.suppress(BrokenPipeError):
                self.type(b'\r')
        self.shown = self._session.receive()
        if not self.shown:
            self._session.close()
            return False
        os.set_blocking(self._session._output, False)
        return True

    def type(self, data):
        self._session.send(data)

    def read(self):
        """Take what has come.

        :raises AssertionError: the session has ended
        """
        with contextlib.suppress(BlockingIOError):
            while True:
                data = self._session.receive()
                if not data:
                    raise AssertionError('the session has ended; it showed '
                                         f'{self.shown[-400:]!a}')
                self.shown += data

    def find_shell(self):
        """Until a shell answers; all that was shown before is forgotten.

        :raises AssertionError: none does, or the session ends
        """
        # Never asked before, for the scroll-back; and the terminal's echo of
        # the question is not its answer.
        number = secrets.randbelow(10 ** 9)
        self.wait_for(f'shell-{number + 1}\r'.encode(),
                      again=f'echo shell-$(({number}+1))\r'.encode())

    def wait_for(self, text, seconds=90.0, again=None):
        """Until a text is shown that was not waited for before.

        :param again: what is typed every few seconds until then
        :returns: what was shown before it
        :raises AssertionError: it does not come, or the session ends
        """
        deadline = time.monotonic() + seconds
        typed = 0.0
        while text not in self.shown:
            now = time.monotonic()
            if now > deadline:
                raise AssertionError(f'no {text!r} within {seconds} s, but '
                                     f'{self.shown[-400:]!a}')
            if again is not None and now > typed + _AGAIN_S:
                typed = now
                self.type(again)
            time.sleep(0.05)
            self.read()
        before, _text, self.shown = self.shown.partition(text)
        return before

    def assert_lives(self):
        self.read()

    def close(self):
        self._session.close()


class PlainSubject(demo_subject.Subject):
    """An instance at whose console a shell is, with no user yet."""

    def _start_helper(self, host):
        return


class InstanceTest(testtools.TestCase):
    """Tests that share one instance.

    :cvar machine: what ``enter`` returned
    """

    machine: Machine
    _subject = None

    @classmethod
    def tearDownClass(cls):
        cls._drop()
        super().tearDownClass()

    @classmethod
    def _drop(cls):
        subject, cls._subject = cls._subject, None
        if subject is not None:
            subject.close()

    def note(self, text):
        """Have a text shown with the test's result, also when it passes."""
        self.addDetailUniqueName('note', content.text_content(text))


class CloudTest(InstanceTest):
    """Tests with one instance, made anew when the emulator corrupted it.

    :cvar trial: what the instance is started for
    """

    subject_class = demo_subject.Subject
    trial = demo_subject.DMORE
    host = 'c1'

    @classmethod
    def _fresh(cls):
        cls._drop()
        cls._subject = cls.subject_class(
            cls.trial, cls.machine.api, cls.machine.place,
            cls.machine.folder, cls.machine.progress)
        cls._subject.start(cls.host)
        return cls._subject

    def _pids(self, subject, host):
        """-> the processes of the pair on a host, by name."""
        machine = self.machine
        return {
            'instance': machine.instance_qemu(host, subject.domain),
            'domain r': machine.domain_r_qemu(host, subject.server),
            'keeper': machine.keeper(host, subject.server),
            'worker': machine.worker(host, subject.server)}

    @staticmethod
    def _kill(pids):
        """Kill a process, of which there is one."""
        (pid,) = pids
        os.kill(pid, signal.SIGKILL)


class TypingTest(CloudTest):
    """The users of the trial type numbered keys while something happens."""

    def _typing(self, subject, happen):
        """-> what each user noticed of what happened, by kind."""
        before = subject.mark()
        self.assertIsNotNone(before, 'the guest does not tell its ledger')
        for client in subject.clients.values():
            client.restart_clock()
            client.type_on()
        time.sleep(_BEFORE_S)
        happen()
        time.sleep(_AFTER_S)
        after = subject.mark()
        self.assertIsNotNone(after, 'the guest does not tell its ledger any '
                                    'more')
        users = {
            kind: trial.user_between(
                typist, before, after, kind, after.tallies[kind],
                subject.clients[kind].worst_response_ms(), 0)
            for kind, typist in self.trial.users.items()}
        for kind, user in users.items():
            self.note(f'{kind}: {user}')
            self.assertGreater(user.sent, 20)
        return users


def repeated(test):
    """A test that gets the class's instance; it is repeated with a new one,
    twice at most, if the emulator corrupted a guest's kernel."""
    @functools.wraps(test)
    def wrapper(self):
        kind = type(self)
        for attempt in range(_REPEATS + 1):
            kernels = None
            try:
                subject = kind._subject or kind._fresh()
                kernels = machines.KernelLogs(self.machine.place,
                                              subject.server)
                test(self, subject)
                return
            except (AssertionError, Failure) as failure:
                sign = _corrupted(kind._subject, kernels)
                if sign is None or attempt == _REPEATS:
                    kind._drop()
                    raise
                self.note(f'the emulator corrupted a guest ({sign}), so this '
                          f'test is repeated; it had failed with: {failure}')
                kind._drop()
    return wrapper


def _corrupted(subject, kernels):
    if subject is None or not subject.server:
        return None
    if sign := subject.corrupted():
        return sign
    return kernels.sign() if kernels is not None else None


def wait_for(condition, seconds, what):
    """:raises AssertionError: it is not so in time"""
    if result := waiting.until(condition, seconds, 0.02):
        return result
    raise AssertionError(f'{what}: not within {seconds} s')
