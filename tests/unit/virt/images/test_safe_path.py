# SPDX-License-Identifier: Apache-2.0

import os
import pathlib
from unittest import mock

import fixtures

from nova_dmore.virt.images import safe_path
from tests.unit.virt import fakes


class SafePathTest(fakes.TestCase):

    def setUp(self):
        super().setUp()
        self.top = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.folder = self.top / 'a' / 'b'
        self.folder.mkdir(0o755, parents=True)
        self.file = self.folder / 'file'
        self.file.touch(0o644)

    def _unsafe(self, path, *texts):
        error = self.assertRaises(
            safe_path.UnsafeError, safe_path.check, path)
        for text in texts:
            self.assertIn(str(text), str(error))

    def test_safe(self):
        for path in (self.file, self.folder, pathlib.Path('/')):
            safe_path.check(path)

    def test_each_part_of_the_way(self):
        for part in (self.top / 'a', self.folder, self.file):
            before = part.stat().st_mode & 0o777
            for mode in (0o020, 0o002):
                part.chmod(before | mode)
                self._unsafe(self.file, part, f'{before:04o}')
            part.chmod(before)
        safe_path.check(self.file)

    def test_in_a_sticky_folder_each_has_his_own(self):
        self.folder.chmod(0o1777)
        safe_path.check(self.file)

    def test_another_owner(self):
        us = os.geteuid()
        if us == 0:
            os.chown(self.folder, 12345, -1)
        with mock.patch('os.geteuid', return_value=us and us + 1):
            self._unsafe(self.file, 'belongs to user')

    def test_links(self):
        link = self.top / 'link'
        for target in (self.folder, pathlib.Path('a/b'),
                       pathlib.Path('a/../a/b')):
            link.symlink_to(target)
            safe_path.check(link / 'file')
            self.folder.chmod(0o777)
            self._unsafe(link / 'file', self.folder)
            self.folder.chmod(0o755)
            link.unlink()

    def test_a_link_that_others_can_exchange(self):
        middle = self.top / 'open'
        middle.mkdir()
        (middle / 'second').symlink_to(self.folder)
        (self.top / 'first').symlink_to(middle / 'second')
        safe_path.check(self.top / 'first' / 'file')
        middle.chmod(0o777)
        self._unsafe(self.top / 'first' / 'file', middle)

    def test_links_without_end(self):
        (self.top / 'loop').symlink_to('loop')
        self._unsafe(self.top / 'loop' / 'file', 'too many links')

    def test_what_is_not_there(self):
        self.assertRaises(FileNotFoundError, safe_path.check,
                          self.folder / 'none')
