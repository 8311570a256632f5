# SPDX-License-Identifier: Apache-2.0
"""The picture: no damage is missed, whatever is written; the hashes."""

import unittest

import hypothesis
from hypothesis import strategies

from nova_dmore.channel import display
from nova_dmore.channel.domr import display as domr_display
from nova_dmore.channel.domr import end as domr_end
from nova_dmore.channel import errors
from nova_dmore.channel import region
from nova_dmore import wire
from tests import examples

#: Room for 80 x 60 pixels.
SIZE = wire.FRAMEBUFFER_START + 80 * 60 * display.PIXEL_SIZE + 0x1000 & ~0xfff
WORD = strategies.integers(0, (1 << 64) - 1) | strategies.integers(0, 300)


def rectangles(width=80, height=60):
    def ranges(limit):
        return strategies.integers(0, limit - 1).flatmap(
            lambda start: strategies.tuples(
                strategies.just(start),
                strategies.integers(1, limit - start)))
    return strategies.tuples(ranges(width), ranges(height)).map(
        lambda each: (each[0][0], each[1][0], each[0][1], each[1][1]))


class Ends:
    """The host's display and Domain R's on one region."""

    def __init__(self):
        self.region = region.Region(bytearray(SIZE))
        self.words = self.region.words
        self.host = display.HostDisplay(self.region)
        self.domr = domr_display.DomainRDisplay(self.region)
        self.host.set_mode(80, 60)

    def opened(self, epoch=5):
        self.host.open(epoch, [(0, 0, 80, 60)])
        self.domr.poll(epoch)
        self.domr.acknowledge()
        return self

    def paint(self, rectangle, value):
        x, y, width, height = rectangle
        self.host.writing(y, height)
        for row in range(y, y + height):
            start = (row * 80 + x) * 4
            self.host.framebuffer[start:start + width * 4] = bytes(
                [value]) * width * 4
        self.host.damage([rectangle])

    def pixels(self):
        return bytes(self.host.framebuffer[:80 * 60 * 4])


class Client:
    """What a client of Domain R has, that is sent only what is damaged."""

    def __init__(self, ends):
        self.ends = ends
        self.pixels = bytearray(80 * 60 * 4)

    def look(self, epoch):
        changes = self.ends.domr.poll(epoch)
        if changes is None:
            return
        damage = changes.damage
        if damage is None:
            damage = [(0, 0, 80, 60)]
        for x, y, width, height in damage:
            for row in range(y, y + height):
                here = slice((row * 80 + x) * 4, (row * 80 + x + width) * 4)
                self.pixels[here] = self.ends.host.framebuffer[here]
        self.ends.domr.acknowledge()


class DamageTest(unittest.TestCase):

    @examples.settings()
    @hypothesis.given(strategies.lists(
        strategies.tuples(strategies.sampled_from(
            ['paint', 'look', 'epoch', 'shut', 'many', 'worker']),
            rectangles(), strategies.integers(1, 255)), max_size=25))
    def test_client_ends_with_the_picture(self, script):
        ends = Ends().opened()
        client = Client(ends)
        epoch = 5
        for step, rectangle, value in script:
            if step == 'paint':
                ends.paint(rectangle, value)
            elif step == 'many':
                for n in range(wire.DAMAGE_RECORDS - 3 + value % 6):
                    ends.paint((n % 80, n % 60, 1, 1), value)
            elif step == 'look':
                client.look(epoch)
            else:
                if step != 'shut':
                    epoch += 1
                if step == 'worker':
                    ends.host = display.HostDisplay(ends.region)
                ends.host.shut()
                ends.host.set_mode(80, 60)
                ends.host.open(epoch, [(0, 0, 80, 60)])
        client.look(epoch)
        self.assertEqual(ends.pixels(), bytes(client.pixels))
        self.assertTrue(ends.host.seen)

    def test_as_many_as_the_table_holds_are_all(self):
        for count, known in ((wire.DAMAGE_RECORDS - 1, True),
                             (wire.DAMAGE_RECORDS, False),
                             (wire.DAMAGE_RECORDS * 2, False)):
            ends = Ends().opened()
            ends.host.damage([(1, 2, 3, 4)] * count)
            damage = ends.domr.poll(5).damage
            self.assertEqual([(1, 2, 3, 4)] * count if known else None,
                             damage)

    def test_overwritten_while_they_are_read(self):
        ends = Ends().opened()
        ends.host.damage([(1, 2, 3, 4)] * 200)

        class Words:
            """The host publishes more at the first look into the table."""

            def __init__(self, words):
                self.words = words

            def __getitem__(self, index):
                if index >= region.DISPLAY_DAMAGE and ends.domr._words is self:
                    ends.domr._words = self.words
                    ends.host.damage([(5, 6, 7, 8)] * 100)
                return self.words[index]

        ends.domr._words = Words(ends.words)
        self.assertIsNone(ends.domr.poll(5).damage)
        self.assertEqual([(5, 6, 7, 8)] * 100, ends.domr.poll(5).damage)

    def test_nothing_new_is_nothing(self):
        ends = Ends().opened()
        self.assertIsNone(ends.domr.poll(5))
        self.assertIsNone(ends.domr.poll(6))

    def test_not_good_while_shut(self):
        ends = Ends().opened()
        self.assertTrue(ends.domr.good)
        ends.host.set_mode(40, 30)
        self.assertIsNone(ends.domr.poll(5))
        self.assertFalse(ends.domr.good)
        ends.host.open(5, [(0, 0, 40, 30)])
        changes = ends.domr.poll(5)
        self.assertTrue(changes.opened and changes.resized)
        self.assertIn((0, 0, 40, 30), changes.damage)
        self.assertEqual((40, 30), (ends.domr.width, ends.domr.height))

    def test_acknowledgement_of_another_epoch_is_none(self):
        ends = Ends().opened()
        self.assertTrue(ends.host.seen)
        ends.host.open(6, [(0, 0, 80, 60)])
        self.assertFalse(ends.host.seen)
        ends.domr.acknowledge()     # still that of the old one
        self.assertFalse(ends.host.seen)
        ends.domr.poll(6)
        ends.domr.acknowledge()
        self.assertTrue(ends.host.seen)

    def test_viewers(self):
        ends = Ends()
        ends.domr.set_viewers(3)
        self.assertEqual(3, ends.host.viewers)

    def test_a_start_of_domain_r_has_none(self):
        ends = Ends()
        ends.domr.set_viewers(3)
        domr_end.DomainREnd(ends.region, lambda vector: None)
        self.assertEqual(0, ends.host.viewers)


class HostileTest(unittest.TestCase):

    @examples.settings()
    @hypothesis.given(strategies.lists(
        strategies.tuples(WORD, WORD, rectangles()), max_size=8))
    def test_any_word_of_domain_r(self, script):
        ends = Ends().opened()
        for viewers, seen, rectangle in script:
            ends.words[region.VIEWERS] = viewers
            ends.words[region.DAMAGE_SEEN] = seen
            ends.paint(rectangle, 1)
            self.assertEqual(viewers, ends.host.viewers)
            self.assertIn(ends.host.seen, (True, False))
            seen = ends.host.seen_picture()
            self.assertTrue(seen is None or len(seen.bands) == 4)
        ends.domr.poll(5)
        ends.domr.acknowledge()
        self.assertTrue(ends.host.seen)

    @examples.settings()
    @hypothesis.given(strategies.dictionaries(
        strategies.sampled_from(
            [region.DISPLAY_MODE, region.DISPLAY_CURSOR,
             region.DISPLAY_PUBLISHED, region.DISPLAY_LEDS]
            + [region.DISPLAY_DAMAGE + each
               for each in range(wire.DAMAGE_RECORDS)]),
        WORD, max_size=20), WORD)
    def test_any_word_of_the_host(self, values, published):
        ends = Ends().opened()
        for index, value in values.items():
            ends.words[index] = value
        ends.words[region.DISPLAY_PUBLISHED] = published
        changes = ends.domr.poll(5)
        domr = ends.domr
        self.assertLessEqual(domr.width * domr.height * display.PIXEL_SIZE,
                             ends.region.framebuffer_size)
        for shown, whole in zip((domr.width, domr.height), domr.whole):
            self.assertTrue(shown <= whole <= 0xffff)
        self.assertIn(domr.leds(), (None, *range(8)))
        for x, y, width, height in (changes and changes.damage) or ():
            self.assertGreater(width, 0)
            self.assertGreater(height, 0)
            self.assertLessEqual(x + width, domr.width)
            self.assertLessEqual(y + height, domr.height)
        cursor = domr.cursor()
        if cursor is not None:
            self.assertEqual(cursor.width * cursor.height * 4,
                             len(cursor.pixels))
            self.assertLess(cursor.hot_x, cursor.width)
            self.assertLess(cursor.hot_y, cursor.height)


class CursorTest(unittest.TestCase):

    def test_round_trip(self):
        ends = Ends().opened()
        self.assertIsNone(ends.domr.cursor())
        cursor = display.Cursor(2, 3, 1, 2, bytes(range(24)))
        ends.host.set_cursor(cursor)
        self.assertTrue(ends.domr.poll(5).cursor)
        self.assertEqual(cursor, ends.domr.cursor())
        ends.host.set_cursor(cursor)
        self.assertTrue(ends.domr.poll(5).cursor)   # a shape of its own
        self.assertIsNone(ends.domr.poll(5))
        ends.host.set_cursor(None)
        self.assertTrue(ends.domr.poll(5).cursor)
        self.assertIsNone(ends.domr.cursor())

    def test_impossible_ones_are_none(self):
        ends = Ends().opened()
        side = wire.CURSOR_SIDE_MAX + 1
        for cursor in (display.Cursor(side, 1, 0, 0, bytes(side * 4)),
                       display.Cursor(0, 1, 0, 0, b''),
                       display.Cursor(1, 1, 0, 0, b'')):
            ends.host.set_cursor(cursor)
            self.assertIsNone(ends.domr.cursor())


class LedsTest(unittest.TestCase):

    def test_round_trip(self):
        ends = Ends().opened()
        self.assertIsNone(ends.domr.leds())
        for leds in (0, 6, None, 4):
            ends.host.set_leds(leds)
            self.assertTrue(ends.domr.poll(5).leds)
            self.assertEqual(leds, ends.domr.leds())
            self.assertIsNone(ends.domr.poll(5))


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
        self.assertRaises(ValueError, Ends().host.set_mode, 65535, 1)

    def test_room_of_a_domain_r(self):
        ends = Ends()
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
        ends = Ends().opened()
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
        ends = Ends()
        for arguments, whole in (((40, 30), (40, 30)),
                                 ((40, 30, (65535, 32768)), (65535, 32768))):
            ends.host.set_mode(*arguments)
            ends.host.open(5, [(0, 0, 40, 30)])
            self.assertIsNotNone(ends.domr.poll(5))
            self.assertEqual((40, 30), (ends.domr.width, ends.domr.height))
            self.assertEqual(whole, ends.domr.whole)

    def test_size_from_a_host_of_release_0_2(self):
        ends = Ends()
        ends.host.set_mode(40, 30)
        ends.words[region.DISPLAY_MODE] = 40 | 30 << 16
        ends.host.open(5, [])
        ends.domr.poll(5)
        self.assertEqual((40, 30), ends.domr.whole)

    @examples.settings()
    @hypothesis.given(strategies.lists(
        strategies.tuples(rectangles(), strategies.integers(0, 255)),
        max_size=5))
    def test_changed_bands_are_those_that_differ(self, script):
        ends = Ends().opened()
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
        picture = Ends().host.picture()
        everything = [(0, 0, 80, 60)]
        for other in (None, display.Picture(81, 60, picture.bands),
                      display.Picture(80, 59, picture.bands)):
            self.assertEqual(everything,
                             display.changed_bands(other, picture))

    def test_what_was_not_dealt_with_differs(self):
        ends = Ends().opened()
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
        ends = Ends().opened()
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
