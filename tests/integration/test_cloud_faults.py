# SPDX-License-Identifier: Apache-2.0
"""What dies is there again, and what a user notices of it."""

import os
import re
import signal

from tests.integration import cloud
from laboratory.users import subject as demo_subject

HOST = 'c1'
#: Far below what a client takes for the end of a session.
_WORKER_S = 10.0
_REBUILD_S = 90.0


def setUpModule():
    FaultTest.machine = cloud.enter()


def tearDownModule():
    cloud.leave()


class FaultTest(cloud.TypingTest):
    """One plain ``ssh`` types numbered keys while lines are printed."""

    trial = demo_subject.Trial('faults', 'm1.guest', {'ssh': 0})

    def _typed(self, subject, happen):
        return self._typing(subject, happen)['ssh']

    def _kill(self, pids):
        (pid,) = pids
        os.kill(pid, signal.SIGKILL)

    @cloud.repeated
    def test_nova_compute_is_restarted(self, subject):
        before = self._pids(subject, HOST)
        for pids in before.values():
            self.assertEqual(1, len(pids), before)
        log = self.machine.log(HOST)
        user = self._typed(subject, lambda: self.machine.restart(
            HOST, 'nova-compute'))
        self.assertEqual(0, user.faults())
        self.assertEqual(before, self._pids(subject, HOST))
        self.assertNotIn('was rebuilt', log.grown())
        # It is its pair again: the new process rebuilds it when it dies.
        client = subject.clients['ssh']
        disconnects = client.tally().disconnects
        client.type_on()
        self._kill(before['domain r'])
        cloud.wait_for(
            lambda: set(self._pids(subject, HOST)['domain r']) - set(
                before['domain r']),
            _REBUILD_S, 'a new Domain R')
        self._wait_reopened(client, disconnects)

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

    @cloud.repeated
    def test_domain_r_is_killed(self, subject):
        before, after = self._broken(subject, 'domain r')
        self.assertEqual(before['keeper'], after['keeper'])
