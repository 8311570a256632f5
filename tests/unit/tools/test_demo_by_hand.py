# SPDX-License-Identifier: Apache-2.0

import pathlib
import shlex
import unittest

# For the path that it sets.
from tests.unit import tools  # noqa: F401
from laboratory.demo import by_hand
from laboratory.layout import Layout
from laboratory.testbed import cli
from laboratory.testbed import settings


class CommandsTest(unittest.TestCase):

    def test_each_is_a_command_of_the_test_cloud(self):
        place = settings.Place(settings.Cloud(False, settings.DRIVER),
                               Layout(pathlib.Path('/state')))
        said = by_hand.commands(place, 'ssh://console@10.88.0.100',
                                'http://10.77.0.10/x?path=%3Ftoken%3D1&a=b')
        found = [shlex.split(line) for line in said.splitlines()
                 if line.startswith('    tools/testbed')]
        self.assertEqual(5, len(found))
        for _testbed, *words in found:
            cli.parser().parse_args(words)
        self.assertIn('http://10.77.0.10/x?path=%3Ftoken%3D1&a=b',
                      found[1])
