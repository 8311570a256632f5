# SPDX-License-Identifier: Apache-2.0
"""What a peer may send that is no message."""

import gc
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
        gc.collect()    # what other tests have left
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
