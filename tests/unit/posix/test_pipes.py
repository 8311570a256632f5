# SPDX-License-Identifier: Apache-2.0
"""What lies in pipes and sockets."""

import os
import socket

from oslotest import base

from nova_dmore.posix import pipes


class TestPipes(base.BaseTestCase):

    def pipe(self):
        ends = os.pipe2(os.O_NONBLOCK)
        for end in ends:
            self.addCleanup(os.close, end)
        return ends

    def sockets(self):
        pair = socket.socketpair()
        for each in pair:
            self.addCleanup(each.close)
        return pair

    def test_unread_of_a_pipe(self):
        reader, writer = self.pipe()
        self.assertEqual(0, pipes.unread(writer))
        os.write(writer, b'abc')
        self.assertEqual(3, pipes.unread(writer))
        os.read(reader, 1)
        self.assertEqual(2, pipes.unread(reader))

    def test_unread_of_a_socket(self):
        """It tells of one byte only, and at the end that sent it."""
        ours, theirs = self.sockets()
        self.assertEqual(0, pipes.unread(ours.fileno()))
        ours.send(b'a')
        self.assertEqual(1, pipes.unread(ours.fileno()))
        theirs.recv(1)
        self.assertEqual(0, pipes.unread(ours.fileno()))

    def test_splice_into_a_socket_that_is_gone(self):
        reader, writer = self.pipe()
        os.write(writer, b'abc')
        ours, theirs = self.sockets()
        theirs.close()
        self.assertEqual(0, pipes.splice(reader, ours.fileno(), 3))

    def test_splice_of_what_is_broken(self):
        """A fault in a pipe of the keeper's own is not swallowed."""
        reader, writer = self.pipe()
        os.write(writer, b'abc')
        second, gone = os.pipe()
        os.close(second)
        self.addCleanup(os.close, gone)
        self.assertRaises(BrokenPipeError, pipes.splice, reader, gone, 3)
