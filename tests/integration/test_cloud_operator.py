# SPDX-License-Identifier: Apache-2.0
"""What operators ask on a compute host, over the cloud's own message bus."""

import json
import subprocess

from tests.integration import cloud
from tests.integration import test_cloud_life
from laboratory.testbed import conf_compute
from laboratory.testbed import settings
from laboratory.users import subject as demo_subject

HOST, OTHER = settings.COMPUTES


def setUpModule():
    OperatorTest.machine = cloud.enter()


def tearDownModule():
    cloud.leave()


class OperatorTest(test_cloud_life.ShellTest):

    trial = demo_subject.Trial('operator', 'm1.guest', {})

    def _run(self, program, *arguments, host=HOST):
        """Call a program as ``nova`` -> (its status, what it printed)."""
        place = self.machine.place
        done = subprocess.run(
            place.compute(host).enter([
                'setpriv', f'--reuid={conf_compute.NOVA}',
                f'--regid={conf_compute.NOVA}', '--init-groups',
                place.layout.venv_program(program), *arguments, '--json']),
            env={**place.environment(), 'PYTHONPATH': settings.SOURCE},
            capture_output=True, text=True)
        self.assertTrue(done.stdout, done.stderr)
        return done.returncode, json.loads(done.stdout)

    @cloud.repeated
    def test_pairs_of_another_host(self, subject):
        status, (row,) = self._run('nova-dmore-manage', 'pair', 'list',
                                   '--host', HOST, host=OTHER)
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
        """Each host finds that the other one has the same secrets, the same
        image and the same networks."""
        for host in settings.COMPUTES:
            status, found = self._run('nova-dmore-status', 'upgrade', 'check',
                                      host=host)
            self.assertIn(status, (0, 1), found)
            self.assertNotIn('Not checked', json.dumps(found), host)
