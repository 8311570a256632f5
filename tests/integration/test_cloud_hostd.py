# SPDX-License-Identifier: Apache-2.0
"""The host service ends, begins anew and is killed: no user notices, by SSH,
at the serial port or at the VNC console, nor in a migration.
"""

import os
import re
import signal
import threading

from tests.integration import cloud
from tests.integration import users_case
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


class HostServiceTest(users_case.UsersTest):

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

        def restart():
            self.machine.restart(host, _SERVICE)

        def kill():
            self._kill(self.machine.hostd(host))

        self._assert_untouched(subject, host, restart, kill, restart)

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
