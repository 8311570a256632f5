# SPDX-License-Identifier: Apache-2.0
"""Sizes that are asked for, and the room that there is for pictures."""

import unittest

import hypothesis
from hypothesis import strategies

from nova_dmore.channel import display
from nova_dmore.channel.domr import end as domr_end
from nova_dmore.channel import region
from nova_dmore import wire
from tests import examples
from tests.unit.channel import display_ends

Answer = wire.SizeAnswer
EPOCH = 0x123456789abc
SIDES = strategies.integers(1, display.SIDE_MAX)


class WantedTest(unittest.TestCase):

    def setUp(self):
        super().setUp()
        self.ends = display_ends.Ends()
        self.host, self.domr = self.ends.host, self.ends.domr

    def wanted(self, epoch=EPOCH):
        found = self.host.wanted_size(epoch)
        return found and (found.width, found.height)

    def answers(self, answer, epoch=EPOCH):
        self.host.answer_size(self.host.wanted_size(epoch).number, answer,
                              epoch)

    @examples.settings()
    @hypothesis.given(SIDES, SIDES, strategies.integers(1, wire.EPOCH_MAX))
    def test_round_trip(self, width, height, epoch):
        self.domr.joined(epoch)
        self.domr.ask_size(width, height)
        self.assertEqual((width, height), self.wanted(epoch))
        self.assertIsNone(self.wanted(epoch + 1))
        self.answers(Answer.FORWARDED, epoch)
        self.assertIs(Answer.FORWARDED, self.domr.size_answer())
        self.assertIsNone(self.domr.size_answer())

    def test_each_answer(self):
        self.domr.joined(EPOCH)
        for answer in Answer:
            self.domr.ask_size(40, 30)
            self.answers(answer)
            self.assertIs(answer, self.domr.size_answer())

    def test_answer_to_the_one_before(self):
        self.domr.joined(EPOCH)
        self.domr.ask_size(40, 30)
        self.answers(Answer.FORWARDED)
        self.domr.ask_size(50, 30)
        self.assertIsNone(self.domr.size_answer())

    def test_asked_before_an_epoch_is_joined(self):
        self.domr.ask_size(40, 30)
        self.assertEqual(0, self.ends.words[region.SIZE_WANTED])
        self.domr.joined(EPOCH)
        self.assertEqual((40, 30), self.wanted())

    def test_next_epoch(self):
        self.domr.joined(EPOCH)
        self.domr.ask_size(40, 30)
        self.answers(Answer.FORWARDED)      # too late to be read
        self.domr.joined(EPOCH + 1)
        self.assertIsNone(self.domr.size_answer())
        self.assertEqual((40, 30), self.wanted(EPOCH + 1))
        self.answers(Answer.INVALID, EPOCH + 1)
        self.assertIs(Answer.INVALID, self.domr.size_answer())
        self.domr.joined(EPOCH + 2)
        self.assertIsNone(self.wanted(EPOCH + 2))

    def test_forgotten(self):
        self.domr.joined(EPOCH)
        self.domr.ask_size(40, 30)
        number = self.host.wanted_size(EPOCH).number
        self.domr.forget_size()
        self.assertIsNone(self.wanted())
        self.host.answer_size(number, Answer.FORWARDED, EPOCH)
        self.assertIsNone(self.domr.size_answer())
        self.domr.joined(EPOCH + 1)
        self.assertIsNone(self.wanted(EPOCH + 1))

    def test_a_start_of_domain_r_asks_for_none(self):
        self.domr.joined(EPOCH)
        self.domr.ask_size(40, 30)
        domr_end.DomainREnd(self.ends.region, lambda vector: None)
        self.assertIsNone(self.wanted())


class ShrinkTest(unittest.TestCase):

    @examples.settings()
    @hypothesis.given(
        SIDES, SIDES, strategies.integers(0, 1 << 25) | strategies.integers(
            0, 64), SIDES, SIDES)
    def test_what_it_gives_has_room(self, width, height, size, wide, high):
        room = display.Room(size, wide, high)
        shrunk = room.shrink(width, height)
        self.assertEqual(shrunk, room.crop(*shrunk))
        self.assertEqual(size >= display.PIXEL_SIZE, all(shrunk))
        if room.crop(width, height) == (width, height):
            self.assertEqual((width, height), shrunk)
        if all(shrunk):
            self.assertLessEqual(shrunk[0], width)
            self.assertLessEqual(shrunk[1], height)

    def test_usual_ones_keep_their_shape(self):
        room = display.Room(wire.REGION_SIZE - wire.FRAMEBUFFER_START)
        for width, height in (
                (3840, 2160), (2160, 3840), (5120, 1440), (65535, 65535)):
            wide, high = room.shrink(width, height)
            self.assertAlmostEqual(width / height, wide / high, delta=0.01)
            self.assertGreater(wide * high * display.PIXEL_SIZE,
                               room.size * 0.99)
        self.assertEqual((2560, 1440),
                         display.EARLIER_ROOM.shrink(3840, 2160))
        self.assertEqual((900, 1600), display.EARLIER_ROOM.shrink(2160, 3840))
