# SPDX-License-Identifier: Apache-2.0
"""Sizes that a viewer asks for, from the region to QEMU and back."""

from nova_dmore.channel import region
from nova_dmore import wire
from nova_dmore.worker.devices.display import resizing
from tests.unit.worker.devices.display import display_case

Answer = wire.SizeAnswer
State = display_case.State


class ResizingTest(display_case.DisplayCase):

    def setUp(self):
        super().setUp()
        self.shown()
        self.joins()

    def joins(self):
        """Domain R's display does as its screen does when an epoch opens."""
        self.viewer.display.joined(self.domr.epoch)

    def asks(self, *size):
        """A viewer asks, and the doorbell is rung -> what QEMU was told."""
        self.viewer.display.ask_size(*size)
        return self.told()

    def told(self, seconds=0):
        self.device.update()
        self.loop.run(seconds)
        found = [each for each in self.source.log if isinstance(each, tuple)]
        self.source.log.clear()
        return found

    def answer(self):
        return self.viewer.display.size_answer()

    def test_there_and_back(self):
        self.assertEqual([(40, 30)], self.asks(40, 30))
        self.assertIsNone(self.answer())
        self.rings.clear()
        self.source.sink.size_answered(4)
        self.assertEqual([wire.Vector.DISPLAY], self.rings)
        self.assertIs(Answer.FORWARDED, self.answer())
        self.assertIsNone(self.answer())        # it is told once
        self.assertEqual([], self.told(5))      # and asked once

    def test_the_same_size_again(self):
        """The guest may have changed it meanwhile, or QEMU is another."""
        for _ in range(300):
            self.assertEqual([(40, 30)], self.asks(40, 30))
            self.source.sink.size_answered(4)
            self.assertIs(Answer.FORWARDED, self.answer())
            self.loop.run(resizing.INTERVAL_S)

    def test_what_qemu_may_answer(self):
        for status, answer in ((1, 1), (2, 2), (3, 3), (4, 4), (0, 1),
                               (5, 1), (0xffff, 1)):
            self.asks(40, 30)
            self.source.sink.size_answered(status)
            self.assertEqual(answer, self.answer())
            self.loop.run(1)

    def test_what_nobody_has_asked(self):
        self.source.sink.size_answered(4)
        self.assertEqual(0, self.area.words[region.DISPLAY_SIZE_ANSWER])

    def test_a_storm(self):
        """QEMU is told the last one, seldom, and while it owes no answer."""
        self.assertEqual([(1, 1)], self.asks(1, 1))
        for n in range(2, 40):
            self.assertEqual([], self.asks(n, n))
        self.assertEqual([], self.told(5))
        self.source.sink.size_answered(4)
        self.assertIsNone(self.answer())        # that was for the first one
        self.assertEqual([(39, 39)], self.told())
        self.source.sink.size_answered(4)
        self.assertIs(Answer.FORWARDED, self.answer())
        self.assertEqual([], self.asks(7, 7))
        self.assertEqual([], self.told(resizing.INTERVAL_S - 0.1))
        self.assertEqual([(7, 7)], self.told(0.2))

    def test_more_than_there_is_room_for(self):
        (size,) = self.asks(4000, 3000)
        self.assertLessEqual(size[0] * size[1] * 4,
                             self.area.framebuffer_size)
        self.assertAlmostEqual(4 / 3, size[0] / size[1], delta=0.02)

    def test_no_room_at_all(self):
        self.area.words[region.PICTURE_MAX] &= ~0xffffffff
        self.assertEqual([], self.asks(40, 30))
        self.assertIs(Answer.NO_RESOURCES, self.answer())

    def test_nothing(self):
        for size in ((0, 0), (0, 30), (40, 0)):
            self.assertEqual([], self.asks(*size))

    def test_any_word(self):
        for word in (0, (1 << 64) - 1, 40 | 30 << 16 | 9 << 32):
            self.area.words[region.SIZE_WANTED] = word
            self.assertEqual([], self.told(1))

    def test_connection_that_ends(self):
        self.asks(40, 30)
        self.source.sink.ended('QEMU closed the connection')
        self.assertIs(Answer.PROHIBITED, self.answer())
        self.loop.run(0.2)
        self.connect()
        self.source.sink.resized(64, 48)
        self.assertEqual([], self.told(1))      # it is not asked twice
        self.assertEqual([(50, 30)], self.asks(50, 30))

    def test_asked_before_there_is_a_connection(self):
        self.source.sink.ended('QEMU closed the connection')
        self.viewer.display.ask_size(40, 30)
        self.device.update()
        self.loop.run(0.2)
        self.connect()
        self.source.sink.resized(64, 48)
        self.assertEqual([(40, 30)], self.told(0.1))

    # -- migrations

    def test_answered_before_the_freeze_is_not_asked_anew(self):
        self.asks(40, 30)
        self.source.sink.size_answered(4)
        self.answer()
        self.raise_epoch()
        self.joins()
        self.assertEqual([], self.told(1))

    def test_region_that_came_from_elsewhere(self):
        """Neither request nor answer of another epoch is believed."""
        self.asks(40, 30)
        self.source.sink.size_answered(4)
        wanted = self.area.words[region.SIZE_WANTED]
        answer = self.area.words[region.DISPLAY_SIZE_ANSWER]
        self.new_host()         # a destination
        self.viewing()
        self.area.words[region.SIZE_WANTED] = wanted
        self.assertEqual([], self.told(1))
        self.area.words[region.DISPLAY_SIZE_ANSWER] = answer
        self.joins()
        self.assertIsNone(self.answer())
        self.assertEqual([(40, 30)], self.told())

    def test_asked_during_the_stop(self):
        self.machine.set(State.FREEZING)
        self.host_end.freeze()
        self.assertEqual([], self.asks(40, 30))
        self.domr.poll()
        self.host_end.poll()
        self.machine.set(State.FROZEN)
        self.assertEqual([], self.asks(50, 30))
        self.machine.set(State.LIVE)        # it is rolled back
        self.raise_epoch()
        self.joins()
        self.assertEqual([(50, 30)], self.told(1))

    def test_answered_during_the_stop(self):
        self.asks(40, 30)
        self.machine.set(State.FREEZING)
        self.host_end.freeze()
        before = self.area.words[region.DISPLAY_SIZE_ANSWER]
        self.source.sink.size_answered(4)
        self.assertEqual(before,
                         self.area.words[region.DISPLAY_SIZE_ANSWER])
        self.domr.poll()
        self.machine.set(State.LIVE)
        self.raise_epoch()
        self.joins()
        self.assertEqual([(40, 30)], self.told(1))
        self.source.sink.size_answered(4)
        self.assertIs(Answer.FORWARDED, self.answer())
