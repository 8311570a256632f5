# SPDX-License-Identifier: Apache-2.0
"""What of a pair is there again after a boot of the host."""

import os
import shutil
import stat
import tempfile
import uuid
from unittest import mock

import fixtures
from oslotest import base

from nova_dmore.hostd import remembered
from nova_dmore import places
from nova_dmore.posix import fifos
from tests.unit import hostd_process
from tests.unit.worker import fakes


class BootTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.hostd = hostd_process.of_test(self)
        self.uuid = str(uuid.uuid4())
        self.directory = places.of_pair(
            os.path.join(self.hostd.run_dir, self.uuid)).instance

    def _end(self):
        self.hostd.service.end(self.uuid)
        fakes.wait_for(
            lambda: self.uuid not in self.hostd.service.instances())

    def _boot(self):
        """End all that runs, with what lies in memory."""
        self._end()
        self.hostd.end()
        shutil.rmtree(self.hostd.run_dir)
        os.mkdir(self.hostd.run_dir)
        self.hostd.start()

    def test_qemu_finds_its_serial_port(self):
        self.hostd.start()
        self.hostd.service.start(self.uuid)
        self._boot()
        # There is no keeper. What the guest prints waits for one.
        self.assertEqual([], self.hostd.service.instances())
        input_end, output = fifos.open_both(self.directory)
        self.addCleanup(os.close, output)
        os.close(input_end)
        os.write(output, b'Linux version')
        self.hostd.service.start(self.uuid)
        self.assertIn(self.uuid, self.hostd.service.instances())
        self.assertEqual([self.uuid], os.listdir(self.hostd.state_dir))
        self._end()

    def test_not_of_an_instance_that_has_left(self):
        self.hostd.start()
        self.hostd.service.start(self.uuid)
        self._end()
        self.hostd.service.remove(self.uuid)
        self.assertEqual([], os.listdir(self.hostd.state_dir))
        self._boot()
        self.assertFalse(os.path.exists(self.directory))


class RememberedTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.uuid = str(uuid.uuid4())

    def test_nothing_is_remembered(self):
        for state_dir in (None, os.path.join(self.folder, 'none')):
            self.assertEqual(
                [], remembered.Remembered(state_dir).instances())
        known = remembered.Remembered(None)
        known.add(self.uuid)
        known.forget(self.uuid)

    def test_a_directory_that_cannot_be_used(self):
        path = os.path.join(self.folder, 'state')
        with open(path, 'w'):
            pass
        known = remembered.Remembered(path)
        known.add(self.uuid)
        known.forget(self.uuid)
        self.assertEqual([], known.instances())

    def test_files_of_others(self):
        known = remembered.Remembered(self.folder)
        known.add(self.uuid)
        known.add(self.uuid)
        for name in ('README', self.uuid.upper(), '..evil'):
            with open(os.path.join(self.folder, name), 'w'):
                pass
        self.assertEqual([self.uuid], known.instances())

    def test_what_runs_is_left_alone(self):
        self.assertTrue(remembered.make_fifos(
            self.uuid, self.folder, os.getgid()))
        where = places.of_pair(os.path.join(self.folder, self.uuid)).instance
        for suffix in ('.in', '.out'):
            status = os.stat(fifos.path_of(where) + suffix)
            self.assertTrue(stat.S_ISFIFO(status.st_mode))
            self.assertEqual(0o660, stat.S_IMODE(status.st_mode))
        self.assertFalse(remembered.make_fifos(
            self.uuid, self.folder, os.getgid()))

    def test_what_was_half_made(self):
        """The service was killed, or the host had no room."""
        where = places.of_pair(os.path.join(self.folder, self.uuid)).instance
        fifos.make_domain_directory(where, os.getgid())
        self.assertTrue(remembered.make_fifos(
            self.uuid, self.folder, os.getgid()))
        for suffix in ('.in', '.out'):
            status = os.stat(fifos.path_of(where) + suffix)
            self.assertTrue(stat.S_ISFIFO(status.st_mode))
            self.assertEqual(0o660, stat.S_IMODE(status.st_mode))


class DirectoryTest(base.BaseTestCase):

    def test_one_that_cannot_be_read_keeps_nothing_from_starting(self):
        """It is of another user, say, since a backup was restored; or the
        disk fails."""
        folder = self.useFixture(fixtures.TempDir()).path
        instance = str(uuid.uuid4())
        kept = remembered.Remembered(os.path.join(folder, 'state'))
        self.assertEqual([], kept.instances())
        kept.add(instance)
        self.assertEqual([instance], kept.instances())
        with mock.patch.object(os, 'listdir', side_effect=PermissionError(
                13, 'Permission denied')):
            self.assertEqual([], kept.instances())
        # Nor does one that is no directory.
        kept = remembered.Remembered(
            os.path.join(folder, 'state', instance))
        self.assertEqual([], kept.instances())
