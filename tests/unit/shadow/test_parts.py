# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""The small parts of the shadow-device process."""

import os

from oslotest import base

from nova_dmore.shadow import gaps
from nova_dmore.shadow import messages
from nova_dmore.shadow import notes
from nova_dmore import wire

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
        for _ in range(gaps.GAPS_MAX + 5):
            log.add(OUT, wire.GapKind.EXACT, 'a', 0, 1)
        numbers = [g['number'] for g in log.reports()]
        self.assertEqual(gaps.GAPS_MAX, len(numbers))
        self.assertEqual((1, gaps.GAPS_MAX + 5), (numbers[0], numbers[-1]))


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

    def test_too_long(self):
        ours, theirs = messages.pair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        self.assertRaises(ValueError, messages.send, ours,
                          {'x': 'y' * messages.MESSAGE_MAX})
