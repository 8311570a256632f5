# SPDX-License-Identifier: Apache-2.0

import os
import pathlib
import tempfile
import unittest
from unittest import mock

# For the path that it sets.
from tests.unit import tools  # noqa: F401
from laboratory.testbed import bringup
from laboratory.testbed import dashboard
from laboratory import layout
from laboratory.testbed import settings
from laboratory.progress import Failure


class HorizonTest(unittest.TestCase):

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.layout = layout.Layout(pathlib.Path(folder.name).resolve())

    def place(self, horizon):
        return settings.Place(settings.Cloud(
            False, settings.DRIVER, horizon), self.layout)

    def test_started_only_when_asked_for(self):
        self.assertNotIn(dashboard.NAME, bringup._graph(self.place(False)))
        self.assertIn(dashboard.NAME, bringup._graph(self.place(True)))

    def test_the_cloud_knows_that_it_has_it(self):
        self.place(True).cloud.save(self.layout)
        self.assertTrue(settings.Cloud.load(self.layout).horizon)

    def test_not_set_up(self):
        self.assertRaisesRegex(Failure, 'tools/setup', dashboard.start,
                               self.place(True))

    def test_its_settings_are_taken_from_the_environment(self):
        static = self.layout.cache / 'elsewhere'
        static.mkdir(parents=True)
        (self.layout.cache / 'horizon').symlink_to(static)
        given = dashboard.environment(self.layout, 'secret')
        found = {}
        with mock.patch.dict(os.environ, given):
            source = dashboard.SETTINGS / 'local' / 'local_settings.py'
            exec(compile(source.read_text(), source, 'exec'), found)
        self.assertEqual('secret', found['SECRET_KEY'])
        self.assertEqual(f'{static}/static', found['STATIC_ROOT'])
        self.assertEqual('http://10.77.0.10:5000/v3',
                         found['OPENSTACK_KEYSTONE_URL'])


class ScreenshotsTest(unittest.TestCase):

    def test_the_folder_can_be_given(self):
        main = layout.Layout(pathlib.Path('/state'))
        with mock.patch.dict(os.environ):
            os.environ.pop('DMORE_SCREENSHOTS', None)
            self.assertEqual(pathlib.Path('/state/screenshots'),
                             main.screenshots)
            os.environ['DMORE_SCREENSHOTS'] = '/output'
            self.assertEqual(pathlib.Path('/output'), main.screenshots)
