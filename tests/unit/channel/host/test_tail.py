# SPDX-License-Identifier: Apache-2.0
"""The journal's output, read beside the one who writes it."""

import mmap
import os
import random
import unittest

from nova_dmore.channel import errors
from nova_dmore.channel.host import journal as journal_module
from nova_dmore.channel.host import tail
from nova_dmore import wire

OUT = wire.Stream.SERIAL0_OUT
_LIMIT = journal_module.RETAIN_LIMITS[OUT]


class TailTest(unittest.TestCase):

    def setUp(self) -> None:
        size = journal_module.journal_size()
        file = os.memfd_create('journal')
        self.addCleanup(os.close, file)
        os.ftruncate(file, size)
        self.memory = mmap.mmap(file, size)
        self.addCleanup(self.memory.close)
        self.mapped = mmap.mmap(file, size, access=mmap.ACCESS_READ)
        self.addCleanup(self.mapped.close)

    def _begin(self) -> None:
        self.journal = journal_module.Journal(self.memory)
        self.addCleanup(self.journal.close)
        self.tail = tail.Tail(self.mapped)
        self.addCleanup(self.tail.close)

    def _anchor(self, base: int = 0) -> None:
        with self.journal.transaction():
            self.journal.shift(OUT, base)
            self.journal.anchored = True

    def _store(self, count: int) -> None:
        """Domain R has stored so much: it is not kept."""
        self.journal.set_base(OUT, self.journal.base(OUT) + count)

    def test_one_that_no_worker_has_begun(self) -> None:
        with self.assertRaises(errors.JournalError):
            tail.Tail(self.mapped)
        self.assertFalse(any(self.memory[:8]))

    def test_offsets_that_are_not_known(self) -> None:
        self._begin()
        self.journal.append(OUT, b'abc')
        self.assertEqual(tail.Seen(3, None), self.tail.read_position())
        self.assertEqual(b'bc', self.tail.read(1, 3))
        self._anchor(1000)
        self.assertEqual(tail.Seen(3, 1003), self.tail.read_position())
        self.assertEqual(b'bc', self.tail.read(1, 3))

    def test_carried_bytes_are_those_of_the_source(self) -> None:
        self._begin()
        self.journal.append(OUT, b'here')
        with self.journal.transaction():
            self.journal.prepend(OUT, 500, b'carried')
            self.journal.anchored = True
        self.assertEqual(tail.Seen(4, 511), self.tail.read_position())
        self.assertEqual(b'here', self.tail.read(0, 4))

    def test_bytes_that_are_stored_are_there_for_a_window(self) -> None:
        self._begin()
        self._anchor(77)
        chance = random.Random(0)
        printed = bytearray()
        while len(printed) < 3 * _LIMIT:
            data = chance.randbytes(chance.randrange(1, 60000))
            self.journal.append(OUT, data)
            printed += data
            self._store(len(data))
            seen = self.tail.read_position()
            self.assertEqual((len(printed), 77 + len(printed)),
                             (seen.moved, seen.offset))
            # What the worker reads next lies in the area.
            self.journal.area(OUT, 1 << 16)[0][:] = b'?' * len(
                self.journal.area(OUT, 1 << 16)[0])
            start = max(0, seen.moved - tail.WINDOW)
            # Not assertEqual, which would print two MiB.
            same = printed[start:] == self.tail.read(start, seen.moved)
            self.assertTrue(same, len(printed))

    def test_input_that_jumps_changes_nothing(self) -> None:
        self._begin()
        self._anchor()
        self.journal.append(OUT, b'abc')
        with self.journal.transaction():
            self.journal.jump(wire.Stream.SERIAL0_IN, 99)
        self.assertEqual(tail.Seen(3, 3), self.tail.read_position())

    def test_offsets_that_move_on(self) -> None:
        """Domain R has stored more than this host knows of."""
        self._begin()
        self._anchor()
        self.journal.append(OUT, b'abc')
        with self.journal.transaction():
            self.journal.shift(OUT, 50)
        self.assertEqual(tail.Seen(3, 53), self.tail.read_position())
        self.assertEqual(b'abc', self.tail.read(0, 3))
