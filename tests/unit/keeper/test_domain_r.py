# SPDX-License-Identifier: Apache-2.0
"""Whose connections are Domain R's."""

import os
import socket
import types
import unittest
from unittest import mock

from nova_dmore.channel.host import ivshmem
from nova_dmore.keeper import domain_r
from nova_dmore.keeper import peers
from nova_dmore.keeper import qmp
from tests.unit.keeper import poll_loop

FIRST, SECOND = peers.Peer(1, None), peers.Peer(2, None)


class DomainRTest(unittest.TestCase):

    def setUp(self):
        resources = types.SimpleNamespace(
            regions={large: os.memfd_create('region')
                     for large in (False, True)}, is_large=False,
            from_domain_r=ivshmem.make_eventfds(),
            to_domain_r=ivshmem.make_eventfds())
        for each in (*resources.regions.values(), *resources.from_domain_r,
                     *resources.to_domain_r):
            self.addCleanup(os.close, each)
        self.loop = poll_loop.PollLoop()
        self.link = mock.create_autospec(qmp.QmpLink, instance=True)
        self.link.living_peer.return_value = None
        self.told = []
        self.resources = resources
        #: How much was told when a worker was replaced.
        self.replaced = []
        self.domain_r = domain_r.DomainR(
            self.loop, resources, self.link, self.told.append,
            lambda: self.replaced.append(len(self.told)), lambda: True)
        self.addCleanup(self.domain_r._server.close)

    def _connect(self, peer, large=False):
        ours, theirs = socket.socketpair()
        self.addCleanup(theirs.close)
        try:
            self.domain_r.device_connected(ours, peer, large)
        except peers.RefusedError:
            ours.close()
            raise
        return theirs

    def _assert_refused(self, peer, text):
        with self.assertRaisesRegex(peers.RefusedError, text):
            self._connect(peer)

    def test_a_second_one_is_refused_while_the_first_lives(self):
        first = self._connect(FIRST)
        for peer in (SECOND, FIRST):
            self._assert_refused(peer, 'process 1 is connected')
        self.assertEqual(1, len(self.told))
        first.close()
        # Nobody has read: its hang-up is only in the socket.
        self._connect(SECOND)
        self.assertEqual([(True, 1), (False, 1), (True, 2)], [
            (each['connected'], each['generation']) for each in self.told])

    def test_both_connections_are_of_one_process(self):
        self.link.living_peer.return_value = FIRST
        self._assert_refused(SECOND, 'process 1 is connected')
        device = self._connect(FIRST)
        self.assertRaises(peers.RefusedError,
                          self.domain_r.monitor_connected, None, SECOND)
        self.link.connected.assert_not_called()
        self.domain_r.monitor_connected(None, FIRST)
        self.link.connected.assert_called_once_with(None, FIRST)
        device.close()
        self.domain_r.monitor_connected(None, SECOND)
        self.assertEqual(2, self.link.connected.call_count)

    def test_qemu_that_reads_no_greeting(self):
        for _ in range(2):
            self._connect(FIRST).shutdown(socket.SHUT_WR)
            while self.loop.turn():
                pass
        self._assert_refused(FIRST, 'not read')
        self.assertFalse(self.told[-1]['connected'])

    def _given(self, theirs):
        """The region that a QEMU was given."""
        for _ in range(2):
            theirs.recv(8)
        _, (region,), _, _ = socket.recv_fds(theirs, 8, 1)
        self.addCleanup(os.close, region)
        return os.fstat(region).st_ino

    def test_region_is_that_of_the_socket(self):
        inodes = {large: os.fstat(region).st_ino
                  for large, region in self.resources.regions.items()}
        for large, replaced in ((False, []), (False, []), (True, [4]),
                                (True, [4]), (False, [4, 8])):
            theirs = self._connect(FIRST, large)
            self.assertEqual(inodes[large], self._given(theirs))
            self.assertIs(large, self.resources.is_large)
            # Before the next one is told anything.
            self.assertEqual(replaced, self.replaced)
            theirs.close()

    def test_region_stays_if_a_qemu_is_refused(self):
        first = self._connect(FIRST)
        self._assert_refused_large()
        first.close()
        self.link.living_peer.return_value = FIRST
        self._assert_refused_large()
        self.assertFalse(self.resources.is_large)
        self.assertEqual([], self.replaced)

    def _assert_refused_large(self):
        with self.assertRaises(peers.RefusedError):
            self._connect(SECOND, large=True)
