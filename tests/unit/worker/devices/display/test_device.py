# SPDX-License-Identifier: Apache-2.0
"""The display's shadow device: its connection, and the picture."""

from unittest import mock

import fixtures

from nova_dmore.channel import display
from nova_dmore.channel import region
from nova_dmore import wire
from nova_dmore.worker.devices.display import device as display_device
from tests.unit.worker.devices.display import display_case


class DisplayDeviceTest(display_case.DisplayCase):

    # -- when there is a connection

    def test_none_without_a_viewer(self):
        self.raise_epoch()
        self.loop.run(5)
        self.assertEqual([], self.wishes)
        self.assertEqual([], [each for each in self.loop.timers
                              if each.callback])

    def test_any_number_of_viewers(self):
        self.raise_epoch()
        self.viewer.display.set_viewers((1 << 64) - 1)
        self.device.update()
        self.assertEqual(1, len(self.wishes))
        self.assertEqual(0xffff, self.device.status()['viewers'])

    def test_ends_after_the_last_viewer(self):
        self.shown()
        self.viewer.display.set_viewers(0)
        self.loop.run(1)
        self.device.update()
        self.assertFalse(self.source.closed)
        self.viewer.display.set_viewers(1)
        self.device.update()
        self.viewer.display.set_viewers(0)
        self.loop.run(1.4)
        self.device.update()
        self.assertFalse(self.source.closed)
        self.loop.run(0.2)
        self.device.update()
        self.assertTrue(self.source.closed)
        self.viewer.redraw()
        self.assertFalse(self.viewer.display.good)

    def test_back_in_the_same_epoch(self):
        self.shown(1)
        self.viewer.display.set_viewers(0)
        self.loop.run(2)
        self.device.update()
        self.viewer.display.set_viewers(1)
        self.device.update()
        self.connect()
        self.source.sink.resized(64, 48)
        self.loop.run()
        self.source.sends(2, (0, 0, 64, 48))
        self.viewer.redraw()
        self.assertEqual(bytes([2]) * 64 * 48 * 4, bytes(self.viewer.pixels))

    def test_tries_again_ever_more_slowly(self):
        self.raise_epoch()
        self.viewer.display.set_viewers(1)
        self.device.update()
        tries = 0
        for _ in range(100):
            if self.wishes:
                tries += 1
                self.wishes.pop(0)(None, 'nobody listens')
            self.loop.run(0.1)
            self.device.update()
        self.assertIn(tries, range(6, 13))

    def test_qemu_that_ends_is_connected_again(self):
        self.shown()
        self.source.sink.ended('QEMU closed the connection')
        self.viewer.redraw()
        self.assertFalse(self.viewer.display.good)
        self.loop.run(0.2)
        self.connect()
        self.assertEqual(2, len(self.sources))

    # -- the rest of what QEMU tells

    def test_lights_of_the_keyboard(self):
        self.viewing()
        self.source.sink.leds(2)
        self.source.sends(1, (0, 0, 64, 48))
        self.viewer.redraw()
        self.source.sink.leds(6)
        self.viewer.redraw()
        self.assertEqual([2, 6], self.viewer.leds)

    def test_nobody_views_it_and_pixels_take_no_memory(self):
        forget = self.useFixture(fixtures.MockPatchObject(
            self.device._display, 'forget_pixels', wraps=(
                self.device._display.forget_pixels))).mock
        self.loop.run(5)
        self.device.update()
        forget.assert_not_called()      # there is no Domain R
        self.shown()                    # no viewer at first, then one
        self.loop.run(5)
        self.device.update()
        self.assertEqual(1, forget.call_count)
        self.viewer.display.set_viewers(0)
        self.loop.run(3)
        for _ in range(3):
            self.device.update()
        self.assertFalse(self.device.status()['connected'])
        self.assertEqual(2, forget.call_count)
        # Domain R was migrated, and came back.
        self.raise_epoch()
        for _ in range(3):
            self.device.update()
        self.assertEqual(3, forget.call_count)

    def resize(self, width, height):
        """QEMU has another picture -> what Domain R shows of it."""
        self.source.sink.resized(width, height)
        self.loop.run(0.2)
        rows = self.device.status()['height']
        self.source.sends(1, (0, 0, self.device.status()['width'], rows))
        self.viewer.redraw()
        return self.viewer.size

    def test_size_of_a_picture_that_is_cut(self):
        self.viewing()
        for high in (1100, 2000):
            self.assertEqual((64, 1024), self.resize(64, high))
            self.assertEqual((64, high), self.viewer.display.whole)
        self.assertEqual((64, 1024), self.resize(64, 1024))
        self.assertEqual((64, 1024), self.viewer.display.whole)
        self.assertEqual((8192, 8), self.resize(8192, 16))
        self.assertEqual((64, 48), self.resize(64, 48))

    def test_picture_of_another_domain_r(self):
        self.viewing()
        words = self.area.words
        before = words[region.PICTURE_MAX]
        with mock.patch.object(
                display, 'EARLIER_ROOM', display.Room(1 << 18, 60, 40)):
            words[region.PICTURE_MAX] = 0
            for room, size in ((0, (60, 40)), (before, (64, 48)),
                               (before & ~0xffffffff, (0, 0)),
                               (before, (64, 48))):
                words[region.PICTURE_MAX] = room
                self.loop.run(0.2)
                self.device.update()
                self.loop.run(0.2)
                self.source.sends(1, (0, 0, *size))
                self.viewer.redraw()
                self.device.update()
                self.assertEqual(size, self.viewer.size)
                self.assertEqual((64, 48), self.viewer.display.whole)

    # -- the picture

    def test_opens_when_all_of_it_is_there(self):
        self.viewing()
        self.assertEqual(['hurry', 'all'], self.source.log)
        self.source.sends(1, (0, 0, 64, 40))
        self.viewer.redraw()
        self.assertFalse(self.viewer.display.good)
        self.source.sends(1, (0, 40, 64, 8))
        self.viewer.redraw()
        self.assertEqual([48], self.viewer.opened)
        self.assertEqual(bytes([1]) * 64 * 48 * 4, bytes(self.viewer.pixels))
        self.assertEqual({wire.Vector.DISPLAY}, set(self.rings))

    def test_asks_when_domain_r_has_seen_it(self):
        self.shown()
        self.viewer.acknowledges = False
        for n in range(3):
            self.source.sends(2 + n, (0, n, 64, 4))
            self.viewer.redraw()
            self.device.update()
            self.assertEqual([], self.source.requests())
            self.loop.run(0.4)
            self.assertEqual([], self.source.requests())
            self.loop.run(0.2)
            self.assertEqual(['changes'], self.source.requests())
        self.viewer.acknowledges = True
        self.source.sends(9, (0, 0, 64, 48))
        self.viewer.redraw()
        self.device.update()
        self.assertEqual(['changes'], self.source.requests())

    def test_what_is_small_is_not_waited_for(self):
        self.shown()
        self.viewer.acknowledges = False
        for n in range(3):      # 192 of 3072 pixels
            self.source.sends(2 + n, (0, n, 64, 1))
            self.assertEqual(['changes'], self.source.requests())
        self.source.sends(5, (0, 4, 1, 1))
        self.assertEqual([], self.source.requests())
        self.viewer.acknowledges = True
        self.viewer.redraw()
        self.device.update()
        self.assertEqual(['changes'], self.source.requests())

    def test_reminds_qemu(self):
        self.viewing()
        self.source.log.clear()
        self.loop.run(1.2)
        self.assertEqual(['hurry', 'all'] * 2, self.source.log)
        self.source.sends(1, (0, 0, 64, 48))
        self.viewer.redraw()
        self.device.update()
        self.source.log.clear()
        self.loop.run(1.2)
        self.assertEqual(['hurry', 'changes'] * 2, self.source.log)

    def test_hurries_after_input(self):
        self.shown()
        self.source.log.clear()
        for each in self.context.input_taken:
            each()
        self.loop.run(0.01)
        self.assertEqual(['hurry'], self.source.log)
        self.loop.run(0.2)
        self.assertEqual(['hurry'] * 4, self.source.log)
        for each in self.context.input_taken:
            each()
        self.source.sends(2, (0, 0, 1, 1))
        self.source.log.clear()
        self.loop.run(0.2)
        self.assertNotIn('hurry', self.source.log)

    def test_another_mode(self):
        self.shown(1)
        self.source.sink.resized(32, 20)
        self.loop.run()
        self.viewer.redraw()
        self.assertFalse(self.viewer.display.good)
        self.loop.run(display_device.REFRESH_INTERVAL_S)
        self.assertEqual(['all'], self.source.requests())
        self.source.sends(2, (0, 0, 32, 20))
        self.viewer.redraw()
        self.assertEqual((32, 20), self.viewer.size)
        self.assertEqual(bytes([2]) * 32 * 20 * 4, bytes(self.viewer.pixels))

    def test_modes_in_a_loop(self):
        self.shown()
        self.source.log.clear()
        for n in range(1000):
            self.source.sink.resized(32 + n % 2, 20)
            self.loop.run(0.001)
        self.assertLess(len(self.source.requests()), 15)
        self.assertLess(len(self.loop.timers), 20)

    def test_old_pixels_after_another_mode(self):
        """What comes before the device has dealt with it is not shown."""
        self.shown()
        self.source.sink.resized(32, 20)
        self.assertIsNone(self.source.sink.target(0, 20))
        self.source.sink.updated([(0, 0, 32, 20)])
        self.viewer.redraw()
        self.assertEqual([48], self.viewer.opened)

    def test_many_rectangles_become_few(self):
        self.shown()
        before = self.viewer.updates
        self.source.sends(3, *((n, n, 1, 1) for n in range(48)))
        self.viewer.redraw()
        self.assertEqual(before + 1, self.viewer.updates)
        self.assertTrue(self.device._display.seen)

    def test_cursor(self):
        self.viewing()
        cursor = display.Cursor(1, 1, 0, 0, b'\1\2\3\xff')
        self.source.sink.cursor(cursor)
        self.source.sends(1, (0, 0, 64, 48))
        self.viewer.redraw()
        self.assertEqual(cursor, self.viewer.cursor)
