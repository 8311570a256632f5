# SPDX-License-Identifier: Apache-2.0
"""Images that nobody needs any more."""

import os
import time

import fixtures

from nova_dmore import exception
from nova_dmore.virt.images import image_store
from tests.unit.virt.images import store_case

NEWER_ID = '6b3b0c52-59c1-4b0e-8f58-0a5a4c3d2b10'


class PruneTest(store_case.StoreTestCase):

    def setUp(self):
        super().setUp()
        self.store = self._store()
        self.store.current()
        self.old = self.digest
        self.new = self._upload(store_case.make_image(
            self.temporary, version='1.1'), NEWER_ID, day=2)
        self.store.current()

    def _age(self, *digests, seconds=image_store.JUST_USED_S + 10):
        when = time.time() - seconds
        for digest in digests:
            os.utime(self.store.directory(digest), (when, when))

    def _cached(self):
        return [image.digest for image in self.store.cached()]

    def test_newest(self):
        self.assertEqual(self.new, self.store.newest())
        self.assertEqual(self.old, self._store(
            expected_digest=self.old).newest())
        self.glance.clear()
        self.assertRaises(exception.ImageError, self.store.newest)

    def test_newest_fetches_nothing(self):
        self.api.download.reset_mock()
        newer = self._upload(store_case.make_image(
            self.temporary, version='1.2'), 'i3', day=3)
        self.assertEqual(newer, self.store.newest())
        self.api.download.assert_not_called()

    def test_cached(self):
        self._age(self.old)
        self.assertEqual([self.new, self.old], self._cached())
        image = self.store.cached()[1]
        self.assertEqual('1.0', image.version)
        self.assertGreater(image.size, 100)
        self.assertAlmostEqual(time.time() - image_store.JUST_USED_S - 10,
                               image.used_at, delta=60)

    def test_cached_where_nothing_was_fetched(self):
        self.cache = self.temporary / 'none'
        self.assertEqual([], self._store().cached())
        self.assertEqual([], self._store().prune([]))

    def test_a_damaged_one(self):
        path = self.store.directory(self.old)
        path.chmod(0o755)
        (path / 'manifest.json').unlink()
        self._age(self.old)
        self.assertIsNone(self.store.cached()[1].version)
        self.assertEqual([self.old], self.store.prune([self.new]))

    def test_what_is_used_stays(self):
        self._age(self.old, self.new)
        self.assertEqual([], self.store.prune({self.old, self.new}))
        self.assertEqual([self.old], self.store.prune({self.new}))
        self.assertEqual([self.new], self._cached())
        self.assertEqual([self.store.directory(self.new)],
                         self.in_cache())

    def test_what_was_just_used_stays(self):
        # A destination has, say, and its record is not written yet.
        self._age(self.old)
        self.store.ensure(self.old)
        self.assertEqual([], self.store.prune({self.new}))
        self._age(self.old)
        self.assertEqual([self.old], self.store.prune({self.new}))

    def test_the_configured_one_stays(self):
        store = self._store(expected_digest=self.old)
        self._age(self.old, self.new)
        self.assertEqual([self.new], store.prune([]))

    def test_what_was_left_over(self):
        for name, seconds in (('.fetch-x', 9999), ('.copied-y', 10),
                              ('.discarded-z', 9999), ('notes', 9999)):
            path = self.cache / name
            path.mkdir()
            when = time.time() - seconds
            os.utime(path, (when, when))
        self.store.prune({self.old, self.new})
        self.assertEqual(
            sorted(['.copied-y', 'notes', self.old, self.new]),
            sorted(path.name for path in self.in_cache()))

    def test_the_folder_cannot_be_read(self):
        self.useFixture(fixtures.MockPatch(
            'pathlib.Path.iterdir', side_effect=PermissionError(13, 'no')))
        error = self.assertRaises(exception.ImageError, self.store.prune, [])
        self.assertIn('[dmore] image_cache_dir', str(error))
