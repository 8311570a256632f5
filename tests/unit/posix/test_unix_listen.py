# SPDX-License-Identifier: Apache-2.0

import os
import socket
import stat
import tempfile
import unittest
from unittest import mock

from nova_dmore.posix import unix_listen


class ListenTest(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, 'socket')

    def _mode(self):
        return stat.S_IMODE(os.stat(self.path).st_mode)

    def _listen(self, *arguments, **options):
        listener = unix_listen.listen(self.path, *arguments, **options)
        self.addCleanup(listener.close)
        return listener

    def test_somebody_connects(self):
        listener = self._listen(0o660, 1, kind=socket.SOCK_SEQPACKET)
        self.assertEqual(0o660, self._mode())
        self.assertRaises(BlockingIOError, listener.accept)
        client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.addCleanup(client.close)
        client.connect(self.path)
        listener.accept()[0].close()

    def test_nobody_else_can_before_the_mode_is_set(self):
        umask = os.umask(0)
        self.addCleanup(os.umask, umask)
        seen = []
        with mock.patch('os.chmod', lambda *_: seen.append(self._mode())), \
                mock.patch('os.chown', lambda *_: seen.append(self._mode())):
            self._listen(0o666, 1, group=os.getgid())
        self.assertEqual([0o600, 0o600], seen)
        self.assertEqual(0, os.umask(0))

    def test_what_lies_there_gives_way(self):
        for _ in range(2):
            self._listen(0o600, 1)
        self.assertTrue(stat.S_ISSOCK(os.stat(self.path).st_mode))
