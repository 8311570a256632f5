# SPDX-License-Identifier: Apache-2.0

import os
import pathlib

import fixtures

from nova_dmore.virt.pair import kernel_log
from tests.unit.virt import fakes

OTHER_UUID = '9b0b0c52-59c1-4b0e-8f58-0a5a4c3d2b10'


class RemoveTest(fakes.TestCase):

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger())
        self.log_dir = self.useFixture(fixtures.TempDir()).path
        self.path = pathlib.Path(kernel_log.path(self.log_dir, fakes.UUID))

    def _remove(self):
        kernel_log.remove(self.log_dir, fakes.UUID)
        return os.listdir(self.log_dir)

    def test_also_what_was_rotated(self):
        for suffix in ('', '.0', '.1'):
            pathlib.Path(f'{self.path}{suffix}').touch()
        other = pathlib.Path(kernel_log.path(self.log_dir, OTHER_UUID))
        other.touch()
        self.assertEqual([other.name], self._remove())
        self.assertEqual('', self.log.output)

    def test_whose_there_are(self):
        for name in (f'{self.path.name}', f'domr-{OTHER_UUID}.log.1',
                     'hostd.log', 'domr-x.log'):
            pathlib.Path(self.log_dir, name).touch()
        self.assertEqual({fakes.UUID, OTHER_UUID},
                         kernel_log.instances(self.log_dir))
        self.assertEqual(set(), kernel_log.instances('/nonexistent'))

    def test_there_is_none(self):
        self.assertEqual([], self._remove())
        os.rmdir(self.log_dir)
        kernel_log.remove(self.log_dir, fakes.UUID)
        self.assertEqual('', self.log.output)
        os.mkdir(self.log_dir)

    def test_it_cannot_be_removed(self):
        self.path.mkdir()
        self.assertEqual([self.path.name], self._remove())
        (line,) = self.log.output.splitlines()
        self.assertIn(str(self.path), line)
