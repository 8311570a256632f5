# SPDX-License-Identifier: Apache-2.0
"""Unix sockets to somebody less trusted."""

import os
import socket
import tempfile
import unittest

from nova_dmore.posix import unix_connect


class UnixConnectTest(unittest.TestCase):

    def test_hang_up_behind_what_is_not_read(self):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.send(b'last words')
            self.assertFalse(unix_connect.has_hung_up(ours))
            theirs.shutdown(socket.SHUT_WR)
            self.assertFalse(unix_connect.has_hung_up(ours))
            theirs.close()
            self.assertTrue(unix_connect.has_hung_up(ours))
            self.assertEqual(b'last words', ours.recv(100))

    def test_a_link_leads_nowhere(self):
        with tempfile.TemporaryDirectory() as folder:
            path, link = (os.path.join(folder, name) for name in 'ab')
            os.symlink(path, link)
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(path)
                listener.listen()
                unix_connect.connect(path).close()
                self.assertRaises(OSError, unix_connect.connect, link)

    def test_somebody_else_listens(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, 'a')
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(path)
                listener.listen()
                unix_connect.connect_to(path, os.getpid()).close()
                for other in (os.getppid(), None):
                    self.assertRaises(ConnectionRefusedError,
                                      unix_connect.connect_to, path, other)
