# SPDX-License-Identifier: Apache-2.0
"""What QEMU gets when it connects."""

import os
import select
import socket
import struct
import unittest

from nova_dmore.channel import errors
from nova_dmore.channel.host import ivshmem
from nova_dmore import wire


class IvshmemServerTest(unittest.TestCase):

    def setUp(self):
        self.memory = os.memfd_create('region')
        self.addCleanup(os.close, self.memory)
        self.host = ivshmem.make_eventfds()
        self.domain_r = ivshmem.make_eventfds()
        for each in self.host + self.domain_r:
            self.addCleanup(os.close, each)
        self.server = ivshmem.IvshmemServer(
            self.memory, self.host, self.domain_r)
        self.addCleanup(self.server.close)

    def pair(self):
        ours, theirs = socket.socketpair()
        self.addCleanup(theirs.close)
        return ours, theirs

    def receive(self, theirs):
        """One message as QEMU reads it: eight bytes, perhaps a descriptor."""
        data, descriptors, _, _ = socket.recv_fds(theirs, 8, 4)
        for each in descriptors:
            self.addCleanup(os.close, each)
        return struct.unpack('<q', data)[0], descriptors

    def test_greeting(self):
        ours, theirs = self.pair()
        self.server.connected(ours)
        self.assertEqual((0, []), self.receive(theirs))
        self.assertEqual((wire.DOMAIN_R_PEER, []), self.receive(theirs))
        value, (memory,) = self.receive(theirs)
        self.assertEqual(-1, value)
        self.assertTrue(os.path.sameopenfile(self.memory, memory))
        for peer, ours in ((wire.HOST_PEER, self.host),
                           (wire.DOMAIN_R_PEER, self.domain_r)):
            for vector in wire.Vector:
                value, (descriptor,) = self.receive(theirs)
                self.assertEqual(peer, value)
                os.eventfd_write(descriptor, 1)
                self.assertEqual(1, os.eventfd_read(ours[vector]))
        theirs.setblocking(False)
        self.assertRaises(BlockingIOError, theirs.recv, 1)

    def test_disconnect_is_noticed(self):
        ours, theirs = self.pair()
        self.server.connected(ours)
        self.assertTrue(self.server.readable())
        theirs.send(b'what QEMU never sends')
        self.assertTrue(self.server.readable())
        theirs.close()
        self.assertFalse(self.server.readable())
        self.assertIsNone(self.server.connection)

    def test_only_the_newest_is_current(self):
        first, first_end = self.pair()
        second, _ = self.pair()
        self.server.connected(first)
        self.server.connected(second)
        self.assertIs(second, self.server.connection)
        while first_end.recv(4096):
            pass    # ends: it was closed

    def test_greetings_that_nobody_reads_have_a_limit(self):
        """Their descriptors would count for all pairs of the host."""
        ends, refused = [], 0
        for _ in range(20):
            ours, theirs = self.pair()
            ends.append(theirs)
            try:
                self.server.connected(ours)
            except errors.IvshmemError:
                refused += 1
        self.assertEqual(18, refused)
        for each in ends:
            each.close()
        ours, theirs = self.pair()
        self.server.connected(ours)
        self.assertEqual((0, []), self.receive(theirs))

    def test_qemu_that_talks_is_not_listened_to_for_ever(self):
        ours, theirs = self.pair()
        self.server.connected(ours)
        sent = 0
        while self.server.readable():
            sent += theirs.send(bytes(4096))
            self.assertLess(sent, 1 << 20)

    def test_out_of_band_byte_is_read(self):
        ours, theirs = self.pair()
        self.server.connected(ours)
        theirs.send(b'x', socket.MSG_OOB)
        self.assertTrue(self.server.readable())
        self.assertEqual(1, self.server._sent)
        self.assertEqual([], select.select([ours], [], [ours], 0)[0])

    def test_greeting_fails(self):
        ours, theirs = self.pair()
        theirs.close()
        self.assertRaises(errors.IvshmemError, self.server.connected, ours)
        self.assertIsNone(self.server.connection)
        self.assertEqual(-1, ours.fileno())
