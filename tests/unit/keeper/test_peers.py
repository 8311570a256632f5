# SPDX-License-Identifier: Apache-2.0
"""Who may connect to the keeper."""

import os
import socket
import tempfile
import unittest
from unittest import mock

from nova_dmore.keeper import peers
from tests.unit.keeper import poll_loop

PROFILE = 'libvirt-11111111-2222-3333-4444-555555555555'
OTHER = 'libvirt-99999999-2222-3333-4444-555555555555'


class LabelTest(unittest.TestCase):

    def _is_let_in(self, label):
        try:
            peers.check_label(peers.Peer(1, label), PROFILE)
        except peers.RefusedError as e:
            self.assertIn('process 1', str(e))
            return False
        return True

    def test_who_is_let_in(self):
        for label in (None, PROFILE, f'{PROFILE} (enforce)', 'unconfined',
                      'system_u:system_r:svirt_t:s0:c1,c2',
                      'system_u:system_r:svirt_tcg_t:s0:c1,c2',
                      'unconfined_u:unconfined_r:unconfined_t:s0-s0:c0.c1023'):
            self.assertTrue(self._is_let_in(label), label)

    def test_who_is_not(self):
        for label in (OTHER, f'{OTHER} (enforce)', f'{PROFILE}-x', 'docker',
                      f'{PROFILE}//&x (enforce)', '/usr/bin/man (enforce)',
                      'system_u:system_r:container_t:s0:c1,c2', '::', ' ('):
            self.assertFalse(self._is_let_in(label), label)

    def test_who_it_is(self):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            self.assertEqual(os.getpid(), peers.peer_of(ours).pid)


class AcceptorTest(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, 'socket')
        self.listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(self.listener.close)
        self.listener.bind(self.path)
        self.listener.listen()
        self.listener.setblocking(False)
        self.loop = poll_loop.PollLoop()
        self.accepted, self.refuses = [], None

    def _take(self, sock, peer):
        if self.refuses:
            raise peers.RefusedError(self.refuses)
        self.addCleanup(sock.close)
        self.accepted.append(peer)

    def _start(self, profile=PROFILE):
        peers.Acceptor(self.loop, self.listener, profile, self._take).start()

    def _connect(self):
        sock = socket.socket(socket.AF_UNIX)
        self.addCleanup(sock.close)
        sock.settimeout(5)
        sock.connect(self.path)
        return sock

    def _let_in(self, seconds=0.06):
        self.loop.turn()
        self.loop.run(seconds)

    def test_whoever_is_refused_is_told_of_once(self):
        self._start()
        self.refuses = 'a stranger'
        with self.assertLogs(peers.LOG) as logs:
            for _ in range(3):
                sock = self._connect()
                self._let_in()
                self.assertEqual(b'', sock.recv(1))
        self.assertEqual(1, len(logs.output), logs.output)
        self.assertIn('a stranger', logs.output[0])
        self.refuses = None
        self._connect()
        self._let_in()
        self.assertEqual(os.getpid(), self.accepted[0].pid)

    def test_label_of_another_domain(self):
        self._start()
        with mock.patch.object(peers, 'peer_of', return_value=peers.Peer(
                7, OTHER)), self.assertLogs(peers.LOG) as logs:
            sock = self._connect()
            self._let_in()
        self.assertEqual(b'', sock.recv(1))
        self.assertEqual([], self.accepted)
        self.assertIn(OTHER, logs.output[0])

    def test_qemu_is_not_served_at_any_rate(self):
        self._start()
        for _ in range(3):
            self._connect()
        self._let_in(0)
        self.assertFalse(self.loop.turn())
        for _ in range(3):
            self._let_in()
        self.assertEqual(3, len(self.accepted))

    def test_nova_compute_is(self):
        self._start(profile=None)
        for _ in range(3):
            self._connect()
            self._let_in(0)
        self.assertEqual(3, len(self.accepted))
