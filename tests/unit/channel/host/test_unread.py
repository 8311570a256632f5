# SPDX-License-Identifier: Apache-2.0
"""Descriptors that nobody has read count for everybody."""

import os
import socket
import unittest

from nova_dmore.channel.host import unread


class UnreadTest(unittest.TestCase):

    def setUp(self):
        self.unread = unread.Unread()
        self.addCleanup(self.unread.close)

    def _end(self):
        """A connection with a descriptor ends -> (ours, the peer's end)."""
        ours, theirs = socket.socketpair()
        self.addCleanup(theirs.close)
        socket.send_fds(ours, [b'x'], [theirs.fileno()])
        self.unread.end(ours)
        return ours, theirs

    def test_one_is_closed_when_it_is_read_or_gone(self):
        ours, theirs = self._end()
        self.assertFalse(self.unread.are_too_many())
        other, _ = self._end()
        self.assertTrue(self.unread.are_too_many())
        _, (descriptor,), _, _ = socket.recv_fds(theirs, 1, 1)
        os.close(descriptor)
        self.assertFalse(self.unread.are_too_many())
        self.assertEqual([True, False],
                         [each.fileno() < 0 for each in (ours, other)])
        self.assertEqual(b'', theirs.recv(1))

    def test_peer_that_only_ends_its_side_has_not_read(self):
        for _ in range(2):
            _, theirs = self._end()
            theirs.shutdown(socket.SHUT_RDWR)
        self.assertTrue(self.unread.are_too_many())
        self.unread.close()
        self.assertFalse(self.unread.are_too_many())
