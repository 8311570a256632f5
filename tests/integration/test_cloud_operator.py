# SPDX-License-Identifier: Apache-2.0
"""What operators ask on a compute host, over the cloud's own message bus."""

import json

from tests.integration import cloud
from tests.integration import test_cloud_life
from laboratory.testbed import settings
from laboratory.users import subject as demo_subject

HOST, OTHER = settings.COMPUTES
#: How oslo.upgradecheck says that a check has failed.
_FAILURE = 2


def setUpModule():
    OperatorTest.machine = cloud.enter()


def tearDownModule():
    cloud.leave()


class OperatorTest(test_cloud_life.ShellTest):

    trial = demo_subject.Trial('operator', 'm1.guest', {})

    def _run(self, program, *arguments, host=HOST):
        """Call a program as ``nova`` -> (its status, what it printed)."""
        done = self.as_nova(host, program, *arguments, '--json')
        self.assertTrue(done.stdout, done.stderr)
        return done.returncode, json.loads(done.stdout)

    @cloud.repeated
    def test_listed(self, subject):
        status, (row,) = self._run('nova-dmore-manage', 'pair', 'list')
        self.assertEqual((0, subject.server),
                         (status, row['instance_uuid']))

    @cloud.repeated
    def test_rebuilt(self, subject):
        before = self.machine.domain_r_qemu(HOST, subject.server)
        status, _ = self._run('nova-dmore-manage', 'pair', 'rebuild',
                              '--host', HOST, subject.server, host=OTHER)
        self.assertEqual(0, status)
        after = self.machine.domain_r_qemu(HOST, subject.server)
        self.assertEqual([1, 1], [len(before), len(after)])
        self.assertNotEqual(before, after)
        self.open(subject).assert_lives()

    @cloud.repeated
    def test_orphans(self, subject):
        self.assertEqual((0, []), self._run(
            'nova-dmore-manage', 'orphans', 'list'))

    @cloud.repeated
    def test_upgrade_check(self, subject):
        """Each host compares itself with the other one, too."""
        for host in (HOST, OTHER):
            _, found = self._run('nova-dmore-status', 'upgrade', 'check',
                                 host=host)
            self.assertEqual([], [each for each in found['checks']
                                  if each['result'] == _FAILURE])
