# SPDX-License-Identifier: Apache-2.0
"""A host that is booted, and what starts anew while services are away.

Pairs that live go on, and those to be made are made when the services are
back.
"""

import contextlib
import subprocess

from tests.integration import cloud
from tests.integration import test_cloud_life
from laboratory.cloud import machines
from laboratory.progress import Failure
from laboratory.testbed import settings
from laboratory.users import subject as demo_subject

HOST = settings.COMPUTES[0]
_BOOTED_S = 120.0


def setUpModule():
    AwayTest.machine = cloud.enter()


def tearDownModule():
    cloud.leave()


class AwayTest(test_cloud_life.ShellTest):

    trial = demo_subject.Trial('away', 'm1.guest', {})

    @contextlib.contextmanager
    def _away(self, *services):
        """Without services of the controller."""
        for service in services:
            self.machine.testbed('stop', settings.CONTROLLER, service)
        try:
            yield
        finally:
            for service in services:
                self.machine.testbed('start', settings.CONTROLLER, service)

    def _runs(self, subject):
        return bool(self.machine.instance_qemu(HOST, subject.domain))

    def _open_late(self, subject):
        """Missing pairs are made once a minute, and their Domain R boots."""
        self.open(subject, 2 * cloud.SERVING_S).assert_lives()

    @cloud.repeated
    def test_nova_compute_restarts(self, subject):
        """The pair is not touched, and its sessions go on."""
        console = self.open(subject)
        before = self._pids(subject, HOST)
        log = self.machine.log(HOST)
        for service in ('neutron-api', 'glance-api'):
            with self._away(service):
                self.machine.restart(HOST, 'nova-compute')
                self._assert_answers(console, service)
        # Without Keystone Nova's own code ends at its start.
        with self._away('keystone-api'):
            self.assertRaises(Failure, self.machine.restart, HOST,
                              'nova-compute')
            self._assert_answers(console, 'keystone')
        self.machine.restart(HOST, 'nova-compute')
        self._assert_answers(console, 'again')
        self.assertEqual(before, self._pids(subject, HOST))
        self.assertNotIn('was rebuilt', log.grown())

    def _assert_answers(self, console, word):
        console.type(f'echo $((6*7))-{word}\r'.encode())
        console.wait_for(f'42-{word}'.encode())

    @cloud.repeated
    def test_host_reboots(self, subject):
        """The instance runs again without Neutron and Glance, and has its
        console as soon as they answer."""
        self.open(subject)
        with self.machine.configured(HOST, 'nova-compute', DEFAULT={
                'resume_guests_state_on_host_boot': True}):
            with self._away('neutron-api', 'glance-api'):
                self.machine.testbed('reboot', HOST)
                cloud.wait_for(lambda: self._runs(subject), _BOOTED_S,
                               'the instance')
            self._open_late(subject)

    @cloud.repeated
    def test_started_by_others(self, subject):
        """By libvirt-guests, say: ``virsh start`` after a boot."""
        self.open(subject)
        self.machine.testbed('reboot', HOST)
        self.assertFalse(self._runs(subject))
        subprocess.run(machines.virsh(HOST, 'start', subject.domain),
                       check=True)
        self._open_late(subject)
