# SPDX-License-Identifier: Apache-2.0
"""What lies on the disk, and who has it."""

import logging
import os
import stat
from unittest import mock

import fixtures

from nova_dmore import exception
from nova_dmore import image_file
from nova_dmore.virt.images import image_store
from tests.unit.virt.images import store_case


class CacheTestCase(store_case.StoreTestCase):
    """With an image that was fetched."""

    def setUp(self):
        super().setUp()
        self.log = self.useFixture(fixtures.FakeLogger(level=logging.WARNING))
        self.store = self._store()
        self.store.current()
        self.directory = self.store.directory(self.digest)
        self.api.download.reset_mock()


class CacheTest(CacheTestCase):
    """What lies on the disk is verified before it is used."""

    def _change(self, name=image_file.ROOT, data=b'changed'):
        path = self.directory / name
        path.chmod(0o644)
        path.write_bytes(data)

    def _assert_again(self, use):
        """It is fetched anew, and nothing else is left."""
        self.api.download.reset_mock()
        use()
        self.api.download.assert_called_once()
        image_file.load(self.directory)
        self.assertEqual([self.directory], self.in_cache())
        self.assertIn(str(self.directory), self.log.output)

    def test_nobody_else_can_write_it(self):
        self.assertEqual(0o555, stat.S_IMODE(self.directory.stat().st_mode))
        self.assertEqual(0o755, stat.S_IMODE(self.cache.stat().st_mode))
        for path in self.directory.iterdir():
            self.assertEqual(0o444, stat.S_IMODE(path.stat().st_mode))
            self.assertEqual(os.geteuid(), path.stat().st_uid)

    def test_nobody_else_can_write_it_whatever_the_umask(self):
        self.addCleanup(os.umask, os.umask(0))
        self.cache = self.temporary / 'other' / 'images'
        self.cache.parent.mkdir(0o755)
        store = self._store()
        store.current()
        for path in (self.cache, store.directory(self.digest)):
            self.assertFalse(path.stat().st_mode & 0o022)

    def test_changed_members(self):
        for name in image_file.MEMBERS:
            for use in (self.store.current,
                        lambda: self.store.ensure(self.digest),
                        self._store(expected_digest=self.digest).current):
                self._change(name)
                self._assert_again(use)

    def test_members_that_are_gone_or_others_files(self):
        root = self.directory / image_file.ROOT

        def link():
            root.rename(self.temporary / 'elsewhere')
            root.symlink_to(self.temporary / 'elsewhere')

        for step in (root.unlink, lambda: root.chmod(0o646), link,
                     lambda: self.directory.chmod(0o777)):
            step()
            self._assert_again(self.store.current)

    def test_a_link_in_place_of_the_folder(self):
        elsewhere = self.temporary / 'elsewhere'
        self.directory.rename(elsewhere)
        elsewhere.chmod(0o777)
        self.directory.symlink_to(elsewhere)
        self._assert_again(self.store.current)
        self.assertFalse(self.directory.is_symlink())
        self.assertTrue((elsewhere / image_file.ROOT).exists())

    def test_changed_and_glance_has_none(self):
        self._change()
        self.glance.clear()
        for use in (self.store.current,
                    lambda: self.store.ensure(self.digest)):
            self.assertRaises(exception.ImageError, use)

    def test_a_folder_on_the_way_that_others_can_write(self):
        for use in (self.store.current, self._store(
                expected_digest=self.digest).current):
            for mode in (0o770, 0o707):
                self.cache.parent.chmod(mode)
                error = self.assertRaises(exception.ImageError, use)
                self.assertIn('[dmore] image_cache_dir', str(error))
                self.assertIn(str(self.cache.parent), str(error))
        self.api.download.assert_not_called()

    def test_a_cache_of_ours_is_closed(self):
        for use in (self.store.current,
                    lambda: self.store.ensure(self.digest)):
            self.cache.chmod(0o775)
            use()
            self.assertEqual(0o755, stat.S_IMODE(self.cache.stat().st_mode))
        self.api.download.assert_not_called()


class GivenAwayTest(CacheTestCase):
    """libvirt has given members to QEMU's user."""

    def setUp(self):
        super().setUp()
        self.others = set()
        self.useFixture(fixtures.MockPatchObject(os, 'fstat', self._fstat))
        self._give_away(image_file.KERNEL, image_file.INITRD,
                        image_file.ROOT)
        # Only the next image is there.
        self.glance.clear()
        self._upload(store_case.make_image(self.temporary, '2.0'))

    def _fstat(self, descriptor, fstat=os.fstat):
        status = fstat(descriptor)
        if status.st_ino not in self.others:
            return status
        fields = list(status)
        fields[stat.ST_UID] = os.geteuid() + 1000
        return os.stat_result(fields)

    def _give_away(self, *names):
        self.before = {}
        for name in names:
            path = self.directory / name
            self.before[name] = path.read_bytes()
            self.others.add(path.stat().st_ino)

    def test_taken_back(self):
        # A QEMU has it open, whose descriptor stays what it is.
        with open(self.directory / image_file.ROOT, 'rb') as opened:
            self.store.ensure(self.digest)
            self.assertEqual(self.before[image_file.ROOT], opened.read())
        self.api.download.assert_not_called()
        image_file.load(self.directory)
        self.assertEqual([self.directory], self.in_cache())
        self.assertEqual(0o555, stat.S_IMODE(self.directory.stat().st_mode))
        for name, content in self.before.items():
            path = self.directory / name
            self.assertEqual(content, path.read_bytes())
            self.assertNotIn(path.stat().st_ino, self.others)
            self.assertEqual(0o444, stat.S_IMODE(path.stat().st_mode))

    def test_by_its_digest(self):
        store = self._store(expected_digest=self.digest)
        self.assertEqual(self.digest, store.current())
        self.api.download.assert_not_called()

    def _assert_refused(self):
        self.assertRaises(exception.ImageError, self.store.ensure,
                          self.digest)
        self.assertEqual([self.directory], self.in_cache())

    def test_changed(self):
        for name in self.before:
            path = self.directory / name
            path.chmod(0o644)
            path.write_bytes(self.before[name] + b'x')
            self._assert_refused()
            path.write_bytes(self.before[name])
        self.store.ensure(self.digest)

    def test_changed_while_it_is_copied(self):
        path = self.directory / image_file.ROOT
        path.chmod(0o644)

        def copy(directory, target, copy=image_file.copy):
            path.write_bytes(b'changed')
            copy(directory, target)

        with mock.patch.object(image_file, 'copy', copy):
            self._assert_refused()

    def test_others_can_write_it_too(self):
        (self.directory / image_file.ROOT).chmod(0o646)
        self._assert_refused()

    def test_the_manifest(self):
        # It says what the others are to be.
        self._give_away(image_file.MANIFEST)
        self._assert_refused()

    def test_no_room(self):
        with mock.patch.object(image_file.os, 'fsync', side_effect=OSError(
                28, 'No space')):
            self._assert_refused()
        self.assertRegex(self.log.output, 'cannot (write|copy) .*No space')
        with mock.patch.object(image_store.ImageStore, '_discard',
                               side_effect=OSError(28, 'No space')):
            self._assert_refused()
