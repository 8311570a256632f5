# SPDX-License-Identifier: Apache-2.0
"""The FIFOs of a serial port, and the directory that they lie in."""

import os
import pathlib
import stat
import tempfile
import unittest
from unittest import mock

from nova_dmore.posix import fifos


class FifosTest(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.one, self.other = (os.path.join(folder.name, name)
                                for name in ('one', 'other'))
        for each in (self.one, self.other):
            os.mkdir(each)

    def _open(self, directory):
        opened = fifos.open_both(directory)
        for each in opened:
            self.addCleanup(os.close, each)
        return opened

    def test_directory_can_be_entered_and_not_written(self):
        path = os.path.join(self.one, 'domain')
        for group, mode in ((None, 0o711), (os.getgid(), 0o710)):
            fifos.make_domain_directory(path, group)
            status = os.stat(path)
            self.assertEqual(mode, stat.S_IMODE(status.st_mode))
            self.assertEqual(os.getgid(), status.st_gid)

    def test_either_directory_shows_the_fifos_of_the_other(self):
        for made, seen in ((self.one, self.other), (self.other, self.one)):
            fifos.make(made, 0o600, None)
            fifos.share(self.one, self.other)
            _, output = self._open(made)
            os.write(output, b'x')
            self.assertEqual(b'x', os.read(self._open(seen)[1], 10))
            for name in os.listdir(made):
                for each in (made, seen):
                    os.unlink(os.path.join(each, name))

    def test_fifos_that_are_there_stay(self):
        for each in (self.one, self.other):
            fifos.make(each, 0o600, None)
        self._open(self.one)
        _, output = self._open(self.other)
        fifos.share(self.one, self.other)
        os.write(output, b'x')
        self.assertRaises(BlockingIOError, os.read,
                          self._open(self.one)[1], 10)

    def test_a_fifo_is_there_when_it_can_be_used(self):
        """Who is killed in between leaves none that QEMU may not open."""
        with mock.patch.object(os, 'fchmod', side_effect=OSError):
            self.assertRaises(OSError, fifos.make, self.one, 0o660,
                              os.getgid())
        self.assertEqual([], os.listdir(self.one))
        fifos.make(self.one, 0o660, os.getgid())
        self.assertEqual(['serial0.in', 'serial0.out'],
                         sorted(os.listdir(self.one)))
        for name in os.listdir(self.one):
            self.assertEqual(0o660, stat.S_IMODE(os.stat(
                os.path.join(self.one, name)).st_mode))

    def test_what_is_no_fifo_is_not_shared(self):
        secret = pathlib.Path(self.one, 'secret')
        secret.touch()
        os.symlink(secret, os.path.join(self.one, 'serial0.in'))
        pathlib.Path(self.one, 'serial0.out').touch()
        fifos.share(self.one, self.other)
        self.assertEqual([], os.listdir(self.other))
