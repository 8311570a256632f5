# SPDX-License-Identifier: Apache-2.0
"""The picture: no damage is missed, whatever is written."""

import unittest

import hypothesis
from hypothesis import strategies

from nova_dmore.channel import display
from nova_dmore.channel.domr import end as domr_end
from nova_dmore.channel import region
from nova_dmore import wire
from tests import examples
from tests.unit.channel import display_ends

WORD = strategies.integers(0, (1 << 64) - 1) | strategies.integers(0, 300)


class Client:
    """What a client of Domain R has, that is sent only what is damaged."""

    def __init__(self, ends):
        self.ends = ends
        self.pixels = bytearray(80 * 60 * 4)

    def redraw(self, epoch):
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
            ['paint', 'redraw', 'epoch', 'shut', 'many', 'worker']),
            display_ends.rectangles(), strategies.integers(1, 255)),
        max_size=25))
    def test_client_ends_with_the_picture(self, script):
        ends = display_ends.Ends().opened()
        client = Client(ends)
        epoch = 5
        for step, rectangle, value in script:
            if step == 'paint':
                ends.paint(rectangle, value)
            elif step == 'many':
                for n in range(wire.DAMAGE_RECORDS - 3 + value % 6):
                    ends.paint((n % 80, n % 60, 1, 1), value)
            elif step == 'redraw':
                client.redraw(epoch)
            else:
                if step != 'shut':
                    epoch += 1
                if step == 'worker':
                    ends.host = display.HostDisplay(ends.region)
                ends.host.shut()
                ends.host.set_mode(80, 60)
                ends.host.open(epoch, [(0, 0, 80, 60)])
        client.redraw(epoch)
        self.assertEqual(ends.pixels(), bytes(client.pixels))
        self.assertTrue(ends.host.seen)

    def test_as_many_as_the_table_holds_are_all(self):
        for count, known in ((wire.DAMAGE_RECORDS - 1, True),
                             (wire.DAMAGE_RECORDS, False),
                             (wire.DAMAGE_RECORDS * 2, False)):
            ends = display_ends.Ends().opened()
            ends.host.damage([(1, 2, 3, 4)] * count)
            damage = ends.domr.poll(5).damage
            self.assertEqual([(1, 2, 3, 4)] * count if known else None,
                             damage)

    def test_overwritten_while_they_are_read(self):
        ends = display_ends.Ends().opened()
        ends.host.damage([(1, 2, 3, 4)] * 200)

        class Words:
            """The host publishes more at the first read of the table."""

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
        ends = display_ends.Ends().opened()
        self.assertIsNone(ends.domr.poll(5))
        self.assertIsNone(ends.domr.poll(6))

    def test_not_good_while_shut(self):
        ends = display_ends.Ends().opened()
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
        ends = display_ends.Ends().opened()
        self.assertTrue(ends.host.seen)
        ends.host.open(6, [(0, 0, 80, 60)])
        self.assertFalse(ends.host.seen)
        ends.domr.acknowledge()     # still that of the old one
        self.assertFalse(ends.host.seen)
        ends.domr.poll(6)
        ends.domr.acknowledge()
        self.assertTrue(ends.host.seen)

    def test_viewers(self):
        ends = display_ends.Ends()
        ends.domr.set_viewers(3)
        self.assertEqual(3, ends.host.viewers)

    def test_a_start_of_domain_r_has_none(self):
        ends = display_ends.Ends()
        ends.domr.set_viewers(3)
        domr_end.DomainREnd(ends.region, lambda vector: None)
        self.assertEqual(0, ends.host.viewers)


class HostileTest(unittest.TestCase):

    @examples.settings()
    @hypothesis.given(strategies.lists(
        strategies.tuples(WORD, WORD, display_ends.rectangles()), max_size=8))
    def test_any_word_of_domain_r(self, script):
        ends = display_ends.Ends().opened()
        for viewers, seen, rectangle in script:
            ends.words[region.VIEWERS] = viewers
            ends.words[region.DAMAGE_SEEN] = seen
            ends.words[region.SIZE_WANTED] = seen
            wanted = ends.host.wanted_size(seen >> 40)
            self.assertTrue(wanted is None or all(
                each in range(1, 0x10000)
                for each in (wanted.width, wanted.height)))
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
             region.DISPLAY_PUBLISHED, region.DISPLAY_LEDS,
             region.DISPLAY_SIZE_ANSWER]
            + [region.DISPLAY_DAMAGE + each
               for each in range(wire.DAMAGE_RECORDS)]),
        WORD, max_size=20), WORD)
    def test_any_word_of_the_host(self, values, published):
        ends = display_ends.Ends().opened()
        ends.domr.joined(5)
        ends.domr.ask_size(40, 30)
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
        self.assertIn(domr.size_answer(), (None, *wire.SizeAnswer))
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
        ends = display_ends.Ends().opened()
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
        ends = display_ends.Ends().opened()
        side = wire.CURSOR_SIDE_MAX + 1
        for cursor in (display.Cursor(side, 1, 0, 0, bytes(side * 4)),
                       display.Cursor(0, 1, 0, 0, b''),
                       display.Cursor(1, 1, 0, 0, b'')):
            ends.host.set_cursor(cursor)
            self.assertIsNone(ends.domr.cursor())


class LedsTest(unittest.TestCase):

    def test_round_trip(self):
        ends = display_ends.Ends().opened()
        self.assertIsNone(ends.domr.leds())
        for leds in (0, 6, None, 4):
            ends.host.set_leds(leds)
            self.assertTrue(ends.domr.poll(5).leds)
            self.assertEqual(leds, ends.domr.leds())
            self.assertIsNone(ends.domr.poll(5))
