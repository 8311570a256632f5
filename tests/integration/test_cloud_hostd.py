# SPDX-License-Identifier: Apache-2.0
"""The host service ends, begins anew and is killed: no user notices, by SSH,
at the serial port or at the VNC console, nor in a migration.
"""

import os
import re
import signal
import threading

from tests.integration import cloud
from laboratory.testbed.settings import COMPUTES

_SERVICE = 'nova-dmore-hostd'
#: How long a worker may take to be replaced.
_REPLACED_S = 60.0
#: When, after a migration was asked for, the services begin anew, in seconds.
_IN_MIGRATIONS_S = (1.0, 2.5, 4.0, 5.5)


def setUpModule():
    HostServiceTest.machine = cloud.enter()


def tearDownModule():
    cloud.leave()


class HostServiceTest(cloud.TypingTest):
    """Three users type numbered keys while the guest prints without a pause.
    """

    def _assert_nothing_noticed(self, users, ambiguous=0):
        """:param ambiguous: bytes that may be missing or too many, as was said
        """
        for kind, user in users.items():
            self.assertEqual(0, user.disconnects, kind)
            self.assertLessEqual(user.faults(), ambiguous, kind)

    def _where(self, subject):
        (host,) = [each for each in COMPUTES
                   if self.machine.keeper(each, subject.server)]
        return host

    def _reload(self, host):
        (pid,) = self.machine.hostd(host)
        os.kill(pid, signal.SIGHUP)

    @staticmethod
    def _ambiguous(*logs):
        """-> how many bytes are said to be ambiguous."""
        return sum(int(count) for log in logs for count in re.findall(
            r'gap in \w+: ambiguous, (\d+) bytes', log.grown()))

    @cloud.repeated
    def test_restarted_and_killed(self, subject):
        host = self._where(subject)
        before = self._pids(subject, host)
        log = self.machine.log(host)

        def kill():
            (pid,) = self.machine.hostd(host)
            os.kill(pid, signal.SIGKILL)

        for happen in (lambda: self.machine.restart(host, _SERVICE), kill,
                       lambda: self.machine.restart(host, _SERVICE)):
            self._assert_nothing_noticed(self._typing(subject, happen))
            self.assertEqual(before, self._pids(subject, host))
        self.assertNotIn('was rebuilt', log.grown())

    @cloud.repeated
    def test_reloaded(self, subject):
        host = self._where(subject)
        before = self._pids(subject, host)
        log = self.machine.log(host)
        (service,) = self.machine.hostd(host)

        def reload():
            self._reload(host)
            cloud.wait_for(
                lambda: self._pids(subject, host)['worker'] not in (
                    [], before['worker']), _REPLACED_S, 'another worker')

        users = self._typing(subject, reload)
        self._assert_nothing_noticed(users, self._ambiguous(log))
        self.assertEqual([service], self.machine.hostd(host))
        after = self._pids(subject, host)
        self.assertNotEqual(before.pop('worker'), after.pop('worker'))
        self.assertEqual(before, after)

    @cloud.repeated
    def test_reloaded_in_migrations(self, subject):
        """Both services, at another moment in each."""
        for after_s in _IN_MIGRATIONS_S:
            host = self._where(subject)
            other = next(each for each in COMPUTES if each != host)
            logs = [self.machine.log(each) for each in COMPUTES]

            def reload_both():
                for each in COMPUTES:
                    self._reload(each)

            def migrate():
                timer = threading.Timer(after_s, reload_both)
                timer.start()
                self.machine.api.migrate(subject.server, host, other)
                timer.join()

            users = self._typing(subject, migrate)
            self._assert_nothing_noticed(users, self._ambiguous(*logs))
            self.assertEqual(other, self._where(subject))
