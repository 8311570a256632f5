# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""The directory of an instance that has no shadow-device process."""

import os
import socket
import tempfile
import threading

from oslotest import base

from nova_dmore.virt import sink
from tests.unit.virt import fakes


class SinkTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        # A socket's path must be short.
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, 'serial')

    def _sink(self):
        made = sink.Sink(self.path)
        made.start()
        return made

    def _connect(self):
        return fakes.connect(self, self.path)

    def test_one_connection_after_the_other(self):
        made = self._sink()
        self.addCleanup(made.close)
        for _time in range(3):
            with self._connect() as client:
                client.sendall(bytes(1 << 20))

    def test_it_hangs_up(self):
        made = self._sink()
        client = self._connect()
        made.close()
        self.assertFalse(made.is_alive())
        self.assertEqual(b'', client.recv(1))

    def test_nobody_came(self):
        self._sink().close()
        self.assertRaises(ConnectionRefusedError, self._connect)

    def test_closed_at_any_moment(self):
        for _time in range(50):
            made = self._sink()
            threading.Thread(target=self._come_and_go).start()
            made.close()
            self.assertFalse(made.is_alive())
            os.unlink(self.path)

    def _come_and_go(self):
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(self.path)
                client.sendall(b'a')
            except OSError:
                pass    # it was closed before

    def test_there_is_a_socket_already(self):
        made = self._sink()
        self.addCleanup(made.close)
        self.assertRaises(OSError, sink.Sink, self.path)
