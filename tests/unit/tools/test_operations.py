# SPDX-License-Identifier: Apache-2.0

import ast
import collections
import json
import pathlib
import re
import tempfile
import unittest
from unittest import mock

# For the path that it sets.
from tests.unit import tools  # noqa: F401
from laboratory.layout import REPOSITORY
from laboratory.operations import catalogue
from laboratory.operations import page
from laboratory.testruns import cli
from laboratory.testruns import inside
from laboratory.testruns.counts import Counts

TESTS = [test for row in catalogue.OPERATIONS for test in row.tests]


def _functional_tests() -> set[str]:
    """Names of all tests that are there, those of base classes too."""
    found = set()
    for path in pathlib.Path(REPOSITORY, 'tests/functional').glob('test_*'):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                found |= {f'{path.stem}.{node.name}.{each.name}'
                          for each in node.body
                          if isinstance(each, ast.FunctionDef)}
    return found


class CatalogueTest(unittest.TestCase):

    def test_every_test_is_there(self):
        self.assertEqual(set(), set(TESTS) - _functional_tests())

    def test_rows_are_told_apart(self):
        counted = collections.Counter(
            row.operation for row in catalogue.OPERATIONS)
        self.assertEqual([], [name for name, count in counted.items()
                              if count > 1])
        self.assertTrue(all(row.tests for row in catalogue.OPERATIONS))

    def test_the_runner_finds_them(self):
        for test in TESTS:
            self.assertRegex(catalogue.PREFIX + test, catalogue.regex())
        self.assertIsNone(re.search(
            catalogue.regex(), catalogue.PREFIX + TESTS[0] + '_else'))

    def test_report(self):
        first, *_ = catalogue.OPERATIONS
        name = catalogue.PREFIX + first.tests[0]
        report = catalogue.report({name: True})
        self.assertEqual(len(TESTS), len(report))
        self.assertEqual({
            'operation': first.operation, 'pair': first.pair,
            'ssh': first.ssh, 'serial': first.serial, 'vnc': first.vnc,
            'test': name, 'passed': True}, report[0])
        self.assertEqual({False}, {row['passed'] for row in report
                                   if row['test'] != name})

    def test_the_page_is_made_of_it(self):
        """``python -m laboratory.operations.page`` writes it."""
        self.assertEqual(page.text(), page.PATH.read_text())


class RunTest(unittest.TestCase):

    def test_json(self):
        name = catalogue.PREFIX + TESTS[0]
        counts = Counts().with_one('success', name).with_one(
            'fail', catalogue.PREFIX + TESTS[1])
        with tempfile.TemporaryDirectory() as directory:
            file = pathlib.Path(directory, 'operations.json')
            with mock.patch.object(inside.runs, 'run', return_value=counts):
                self.assertEqual(1, inside.main(
                    ['operations', '--json', str(file)]))
            rows = json.loads(file.read_text())
        self.assertEqual({name}, {row['test'] for row in rows
                                  if row['passed']})

    def test_of_other_layers_there_is_none(self):
        options = cli.parser().parse_args(['unit', '--json', 'file'])
        self.assertRaises(cli.Failure, cli.chosen, options)
