# SPDX-License-Identifier: Apache-2.0
"""The screen: when its pixels are good, and what the host is told."""

import unittest

from nova_dmore.channel import display
from nova_dmore.channel.domr import display as domr_display
from nova_dmore.channel.domr import end as domr_end
from nova_dmore.channel.host import end as host_end
from nova_dmore.channel.host import journal
from nova_dmore.channel import region
from nova_dmore.domr import screen
from nova_dmore import wire


class Viewer:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def freeze(self, everything: bool) -> None:
        self.told.append('all' if everything else 'freeze')

    def show(self, changes: domr_display.DisplayChanges,
             screen: screen.Screen) -> None:
        self.told.append(('open' if changes.opened else 'damage',
                          changes.damage))

    def flush(self) -> None:
        """Nothing waits."""


class ScreenTest(unittest.TestCase):

    def setUp(self) -> None:
        memory = bytearray(wire.REGION_SIZE)
        self.host = host_end.HostEnd(
            region.Region(memory), lambda vector: None,
            journal.Journal(bytearray(journal.journal_size())))
        self.display = display.HostDisplay(region.Region(memory))
        self.rung: list[wire.Vector] = []
        self.end = domr_end.DomainREnd(region.Region(memory),
                                       lambda vector: None)
        self.screen = screen.Screen(region.Region(memory), self.rung.append)
        self.screen.viewer = self.viewer = Viewer()
        self.host.open()
        self._poll()

    def _poll(self) -> list[object]:
        del self.viewer.told[:]
        self.screen.poll(self.end, self.end.poll())
        self.host.poll()
        return self.viewer.told

    def _paint(self) -> None:
        self.display.set_mode(20, 10)
        self.display.open(self.host.epoch, [(0, 0, 20, 10)])

    def test_picture(self) -> None:
        self.assertFalse(self.screen.good)
        self.assertEqual([], self._poll())
        self._paint()
        self.assertEqual([('open', [(0, 0, 20, 10)])], self._poll())
        self.assertTrue(self.screen.good)
        self.assertEqual((20, 10), self.screen.size)
        self.assertEqual([], self._poll())
        self.display.damage([(1, 2, 3, 4)])
        self.assertEqual([('damage', [(1, 2, 3, 4)])], self._poll())
        self.assertFalse(self.display.seen)
        self.screen.acknowledge()
        self.assertTrue(self.display.seen)

    def test_frozen_until_the_picture_is_good_again(self) -> None:
        self._paint()
        self._poll()
        self.host.freeze()
        self.assertEqual(['freeze'], self._poll())
        self.assertFalse(self.screen.good)
        self.host.open()
        self.assertEqual(['freeze'], self._poll())
        self.display.open(self.host.epoch, [(0, 0, 1, 1)])
        self.assertEqual([('open', [(0, 0, 1, 1)])], self._poll())

    def test_epoch_without_a_freeze(self) -> None:
        self._paint()
        self._poll()
        self.host.open()
        self.assertEqual(['all'], self._poll())

    def test_size_changes(self) -> None:
        self._paint()
        self._poll()
        self.display.set_mode(30, 10)
        self.assertEqual(['freeze'], self._poll())
        self.assertEqual([], self._poll())
        self.display.open(self.host.epoch, [(0, 0, 30, 10)])
        self._poll()
        self.assertEqual((30, 10), self.screen.size)

    def test_viewers_are_told_again_in_each_epoch(self) -> None:
        del self.rung[:]
        self.screen.set_viewers(2)
        self.screen.set_viewers(2)
        self.assertEqual([wire.Vector.DISPLAY], self.rung)
        self.screen._display.set_viewers(0)     # as after a stale copy
        self.host.open()
        self._poll()
        self.assertEqual(2, self.display.viewers)
