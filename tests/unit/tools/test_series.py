# SPDX-License-Identifier: Apache-2.0
"""OpenStack's own versions of the series that a release works with."""

import pathlib
import re
import shutil
import tempfile
import unittest
from unittest import mock

from packaging import requirements
from packaging import utils

from nova_dmore.virt import loader
# For the path that it sets.
from tests.unit import tools  # noqa: F401
from laboratory.layout import REPOSITORY
from laboratory import progress
from laboratory.setup import prepare
from laboratory.setup import series
from laboratory.testruns import layers


class ConstraintsTest(unittest.TestCase):

    def test_theirs_go_first(self):
        self.assertEqual(
            '# Theirs\nSome.Thing===1.0\nother===2;python_version<="3.11"\n'
            'nova==3.0.0\nasyncssh==5\n',
            series.constraints(
                '# Theirs\nSome.Thing===1.0\n'
                'other===2;python_version<="3.11"\n',
                '# Ours\nsome_thing==1.1\nOther==2\nasyncssh==5\nnova==2\n',
                ('nova==3.0.0',)))


class SeriesTest(unittest.TestCase):

    def test_each_that_the_plug_in_loads_with(self):
        majors = {int(re.fullmatch(r'nova==(\d+)\..*', services[0])[1])
                  for services in series.SERVICES.values()}
        # 0 is a source tree.
        self.assertEqual(set(loader._NOVA) - {0}, majors)

    def test_each_is_run_and_has_its_file(self):
        run = {one.environment.series
               for one in layers.LAYERS['constraints']}
        self.assertEqual(set(series.SERVICES), run)
        for name in run:
            text = series.Environment(name, '3.11').file.read_text()
            self.assertIn(f'of OpenStack {name}:', text)
            self.assertRegex(text, r'\noslo\.messaging===')

    def test_what_the_package_requires_is_in_each(self):
        """Else pip installs nothing where OpenStack's constraints hold, as in
        DevStack."""
        for name in series.SERVICES:
            chosen = dict(re.findall(
                r'(?m)^(\S+?)===([^;\s]+)',
                series.Environment(name, '3.11').file.read_text()))
            known = {utils.canonicalize_name(package): version
                     for package, version in chosen.items()}
            ours = (REPOSITORY / 'requirements.txt').read_text()
            for line in ours.splitlines():
                if not line.startswith('#'):
                    wanted = requirements.Requirement(line.partition('#')[0])
                    version = known[utils.canonicalize_name(wanted.name)]
                    self.assertIn(version, wanted.specifier,
                                  f'{wanted.name} of {name}')

    def test_each_python_that_the_package_names(self):
        named = re.findall(r'Python :: (3\.\d+)',
                           (REPOSITORY / 'setup.cfg').read_text())
        self.assertEqual(set(named), {
            one.environment.python for name in ('constraints', 'python')
            for one in layers.LAYERS[name]})

    def test_the_newest_is_what_all_other_tests_have(self):
        ours = (REPOSITORY / 'constraints.txt').read_text().splitlines()
        for pin in series.SERVICES[max(series.SERVICES)]:
            self.assertIn(pin, ours)


class InterpreterTest(unittest.TestCase):

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.program = pathlib.Path(folder.name, 'python3.99')

    def found(self):
        with mock.patch.object(shutil, 'which',
                               return_value=str(self.program)):
            return prepare._interpreter('3.99')

    def test_one_that_works(self):
        self.program.write_text('#!/bin/sh\necho works\n')
        self.program.chmod(0o755)
        self.assertEqual(str(self.program), self.found())

    def test_a_stand_in_for_one_that_is_not_there(self):
        self.program.write_text('#!/bin/sh\nexit 127\n')
        self.program.chmod(0o755)
        self.assertRaisesRegex(progress.Failure, '3.99', self.found)
