# SPDX-License-Identifier: Apache-2.0
"""The small parts of the shadow-device process."""

import os

from oslotest import base

from nova_dmore.link import messages
from nova_dmore.link import notes
from nova_dmore import wire
from nova_dmore.worker import gaps

OUT = wire.Stream.SERIAL0_OUT
IN = wire.Stream.SERIAL0_IN


class TestNotes(base.BaseTestCase):

    def test_torn_write_leaves_the_older_ones(self):
        buffer = bytearray(notes.NOTES_SIZE)
        mine = notes.Notes(buffer)
        self.assertIsNone(mine.read())
        mine.write({'n': 1})
        before = bytes(buffer[:8])
        mine.write({'n': 2})
        self.assertEqual({'n': 2}, notes.Notes(buffer).read())
        buffer[:8] = before     # the last access of the last write
        self.assertEqual({'n': 1}, notes.Notes(buffer).read())
        self.assertRaises(ValueError, mine.write,
                          'x' * notes.NOTES_SIZE)


class TestGapLog(base.BaseTestCase):

    def test_numbers_go_on(self):
        log = gaps.GapLog()
        first = log.add(OUT, wire.GapKind.EXACT, 'a', 5, 2)
        log.add(IN, wire.GapKind.UNKNOWN, 'b', migration_id='m')
        log.forget([first['number'], 99])
        log = gaps.GapLog(log.to_notes())
        third = log.add(OUT, wire.GapKind.AMBIGUOUS, 'c', 7, 1)
        self.assertEqual([2, 3], [g['number'] for g in log.reports()])
        self.assertEqual(('serial0_out', 7, 1, 'ambiguous'), (
            third['stream'], third['at'], third['bytes'], third['kind']))

    def test_limit(self):
        log = gaps.GapLog()
        for _ in range(wire.GAPS_MAX + 5):
            log.add(OUT, wire.GapKind.EXACT, 'a', 0, 1)
        *kept, more = log.reports()
        numbers = [g['number'] for g in kept]
        self.assertEqual(wire.GAPS_MAX, len(numbers))
        self.assertEqual(1, numbers[0])
        self.assertEqual(numbers, sorted(numbers))
        self.assertEqual(('serial0_out', 'unknown', 5), (
            more['stream'], more['kind'], more['bytes']))
        self.assertIn('5 reports more', more['reason'])

    def test_those_that_gave_way_are_counted_until_they_are_taken(self):
        log = gaps.GapLog()
        for _ in range(wire.GAPS_MAX + 2):
            log.add(OUT, wire.GapKind.EXACT, 'a', 0, 7)
        log.add(IN, wire.GapKind.UNKNOWN, 'b')
        taken = log.reports()
        log.add(IN, wire.GapKind.UNKNOWN, 'b')
        log = gaps.GapLog(log.to_notes())
        log.forget([each['number'] for each in taken])
        # That there was one more is not among what was taken.
        last, more = log.reports()
        self.assertEqual('serial0_in', last['stream'])
        self.assertEqual(('serial0_out', 4 * 7), (
            more['stream'], more['bytes']))
        log.forget([more['number'], last['number']])
        self.assertEqual([], log.reports())
        self.assertEqual([], gaps.GapLog(log.to_notes()).reports())

    def test_a_reason_is_one_line_that_does_nothing(self):
        log = gaps.GapLog()
        gap = log.add(OUT, wire.GapKind.EXACT, 'a\nb\x1b[2J\u202e' * 999)
        self.assertTrue(gap['reason'].startswith(
            r'a\nb\x1b[2J\u202ea\n'))
        self.assertTrue(gap['reason'].isascii())
        self.assertLess(len(gap['reason']), 600)


class TestMessages(base.BaseTestCase):

    def test_descriptors_travel(self):
        ours, theirs = messages.pair()
        self.addCleanup(ours.close)
        read, write = os.pipe()
        messages.send(ours, {'type': 'x'}, [write])
        os.close(write)
        message, received = messages.receive(theirs)
        self.assertEqual({'type': 'x'}, message)
        os.write(received[0], b'y')
        self.assertEqual(b'y', os.read(read, 1))
        os.close(read)
        os.close(received[0])
        self.assertRaises(BlockingIOError, messages.receive, theirs)
        ours.close()
        self.assertEqual((None, []), messages.receive(theirs))
        self.assertRaises(OSError, messages.send, theirs, {})
        theirs.close()

    def test_what_a_worker_may_say(self):
        note = {'offset': 1, 'size': 8, 'before': 0, 'buttons': 1,
                'down_before': [], 'down': [30]}
        command = {'type': 'qmp', 'id': 1, 'vm': 'instance', 'note': note,
                   'command': 'input-send-event', 'arguments': {}}
        good = [command, {**command, 'note': None, 'arguments': None},
                {'type': 'leaving', 'on': True}, {'type': 'adopted'},
                {'type': 'open_display'}, {'type': 'shutdown'}]
        for message in good:
            messages.check_to_keeper(message)
        for message in (
                {}, {'type': 'start'}, {'type': []}, {'type': 'leaving'},
                {'type': 'leaving', 'on': 1}, {'type': 'adopted', 'x': 1},
                {'type': 'qmp'}, {**command, 'vm': 'other'},
                {**command, 'vm': []}, {**command, 'id': 1 << 64},
                {**command, 'id': True}, {**command, 'command': None},
                {**command, 'arguments': []}, {**command, 'note': []},
                {**command, 'note': {}},
                {**command, 'note': {**note, 'more': 'x' * 60000}},
                {**command, 'note': {**note, 'offset': '1'}},
                {**command, 'note': {**note, 'down': [1] * 20000}},
                {**command, 'note': {**note, 'down': [1 << 900]}}):
            self.assertRaises(ValueError, messages.check_to_keeper, message)

    def test_too_long(self):
        ours, theirs = messages.pair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        self.assertRaises(ValueError, messages.send, ours,
                          {'x': 'y' * messages.MESSAGE_MAX})
