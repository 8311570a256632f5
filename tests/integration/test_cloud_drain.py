# SPDX-License-Identifier: Apache-2.0
"""The plug-in is switched off on a host where a pair runs."""

import json

from tests.integration import cloud
from tests.integration import test_cloud_life
from tests.integration import test_cloud_mixed
from laboratory.testbed import settings
from laboratory.users import subject as demo_subject

HOST, OTHER = settings.COMPUTES
#: Pairs that are missing are searched for once a minute, and boot then.
_MADE_S = 180.0


def setUpModule():
    DrainTest.machine = cloud.enter()


def tearDownModule():
    cloud.leave()


class DrainTest(test_cloud_life.ShellTest):

    trial = demo_subject.Trial('drain', 'm1.guest', {})

    def _clean(self):
        """-> what ``nova-dmore-manage host clean`` says of each instance."""
        done = self.as_nova(
            HOST, 'nova-dmore-manage', 'host', 'clean', '--json')
        self.assertIn(done.returncode, (0, 3), done.stderr)
        return {row['instance_uuid']: row['outcome']
                for row in json.loads(done.stdout)}

    def _assert_no_console(self, protocol, kind):
        """Nova says that the instance has no such one."""
        self.assertRaises(ConnectionError, self.machine.api.console_url,
                          self._subject.server, protocol, kind)

    @cloud.repeated
    def test_drained(self, subject):
        server = subject.server
        console = self.open(subject)
        with self.machine.configured(HOST, 'nova-compute',
                                     **test_cloud_mixed.STOCK):
            # Its user notices nothing.
            console.type(b'echo $((6*7))-alone\r')
            console.wait_for(b'42-alone')
            self._assert_no_console('serial', 'serial')
            self._assert_no_console('vnc', 'novnc')
            self.assertIn('used by its instance', self._clean()[server])
            self.machine.api.migrate(server, HOST, OTHER)
            self.assertEqual('removed', self._clean()[server])
            for processes in (self.machine.domain_r_qemu, self.machine.keeper,
                              self.machine.worker):
                self.assertEqual([], processes(HOST, server))
            self.assertEqual({}, self._clean())
        cloud.wait_for(
            lambda: self.machine.domain_r_qemu(OTHER, server), _MADE_S,
            'its Domain R at the other host')
        self.open(subject).assert_lives()
