# SPDX-License-Identifier: Apache-2.0
"""What dies is there again, and what a user notices of it."""

import re

from tests.integration import cloud
from tests.integration import users_case
from laboratory.users import subject as demo_subject

HOST = 'c1'
_SERVICE = 'nova-compute'
#: Far below what a client takes for the end of a session.
_WORKER_S = 10.0
_REBUILD_S = 90.0


def setUpModule():
    FaultTest.machine = NovaComputeTest.machine = cloud.enter()


def tearDownModule():
    cloud.leave()


class FaultTest(cloud.TypingTest):
    """One plain ``ssh`` types numbered keys while lines are printed."""

    trial = demo_subject.Trial('faults', 'm1.guest', {'ssh': 0})

    def _typed(self, subject, happen):
        return self._typing(subject, happen)['ssh']

    @cloud.repeated
    def test_worker_is_killed(self, subject):
        before = self._pids(subject, HOST)
        log = self.machine.log(HOST)
        user = self._typed(subject, lambda: self._kill(before['worker']))
        # A byte under way may be one of which nobody knows whether QEMU took
        # it; then this is said.
        told = re.findall(r'gap in serial0_in: ambiguous, (\d) bytes',
                          log.grown())
        allowed = sum(map(int, told))
        self.assertLessEqual(allowed, 1)
        self.assertLessEqual(user.faults(), allowed)
        self.assertEqual((0, 0, 0), (user.disconnects,
                                     user.output_bytes_missing,
                                     user.output_bytes_duplicated))
        self.assertLess(user.max_response_ms, _WORKER_S * 1000)
        after = self._pids(subject, HOST)
        self.assertNotEqual(before.pop('worker'), after.pop('worker'))
        self.assertEqual(before, after)

    def _wait_reopened(self, client, disconnects):
        """Until the user, who types, has another session.

        An ``ssh`` whose server is gone without a word learns it when what it
        sends again reaches the new one. The next one takes that for the same
        by its host key, or not at all.
        """
        cloud.wait_for(lambda: client.tally().disconnects > disconnects,
                       _REBUILD_S, 'the end of the session')
        self.assertTrue(client.wait_connected(_REBUILD_S))

    def _broken(self, subject, part):
        """Kill a part that is rebuilt; the address and the host key stay."""
        address = self.machine.api.ssh_url(subject.server)
        before = self._pids(subject, HOST)
        client = subject.clients['ssh']
        disconnects = client.tally().disconnects
        log = self.machine.log(HOST)

        def kill():
            self._kill(before[part])
            cloud.wait_for(lambda: 'was rebuilt, its sessions ended'
                           in log.grown(), _REBUILD_S, 'the report')
            self._wait_reopened(client, disconnects)

        user = self._typed(subject, kill)
        self.assertEqual(1, user.disconnects)
        self.assertIn(subject.server, log.grown())
        self.assertEqual(address, self.machine.api.ssh_url(subject.server))
        after = self._pids(subject, HOST)
        self.assertEqual(before['instance'], after['instance'])
        for name in ('domain r', 'keeper', 'worker'):
            self.assertEqual(1, len(after[name]), after)
        self.assertNotEqual(before[part], after[part])
        return before, after

    @cloud.repeated
    def test_keeper_is_killed(self, subject):
        before, after = self._broken(subject, 'keeper')
        self.assertNotEqual(before['domain r'], after['domain r'])

    def _assert_domain_r_is_rebuilt(self, subject):
        before, after = self._broken(subject, 'domain r')
        self.assertEqual(before['keeper'], after['keeper'])

    @cloud.repeated
    def test_domain_r_is_killed(self, subject):
        self._assert_domain_r_is_rebuilt(subject)

    @cloud.repeated
    def test_domain_r_is_killed_with_another_nova_compute(self, subject):
        """It takes over the pair of the one before, and rebuilds it, too."""
        self.machine.restart(HOST, _SERVICE)
        self._assert_domain_r_is_rebuilt(subject)


class NovaComputeTest(users_case.UsersTest):

    def _assert_another_runs(self, subject, end):
        """No user notices that nova-compute ends and another one begins.

        :param end: does it, given the host and the name of the service
        """
        host = self._where(subject)
        self._assert_untouched(subject, host, lambda: end(host, _SERVICE))

    @cloud.repeated
    def test_restarted(self, subject):
        self._assert_another_runs(subject, self.machine.restart)

    @cloud.repeated
    def test_killed(self, subject):
        self._assert_another_runs(subject, self.machine.kill)
