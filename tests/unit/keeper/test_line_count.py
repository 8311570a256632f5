# SPDX-License-Identifier: Apache-2.0
"""What is counted when QEMU saves its state."""

import os

from nova_dmore.keeper import line
from nova_dmore.keeper import qemu_end
from nova_dmore.link import messages
from tests.unit.keeper import line_case

Gate = line.Gate


class CountTest(line_case.LineCase):

    def test_at_rest(self):
        self.runs()
        self.stops()
        self.saves()
        self.assertEqual((0, 0, False), self.last(
            'output', 'unread', 'final'))
        self.line.event(messages.SAVED, self.loop.time())
        self.assertEqual((0, 0, True, 0, 0), self.last(
            'output', 'unread', 'final', 'unsure_in', 'unsure_out'))

    def test_how_far_it_is(self):
        self.runs()
        self.line.event(messages.SAVING, self.loop.time())
        self.assertIsNone(self.line.saving)     # not to leave
        self.stops()
        self.assertIsNone(self.line.saving)
        self.line.event(messages.SAVING, self.loop.time())
        self.assertEqual(messages.SAVING, self.line.saving)
        self.loop.run(0.01)
        self.assertEqual(messages.SAVING, self.line.saving)
        self.line.event(messages.SAVED, self.loop.time())
        self.assertEqual(messages.SAVED, self.line.saving)
        self.line.leaving(False)
        self.assertIsNone(self.line.saving)

    def test_what_lies_there(self):
        self.runs()
        self.types(b'abc')
        os.read(self.input, 1)
        self.stops()
        os.write(self.output, b'last')
        self.saves()
        self.assertEqual((4, 2), self.last('output', 'unread'))
        self.assertEqual(b'last', self.received())
        self.line.event(messages.SAVED, self.loop.time())
        os.write(self.output, b'again')
        self.assertEqual(b'', self.received())
        self.assertEqual((4, 2, True), self.last('output', 'unread', 'final'))

    def test_crowded(self):
        self.runs()
        self.stops()
        os.write(self.output, bytes(qemu_end.OUTPUT_ROOM - 10))
        self.saves()
        self.assertEqual((None, False), self.last('output', 'final'))
        self.assertEqual(b'', self.received())
        self.line.event(messages.SAVED, self.loop.time())
        self.assertEqual((qemu_end.OUTPUT_ROOM - 10, True),
                         self.last('output', 'final'))
        self.assertEqual(qemu_end.OUTPUT_ROOM - 10, len(self.received()))

    def makes_room(self, late):
        """QEMU waits for room, and gets it so late after it has begun to
        save its state; all that it says comes later."""
        self.runs()
        os.write(self.output, bytes(qemu_end.OUTPUT_ROOM))
        at = self.loop.time()
        self.loop.run(late)
        self.received()
        self.line.leaving(True)
        self.line.event('STOP', at - 0.001)
        self.line.event(messages.SAVING, at)
        self.loop.run(0.01)
        os.write(self.output, b'in its state, too')

    def test_room_made_when_its_state_is_saved(self):
        self.makes_room(0.5)
        self.line.event(messages.SAVED, self.loop.time())
        self.assertEqual((qemu_end.OUTPUT_ROOM, True, 0), self.last(
            'output', 'final', 'unsure_out'))
        self.assertEqual(b'', self.received())

    def test_room_made_just_when_it_saves_is_told(self):
        self.makes_room(0.001)
        self.assertEqual((17,), self.last('unsure_out'))

    def test_room_made_right_before_it_saves_is_told(self):
        """By a keeper that had heard QEMU before the stop."""
        for before, unsure in ((0.001, 17), (0.005, 0)):
            with self.subTest(before):
                self.runs()
                os.write(self.output, bytes(qemu_end.OUTPUT_ROOM))
                stopped_at = self.loop.time()
                self.loop.run(0.001)
                self.received()
                self.loop.run(before)
                self.line.leaving(True)
                self.line.event('STOP', stopped_at)
                self.saves()
                self.assertEqual((unsure,), self.last('unsure_out'))
                self.line.event('RESUME', self.loop.time())

    def test_post_copy_of_qemu_7(self):
        self.runs()
        self.stops()
        os.write(self.output, b'last')
        self.saves(messages.SAVING_POSTCOPY)
        self.assertEqual((4, True), self.last('output', 'final'))
        count = len(self.counts)
        self.line.event(messages.SAVED, self.loop.time())
        self.assertEqual(count, len(self.counts))

    def test_post_copy_of_qemu_10(self):
        self.runs()
        self.stops()
        os.write(self.output, b'last')
        self.saves()
        self.saves(messages.SAVING_POSTCOPY)
        self.assertEqual((4, True), self.last('output', 'final'))

    def test_end_without_a_word(self):
        self.runs()
        self.types(b'a')
        self.stops()
        os.write(self.output, b'last')
        self.line.status(False, None, False)
        self.assertEqual((4, 1, True), self.last('output', 'unread', 'final'))

    def test_new_worker_is_told_again(self):
        self.runs()
        self.line.repeat()
        self.assertEqual([], self.counts)
        self.stops()
        self.saves()
        self.line.repeat()
        self.assertEqual(2, len(self.counts))
        self.line.event('RESUME', self.loop.time())
        self.runs()
        self.line.repeat()
        self.assertEqual(2, len(self.counts))

    def test_input_that_was_given_when_its_state_was_saved(self):
        """By a keeper that had heard QEMU before the stop."""
        self.runs()
        at = self.loop.time()
        self.loop.run(0.005)
        self.types(b'abc')
        os.read(self.input, 2)
        self.line.leaving(True)
        self.line.event('STOP', at - 0.001)
        self.line.event(messages.SAVING, at)
        self.line.event(messages.SAVED, self.loop.time())
        self.assertEqual((3, 2, 0), self.last(
            'unread', 'read_late', 'unsure_in'))

    def test_nothing_is_left_of_a_stop_that_is_rolled_back(self):
        """A keeper without a processor hears of all of it at once."""
        for name in messages.SAVING, messages.SAVING_POSTCOPY:
            with self.subTest(name):
                self.runs()
                self.stops()
                self.line.event(name, self.loop.time())
                self.line.event('RESUME', self.loop.time())
                self.runs()
                self.stops()
                self.loop.run(0.01)
                self.assertEqual([], self.counts)
                self.line.event('RESUME', self.loop.time())

    def test_paused_one_that_stays_after_all(self):
        self.runs()
        self.line.status(True, 'paused', False)
        self.line.leaving(True)
        self.saves()
        self.assertIs(Gate.HELD, self.line.gate)
        self.line.leaving(False)
        self.assertIs(Gate.OUTPUT, self.line.gate)
