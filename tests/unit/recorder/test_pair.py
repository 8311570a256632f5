# SPDX-License-Identifier: Apache-2.0
"""A pair's journal and what becomes of it, without processes."""

import errno
import mmap
import os
import pathlib
import random
import tempfile
from unittest import mock

from oslotest import base

from nova_dmore.channel.host import journal as journal_module
from nova_dmore.recorder import export
from nova_dmore.recorder import files
from nova_dmore.recorder import pair
from nova_dmore import wire

OUT = wire.Stream.SERIAL0_OUT
UUID = '0b3c9a5e-6d5f-4f0e-9a43-0e0d2f3b1a01'


class PairTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name, UUID)
        size = journal_module.journal_size()
        file = os.memfd_create('journal')
        self.addCleanup(os.close, file)
        os.ftruncate(file, size)
        self.memory = mmap.mmap(file, size)
        self.journal = journal_module.Journal(self.memory)
        self.addCleanup(self.memory.close)
        self.addCleanup(self.journal.close)
        with self.journal.transaction():
            self.journal.anchored = True
        self.files = files.Files(self.folder, 1 << 22, 'here')
        self.pair = pair.Pair(
            mmap.mmap(file, size, access=mmap.ACCESS_READ), 'j', self.files)
        self.addCleanup(self.pair.close)
        self.pair.recording = wire.Recording(0, ())

    def _recorded(self):
        return [event.data for path in files.casts(self.folder)
                for event in export.read(path).events if event.data]

    def test_a_character_is_not_cut(self):
        self.journal.append(OUT, 'a\u20ac'.encode()[:3])
        self.pair.record()
        self.assertEqual([b'a'], self._recorded())
        self.journal.append(OUT, '\u20ac'.encode()[2:])
        self.pair.record()
        self.assertEqual([b'a', '\u20ac'.encode()], self._recorded())

    def test_the_rest_of_a_character_is_not_waited_for_long(self):
        self.journal.append(OUT, b'\xe2')
        with mock.patch.object(pair, '_CHARACTER_S', 60):
            self.pair.record()
        self.assertEqual([], self._recorded())
        with mock.patch.object(pair, '_CHARACTER_S', 0):
            self.pair.record()
        self.assertEqual([b'\xe2'], self._recorded())

    def test_nor_where_nothing_more_comes(self):
        self.journal.append(OUT, b'\xe2')
        with mock.patch.object(pair, '_CHARACTER_S', 60):
            self.pair.record()
            self.pair.record(is_last=True)
        self.assertEqual([b'\xe2'], self._recorded())

    def test_in_pieces(self):
        data = bytes(range(97, 122)) * 8000
        self.journal.append(OUT, data)
        count = 1
        while self.pair.record():
            count += 1
        self.assertEqual(-(-len(data) // pair.PIECE), count)
        self.assertEqual(data, b''.join(self._recorded()))

    def test_a_disk_that_takes_nothing_is_left_alone(self):
        self.journal.append(OUT, b'one')
        full = OSError(errno.ENOSPC, 'full')
        with mock.patch.object(os, 'write', side_effect=full) as write:
            self.assertFalse(self.pair.record())
            self.assertFalse(self.pair.record())
            self.assertEqual(1, write.call_count)
        self.pair._not_before = 0
        self.pair.record()
        self.assertEqual([b'one'], self._recorded())

    def test_a_journal_that_lies(self):
        """Whatever a worker writes there, it costs its own recording."""
        chance = random.Random(0)
        words = memoryview(self.memory)[:4096].cast('Q')
        self.addCleanup(words.release)
        for number in range(3000):
            for _ in range(3):
                words[chance.randrange(2, 512)] = chance.choice((
                    0, 1, chance.randrange(1 << 22), chance.getrandbits(64),
                    (1 << 64) - 1))
            self.journal.refresh()
            self.journal.anchored = chance.random() < 0.9
            if chance.random() < 0.5:
                self.journal.set_position(OUT, chance.randrange(1 << 24))
            if number % 100 == 0:
                self.files.follow(f'j{number}', 0)
            self.pair.recording = wire.Recording(
                chance.choice((0, 0, 0, -1, chance.getrandbits(70))), ())
            self.pair.record(is_last=chance.random() < 0.5)
        paths = files.casts(self.folder)
        self.assertGreater(len(paths), 1)
        self.assertLessEqual(len(paths), files._FILES_MAX)
        for path in paths:
            export.read(path)
