# SPDX-License-Identifier: Apache-2.0
"""QEMUs that an earlier release started listen themselves."""

import os
import socket
import stat
import tempfile
import unittest

from nova_dmore.keeper import earlier
from nova_dmore.keeper import peers
from nova_dmore.keeper import qmp
from nova_dmore.link import messages
from nova_dmore import wire
from tests.unit.keeper import poll_loop

INSTANCE = messages.INSTANCE


class EarlierTest(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.directory = folder.name
        self.loop = poll_loop.PollLoop()
        self.links = {vm: qmp.QmpLink(self.loop, vm, lambda *state: None,
                                      lambda *event: None)
                      for vm in (INSTANCE, messages.DOMAIN_R)}
        self.earlier = earlier.Earlier(
            self.loop, self.directory,
            {vm: f'libvirt-{vm}' for vm in self.links}, self.links,
            lambda vm, *who: self.links[vm].connected(*who))
        self.addCleanup(self.earlier.close)
        for link in self.links.values():
            self.addCleanup(link.close)

    def _listen(self, name):
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.settimeout(5)
        listener.bind(os.path.join(self.directory, name))
        listener.listen()
        return listener

    def _accept(self, listener):
        accepted, _ = listener.accept()
        self.addCleanup(accepted.close)
        return accepted

    def test_it_is_found_and_found_again(self):
        self.earlier.start()
        self.loop.run(0.2)
        self.assertFalse(self.earlier.is_here(INSTANCE))
        listener = self._listen(wire.INSTANCE_QMP_SOCKET)
        self.loop.run(0.06)
        self.assertTrue(self.earlier.is_here(INSTANCE))
        self.assertFalse(self.earlier.is_here(messages.DOMAIN_R))
        self.loop.run(0.3)
        self._accept(listener).close()
        self.loop.turn()
        self.assertFalse(self.earlier.is_here(INSTANCE))
        self.loop.run(0.06)
        self.assertTrue(self.earlier.is_here(INSTANCE))
        self._accept(listener)
        listener.settimeout(0)
        self.assertRaises(BlockingIOError, listener.accept)

    def test_one_that_has_connected_is_not_tried(self):
        listener = self._listen(wire.INSTANCE_QMP_SOCKET)
        ours, theirs = socket.socketpair()
        self.addCleanup(theirs.close)
        self.links[INSTANCE].connected(ours, peers.Peer(1, None))
        self.earlier.start()
        self.loop.run(0.2)
        self.assertFalse(self.earlier.is_here(INSTANCE))
        listener.settimeout(0)
        self.assertRaises(BlockingIOError, listener.accept)

    def test_display(self):
        self.assertRaises(OSError, self.earlier.connect_display)
        listener = self._listen(wire.DISPLAY_SOCKET)
        with self.earlier.connect_display():
            self._accept(listener)

    def test_nobody_else_gets_in(self):
        os.chmod(self.directory, 0o1770)
        self.earlier.shut_out()
        self.assertEqual(
            0o700, stat.S_IMODE(os.stat(self.directory).st_mode))
