# SPDX-License-Identifier: Apache-2.0
"""The files of an instance: exact, bounded, and gone on with."""

import errno
import os
import pathlib
import stat
import tempfile
from unittest import mock

from oslotest import base

from nova_dmore.recorder import export
from nova_dmore.recorder import files

UUID = '0b3c9a5e-6d5f-4f0e-9a43-0e0d2f3b1a01'
OTHER = '0b3c9a5e-6d5f-4f0e-9a43-0e0d2f3b1a02'


class FilesCase(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.directory = pathlib.Path(temporary.name)
        self.folder = self.directory / UUID
        self.now = 1700000000.0

    def open(self, most=1 << 20):
        made = files.Files(self.folder, most, 'here', lambda: self.now)
        self.addCleanup(made.close)
        return made

    def parts(self):
        return [export.read(path) for path in files.casts(self.folder)]

    def recorded(self):
        """(offset, bytes) of each file."""
        return [(part.header.offset, b''.join(
            event.data for event in part.events if event.data is not None))
            for part in self.parts()]

    def marks(self):
        return [event.mark for part in self.parts() for event in part.events
                if event.data is None]


class FilesTest(FilesCase):

    def test_output_and_times(self):
        made = self.open()
        made.append(100, b'one', 3)
        self.now += 1.5
        made.append(103, b'two', 6)
        self.now -= 10      # a clock that is set back
        made.append(106, b'three', 11)
        (part,) = self.parts()
        self.assertEqual([0, 1.5, 1.5], [each.at for each in part.events])
        self.assertEqual((UUID, 'here', 100, 111), (
            part.header.instance, part.header.host, part.header.offset,
            part.end))
        self.assertEqual(11, made.moved)

    def test_nobody_else_reads_it(self):
        self.open().append(0, b'x', 1)
        for path in (self.folder, *self.folder.iterdir()):
            self.assertEqual(0, stat.S_IMODE(path.stat().st_mode) & 0o077,
                             path)

    def test_the_next_recorder_goes_on(self):
        first = self.open()
        first.follow('j', 0)
        first.append(0, b'one', 3)
        first.mark(4, 'a gap')
        second = self.open()
        self.assertEqual(('j', 3, 4), (second.journal, second.moved,
                                       second.told))
        second.append(3, b'two', 6)
        self.assertEqual([(0, b'onetwo')], self.recorded())

    def test_a_recorder_that_was_killed_before_the_state_was_written(self):
        made = self.open()
        made.append(0, b'one', 3)
        with mock.patch.object(made, '_write_state'):
            made.append(3, b'two', 6)
        second = self.open()
        self.assertEqual(3, second.moved)
        second.append(3, b'TWO', 6)
        self.assertEqual([(0, b'oneTWO')], self.recorded())

    def test_killed_before_the_state_of_a_new_file(self):
        made = self.open()
        made.append(0, b'one', 3)
        self.now += 1
        with mock.patch.object(made, '_write_state'):
            made.append(10, b'two', 6)
        self.now += 1
        self.open().append(10, b'two', 6)
        self.assertEqual([(0, b'one'), (10, b'two')], self.recorded())

    def test_a_file_that_was_removed_or_cut(self):
        for spoil in (os.unlink, lambda path: os.truncate(path, 5)):
            made = self.open()
            made.append(0, b'one', 3)
            for path in files.casts(self.folder):
                spoil(path)
            self.now += 1
            self.open().append(3, b'two', 6)
            last = files.casts(self.folder)[-1]
            self.assertEqual(3, export.read(last).header.offset)
            for path in files.casts(self.folder):
                path.unlink()

    def test_a_gap_is_marked_and_begins_a_file(self):
        made = self.open()
        made.follow('j', 0)
        made.append(0, b'one', 3)
        self.now += 1
        made.append(10, b'two', 13)
        self.assertEqual([(0, b'one'), (10, b'two')], self.recorded())
        self.assertEqual(['nova-dmore: 7 bytes of output are missing'],
                         self.marks())

    def test_a_clock_that_is_set_back_between_files(self):
        made = self.open()
        made.append(0, b'one', 3)
        self.now -= 100
        made.append(10, b'two', 6)
        self.assertEqual([(0, b'one'), (10, b'two')], self.recorded())
        began = [part.header.began for part in self.parts()]
        self.assertLess(began[0], began[1])

    def test_what_another_host_has_is_not_missing_here(self):
        made = self.open()
        made.follow('j', 0)
        made.append(0, b'one', 3)
        self.now += 1
        made.follow('k', 0)
        made.append(10, b'two', 3)
        self.assertEqual([(0, b'one'), (10, b'two')], self.recorded())
        self.assertEqual([], self.marks())

    def test_room(self):
        made = self.open(most=20000)
        for number in range(200):
            self.now += 1
            made.append(number * 1000, b'x' * 1000, number * 1000 + 1000)
            self.assertLess(sum(
                path.stat().st_size for path in self.folder.iterdir()), 24000)
        kept = self.recorded()
        self.assertEqual(200000, kept[-1][0] + len(kept[-1][1]))
        for before, after in zip(kept, kept[1:]):
            self.assertEqual(after[0], before[0] + len(before[1]))
        self.assertGreater(sum(len(data) for _, data in kept), 10000)
        self.assertEqual([], self.marks())

    def test_gaps_without_output_are_bounded(self):
        # A worker that was taken over may tell of them without an end.
        for follow in (False, True):
            made = self.open(most=20000)
            made.append(0, b'x', 1)
            if follow:      # and nothing was printed since
                made.follow('k', 0)
            for number in range(1, 400):
                self.now += 1
                made.mark(number, f'{number} ' + 'x' * 500)
                self.assertLess(sum(
                    path.stat().st_size for path in self.folder.iterdir()),
                    24000)
            self.assertEqual(399, made.told)
            made.append(1, b'y', 2)
            self.assertEqual((1, b'y'), self.recorded()[-1])

    def test_many_small_files(self):
        made = self.open()
        for number in range(200):
            self.now += 1
            made.append(number * 10, b'x', number + 1)
        kept = self.parts()
        self.assertEqual(files._FILES_MAX, len(kept))
        self.assertEqual(1991, kept[-1].end)

    def test_a_full_disk(self):
        made = self.open()
        made.append(0, b'one', 3)
        real, full = os.write, OSError(errno.ENOSPC, 'full')
        for calls in ([full], [lambda *a: real(a[0], a[1][:7]), full]):
            effects = iter(calls)

            def write(*arguments):
                effect = next(effects)
                if isinstance(effect, OSError):
                    raise effect
                return effect(*arguments)
            for offset in (3, 10):      # in this file, and in a new one
                effects = iter(calls)
                with mock.patch.object(os, 'write', write):
                    self.assertRaises(OSError, made.append, offset, b'two', 6)
            self.assertRaises(OSError, self._mark_without_room, made)
            self.assertEqual(3, made.moved)
            self.assertEqual([(0, b'one')], self.recorded())
        made.append(3, b'two', 6)
        self.assertEqual([(0, b'onetwo')], self.recorded())

    def test_a_disk_that_is_full_when_the_instance_comes_back(self):
        made = self.open()
        made.follow('j', 0)
        made.append(0, b'one', 3)
        self.now += 1
        made.follow('k', 0)
        with mock.patch.object(os, 'write', side_effect=OSError):
            self.assertRaises(OSError, made.append, 10, b'two', 3)
        made.append(10, b'two', 3)
        self.assertEqual([(0, b'one'), (10, b'two')], self.recorded())
        self.assertEqual([], self.marks())

    @staticmethod
    def _mark_without_room(made):
        with mock.patch.object(os, 'write', side_effect=OSError):
            made.mark(1, 'x')

    def test_a_mark_before_any_output(self):
        made = self.open()
        made.mark(3, 'x')
        self.assertEqual(3, made.told)
        self.assertEqual([], self.parts())

    def test_what_an_operator_has_put_there(self):
        """An export, say: it is neither removed nor read as a part."""
        made = self.open()
        made.append(0, b'one', 3)
        (self.folder / 'session.cast').write_text('of the operator')
        made = self.open(most=1)
        made.append(3, b'two', 6)
        self.assertEqual('of the operator',
                         (self.folder / 'session.cast').read_text())
        self.assertEqual([(3, b'two')], self.recorded())


class UnusableTest(FilesCase):

    def test_what_cannot_be_used_leaves_nothing_open(self):
        """As after a backup was restored as another user. It is tried again
        each minute."""
        self.open().append(0, b'x', 1)
        (path,) = files.casts(self.folder)
        path.unlink()
        path.mkdir()        # not even root writes it
        before = os.listdir('/proc/self/fd')
        for _ in range(3):
            self.assertRaises(OSError, self.open)
        self.assertEqual(before, os.listdir('/proc/self/fd'))


class PruneTest(FilesCase):

    def _prune(self, older_than, live=frozenset()):
        return files.prune(self.directory, os.listdir(self.directory),
                           older_than, set(live))

    def test_only_what_is_old_and_not_here(self):
        self.open().append(0, b'x', 1)
        for name in (OTHER, 'stranger'):
            (self.directory / name).mkdir()
        (self.directory / 'stranger' / 'file').touch()
        now = (self.folder / 'state.json').stat().st_mtime
        self.assertEqual([], self._prune(now - 1))
        self.assertEqual([], self._prune(now + 1, {UUID}))
        self.assertEqual([], files.prune(
            self.directory, [OTHER], now + 1, set()))
        self.assertEqual([UUID], self._prune(now + 1))
        self.assertEqual({OTHER, 'stranger'},
                         {path.name for path in self.directory.iterdir()})

    def test_folders_of_others_stay(self):
        self.open().append(0, b'x', 1)
        (path,) = files.casts(self.folder)
        kept = self.directory / 'kept'
        self.folder.rename(kept)
        self.assertEqual([], self._prune(kept.stat().st_mtime + 60))
        self.assertTrue((kept / path.name).exists())

    def test_one_that_cannot_be_removed_keeps_none_of_the_others(self):
        for uuid in (UUID, OTHER):
            files.Files(self.directory / uuid, 1 << 20, 'here',
                        lambda: self.now).append(0, b'x', 1)
        (path,) = files.casts(self.folder)
        path.unlink()
        path.mkdir()
        self.assertEqual([OTHER], self._prune(path.stat().st_mtime + 60))

    def test_files_of_others_stay(self):
        self.open().append(0, b'x', 1)
        (self.folder / 'notes').touch()
        now = (self.folder / 'state.json').stat().st_mtime
        self.assertEqual([], self._prune(now + 1))
        self.assertEqual(['notes'], os.listdir(self.folder))


class ExportTest(FilesCase):

    def _part(self, began, host, offset, data, *marks):
        return export.Part(
            pathlib.Path('x'), export.cast.Header(began, UUID, host, offset),
            (*(export.cast.Event(0.0, None, mark) for mark in marks),
             export.cast.Event(1.0, data)), offset + len(data), 0)

    def _joined(self, *parts):
        text, holes = export.joined(parts)
        path = self.directory / 'joined.cast'
        path.write_text(text)
        part = export.read(path)
        return part, holes

    def test_there_and_back(self):
        part, holes = self._joined(
            self._part(200.0, 'a', 10, b'three'),
            self._part(0.0, 'a', 0, b'one12'),
            self._part(100.0, 'b', 5, b'two\xff!'))
        self.assertEqual(0, holes)
        self.assertEqual([b'one12', b'two\xff!', b'three'],
                         [each.data for each in part.events if each.data])
        self.assertEqual(['nova-dmore: recorded on b',
                          'nova-dmore: recorded on a'],
                         [each.mark for each in part.events if each.mark])
        self.assertEqual([1.0, 101.0, 201.0],
                         [each.at for each in part.events if each.data])
        self.assertEqual(15, part.end)

    def test_holes(self):
        part, holes = self._joined(
            self._part(0.0, 'a', 0, b'one'),
            self._part(100.0, 'a', 9, b'two', files.missing(3, 9)),
            self._part(200.0, 'b', 20, b'three'))
        self.assertEqual(2, holes)
        self.assertEqual(
            [files.missing(3, 9), files.missing(12, 20)],
            [each.mark for each in part.events if 'missing' in each.mark])

    def test_a_stream_that_begins_anew(self):
        _, holes = self._joined(self._part(0.0, 'a', 0, b'one'),
                                self._part(100.0, 'a', 0, b'two'))
        self.assertEqual(0, holes)

    def test_what_is_no_recording(self):
        path = self.directory / 'x.cast'
        path.write_text('{}\n')
        self.assertRaises(ValueError, export.read, path)
