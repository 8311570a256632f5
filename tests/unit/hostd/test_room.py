# SPDX-License-Identifier: Apache-2.0
"""Who may wait at the host service, and how often."""

from oslotest import base

from nova_dmore.hostd import room


class RoomTest(base.BaseTestCase):

    def _connect(self, waiting, is_compute, pids):
        """-> how many of these were let in."""
        before = len(waiting)
        for pid in pids:
            peer = room.Peer(pid, is_compute)
            if room.has_room(waiting, peer):
                waiting.append(peer)
        return len(waiting) - before

    def test_one_keeper(self):
        waiting = []
        self.assertEqual(4, self._connect(waiting, False, [5] * 100))
        self.assertEqual(1, self._connect(waiting, False, [6]))

    def test_many_keepers(self):
        waiting = []
        self.assertEqual(32, self._connect(waiting, False, range(1000)))
        # They do not keep nova-compute out.
        self.assertEqual(32, self._connect(waiting, True, [1000] * 100))

    def test_all(self):
        waiting = []
        self.assertEqual(64, self._connect(waiting, True, range(1000)))
        # Nor are they kept out, one of which may need a worker.
        self.assertEqual(4, self._connect(waiting, False, [1000] * 5))
