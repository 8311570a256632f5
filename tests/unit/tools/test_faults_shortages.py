# SPDX-License-Identifier: Apache-2.0

import pathlib
import tempfile
import unittest
from unittest import mock

# For the path that it sets.
from tests.unit import tools  # noqa: F401
from laboratory.faults import shortages


class ImageMissingTest(unittest.TestCase):

    def setUp(self):
        super().setUp()
        folder = pathlib.Path(
            self.enterContext(tempfile.TemporaryDirectory()))
        self.cache = folder / 'images'
        for name in ('first', 'second'):
            (self.cache / name).mkdir(parents=True)
            (self.cache / name / 'kernel').write_text('before')
        self.scene = mock.Mock()
        self.scene.place.image_cache.return_value = self.cache
        self.scene.place.credentials.return_value = {}
        self.scene.api._sdk.image.images.return_value = []
        self.fault = shortages.ImageMissing()

    def test_the_cache_is_empty_and_stays(self):
        """Only root could make another one."""
        before = self.cache.stat().st_ino
        self.fault.inject(self.scene)
        self.assertEqual(before, self.cache.stat().st_ino)
        self.assertEqual([], list(self.cache.iterdir()))

    def test_what_was_there_comes_back(self):
        self.fault.inject(self.scene)
        # Fetched when Glance had it again.
        (self.cache / 'second').mkdir()
        (self.cache / 'second' / 'kernel').write_text('after')
        self.fault.repair(self.scene)
        self.assertEqual({'first': 'before', 'second': 'after'}, {
            path.name: (path / 'kernel').read_text()
            for path in self.cache.iterdir()})
        self.assertEqual([self.cache], list(self.cache.parent.iterdir()))
