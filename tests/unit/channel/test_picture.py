# SPDX-License-Identifier: Apache-2.0
"""How large a picture is, and which bands of two of them differ."""

import unittest

import hypothesis
from hypothesis import strategies

from nova_dmore.channel import display
from nova_dmore.channel.domr import end as domr_end
from nova_dmore.channel import errors
from nova_dmore.channel import region
from nova_dmore import wire
from tests import examples
from tests.unit.channel import display_ends


class PictureTest(unittest.TestCase):

    def test_crop(self):
        small, large = (
            display.Room(size - wire.FRAMEBUFFER_START)
            for size in (wire.REGION_SIZE, wire.LARGE_REGION_SIZE))
        for room, size, shown in (
                (display.EARLIER_ROOM, (1920, 1200), (1920, 1200)),
                (display.EARLIER_ROOM, (2560, 1600), (2560, 1600)),
                (display.EARLIER_ROOM, (3840, 2160), (2560, 1600)),
                (display.EARLIER_ROOM, (1440, 2560), (1440, 1600)),
                (small, (2560, 1600), (2560, 1600)),
                (small, (1440, 2560), (1440, 2560)),
                (small, (3840, 2160), (3840, 1075)),
                (large, (3840, 2160), (3840, 2160)),
                (large, (2160, 3840), (2160, 3840)),
                (large, (3440, 1440), (3440, 1440)),
                (large, (5120, 2880), (5120, 1625)),
                (large, (65535, 65535), (65535, 127)),
                (large, (0, 5), (0, 0)), (large, (5, 0), (0, 0)),
                (display.Room(0), (5, 5), (0, 0)),
                (display.Room(3), (1, 1), (0, 0)),
                (display.Room(12), (5, 5), (3, 1))):
            self.assertEqual(shown, room.crop(*size))

    @examples.settings()
    @hypothesis.given(*[strategies.integers(0, 0xffff)] * 2,
                      strategies.integers(0, 1 << 32))
    def test_what_is_shown_has_room(self, width, height, size):
        shown = display.Room(size).crop(width, height)
        self.assertLessEqual(shown[0] * shown[1] * display.PIXEL_SIZE, size)
        self.assertLessEqual(shown[0], width)
        self.assertLessEqual(shown[1], height)
        self.assertEqual(shown, display.Room(size).crop(*shown))

    def test_a_mode_without_room_is_refused(self):
        self.assertRaises(
            ValueError, display_ends.Ends().host.set_mode, 65535, 1)

    def test_room_of_a_domain_r(self):
        ends = display_ends.Ends()
        self.assertEqual(display.EARLIER_ROOM, ends.host.room)
        ends.words[region.PICTURE_MAX] = 4800   # of nobody
        self.assertEqual(display.EARLIER_ROOM, ends.host.room)
        domr_end.DomainREnd(ends.region, lambda vector: None)
        self.assertEqual(display.Room(ends.region.framebuffer_size),
                         ends.host.room)
        # One that says too much has no more than there is.
        ends.words[region.PICTURE_MAX] |= 0xffffffff
        self.assertEqual(display.Room(ends.region.framebuffer_size),
                         ends.host.room)
        # One of release 0.2 starts in its place.
        ends.words[region.INCARNATION] += 1
        self.assertEqual(display.EARLIER_ROOM, ends.host.room)

    def test_pixels_that_are_shown_are_not_forgotten(self):
        ends = display_ends.Ends().opened()
        self.assertRaises(errors.StateError, ends.host.forget_pixels)
        ends.host.picture()
        ends.host.shut()
        ends.host.forget_pixels()
        ends.host.framebuffer[0] ^= 1
        before = ends.host.picture()
        ends.host.forget_pixels()
        ends.host.framebuffer[0] ^= 1
        self.assertNotEqual(before, ends.host.picture())

    def test_size_of_the_whole_picture(self):
        ends = display_ends.Ends()
        for arguments, whole in (((40, 30), (40, 30)),
                                 ((40, 30, (65535, 32768)), (65535, 32768))):
            ends.host.set_mode(*arguments)
            ends.host.open(5, [(0, 0, 40, 30)])
            self.assertIsNotNone(ends.domr.poll(5))
            self.assertEqual((40, 30), (ends.domr.width, ends.domr.height))
            self.assertEqual(whole, ends.domr.whole)

    def test_size_from_a_host_of_release_0_2(self):
        ends = display_ends.Ends()
        ends.host.set_mode(40, 30)
        ends.words[region.DISPLAY_MODE] = 40 | 30 << 16
        ends.host.open(5, [])
        ends.domr.poll(5)
        self.assertEqual((40, 30), ends.domr.whole)

    @examples.settings()
    @hypothesis.given(strategies.lists(
        strategies.tuples(display_ends.rectangles(),
                          strategies.integers(0, 255)),
        max_size=5))
    def test_changed_bands_are_those_that_differ(self, script):
        ends = display_ends.Ends().opened()
        before, old = ends.host.picture(), ends.pixels()
        for rectangle, value in script:
            ends.paint(rectangle, value)
        changed = display.changed_bands(before, ends.host.picture())
        covered = {row for _, y, _, height in changed
                   for row in range(y, y + height)}
        new = ends.pixels()
        for row in range(60):
            here = slice(row * 320, row * 320 + 320)
            if old[here] != new[here]:
                self.assertIn(row, covered)
        for band in range(4):
            here = slice(band * 16 * 320, min(60, band * 16 + 16) * 320)
            self.assertEqual(old[here] != new[here], band * 16 in covered)
        self.assertTrue(all(x == 0 and width == 80
                            for x, _, width, _ in changed))
        self.assertEqual([], display.changed_bands(
            ends.host.picture(), ends.host.picture()))

    def test_everything_differs_from_another_size(self):
        picture = display_ends.Ends().host.picture()
        everything = [(0, 0, 80, 60)]
        for other in (None, display.Picture(81, 60, picture.bands),
                      display.Picture(80, 59, picture.bands)):
            self.assertEqual(everything,
                             display.changed_bands(other, picture))

    def test_what_was_not_dealt_with_differs(self):
        ends = display_ends.Ends().opened()
        self.assertEqual([], display.changed_bands(
            ends.host.seen_picture(), ends.host.picture()))
        ends.paint((0, 20, 5, 1), 7)
        self.assertEqual([(0, 16, 80, 16)], display.changed_bands(
            ends.host.seen_picture(), ends.host.picture()))
        ends.domr.poll(5)
        ends.domr.acknowledge()
        ends.host.writing(59, 1)
        self.assertEqual([(0, 48, 80, 12)], display.changed_bands(
            ends.host.seen_picture(), ends.host.picture()))
        ends.host.shut()
        self.assertIsNone(ends.host.seen_picture())

    def test_a_lower_picture_after_damage_that_nobody_saw(self):
        ends = display_ends.Ends().opened()
        ends.paint((0, 40, 80, 20), 1)
        ends.host.damage([(0, 40, 80, 20)])
        ends.host.set_mode(80, 20)
        ends.host.open(5, [(0, 0, 80, 20)])
        seen = ends.host.seen_picture()
        self.assertEqual((80, 20, 2), (
            seen.width, seen.height, len(seen.bands)))
        # Nobody has seen anything of it.
        self.assertEqual([(0, 0, 80, 20)], display.changed_bands(
            seen, ends.host.picture()))
