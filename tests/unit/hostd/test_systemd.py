# SPDX-License-Identifier: Apache-2.0

import os
import socket

import fixtures
from oslotest import base

from nova_dmore.hostd import systemd


class TellTest(base.BaseTestCase):

    def _tell(self, path: str | None) -> None:
        self.useFixture(fixtures.EnvironmentVariable('NOTIFY_SOCKET', path))
        systemd.tell('READY=1')

    def test_at_a_path_or_an_abstract_address(self):
        path = os.path.join(self.useFixture(fixtures.TempDir()).path, 'notify')
        for address, named in ((path, path), (
                f'\0dmore-{os.getpid()}', f'@dmore-{os.getpid()}')):
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemds:
                systemds.bind(address)
                systemds.settimeout(10)
                self._tell(named)
                self.assertEqual(b'READY=1', systemds.recv(100))

    def test_without_systemd(self):
        log = self.useFixture(fixtures.FakeLogger())
        self._tell(None)
        self.assertEqual('', log.output)
        # It has said where it listens, and does not.
        self._tell('/no/such/folder/notify')
        self.assertIn('not told that READY=1', log.output)
