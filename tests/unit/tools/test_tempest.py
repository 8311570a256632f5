# SPDX-License-Identifier: Apache-2.0

import pathlib
import unittest

# For the path that it sets.
from tests.unit import tools  # noqa: F401
from laboratory.layout import Layout
from laboratory.tempest import configuration
from laboratory.testbed import inifile
from laboratory.testbed import settings


class ConfigurationTest(unittest.TestCase):

    def test_what_is_to_be_asked_and_where(self):
        place = settings.Place(settings.Cloud(False, settings.DRIVER),
                               Layout(pathlib.Path('/state')))
        made = configuration.tempest(place, ('i1', 'i2'), ('f1', 'f2'),
                                     pathlib.Path('/work'))
        self.assertEqual(place.cloud.admin, made['auth']['admin_password'])
        self.assertEqual('i2', made['compute']['image_ref_alt'])
        self.assertTrue(made['compute-feature-enabled']['serial_console'])
        self.assertIn('uri_v3', inifile.render(made))
