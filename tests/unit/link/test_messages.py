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
"""What a peer may send that is no message."""

import os
import socket

from oslotest import base

from nova_dmore.link import messages


class TestReceive(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.keeper, self.worker = messages.pair()
        self.addCleanup(self.keeper.close)
        self.addCleanup(self.worker.close)
        self.before = self._descriptors()

    def _descriptors(self):
        return len(os.listdir('/proc/self/fd'))

    def _send(self, data):
        with open(os.devnull) as passed:
            socket.send_fds(self.worker, [data], [passed.fileno()] * 9)

    def test_what_is_no_message(self):
        for data in (b'{', b'[]', b'\xff', b'[' * 50000, b'{"a":' * 10000):
            self._send(data)
            self.assertRaises(ValueError, messages.receive, self.keeper)
            self.assertEqual(self.before, self._descriptors())

    def test_nothing_but_descriptors(self):
        self._send(b'')
        self.assertEqual((None, []), messages.receive(self.keeper))
        self.assertEqual(self.before, self._descriptors())
