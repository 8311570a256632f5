# SPDX-License-Identifier: Apache-2.0

import contextlib
import pathlib
import subprocess
import sys
import tempfile
import textwrap
import unittest
from unittest import mock

# For the path that it sets.
from tests.unit import tools  # noqa: F401
from laboratory import layout
from laboratory.testruns import layers
from laboratory.testruns.counts import Counts
from laboratory.testruns import runs


class RunTest(unittest.TestCase):
    """Real runs of stestr over a test module that is written here."""

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.folder / 'some').mkdir()
        (self.folder / 'some' / '__init__.py').touch()
        (self.folder / '.stestr.conf').write_text('[DEFAULT]\n')
        self.enterContext(mock.patch.object(runs, 'REPOSITORY',
                                            self.folder))
        self.said = []

    def say(self, text):
        self.said.append(text)

    def step(self, name):
        return contextlib.nullcontext()

    def run_tests(self, body, limit_s=60.0, only=None, expected=None,
                  without=None):
        (self.folder / 'some' / 'test_it.py').write_text(
            'import os, time, unittest\n\nclass It(unittest.TestCase):\n'
            + textwrap.indent(textwrap.dedent(body), '    '))
        one = layers.Run('some', 1, limit_s, expected=expected,
                         without=without)
        with mock.patch.dict(layers.LAYERS, {'some': (one,)}):
            return runs.run('some', layout.Layout(self.folder / 'state'),
                            pathlib.Path(sys.prefix), self, only)

    def test_each_kind(self):
        counts = self.run_tests('''
            def test_a(self):
                pass

            def test_b(self):
                self.fail('as written')

            @unittest.skip('no reason')
            def test_c(self):
                pass

            @unittest.expectedFailure
            def test_d(self):
                self.fail('expected')
            ''')
        self.assertEqual(Counts(1, 1, 1, 1), counts)
        self.assertEqual(('some: some.test_it.It.test_b (fail): '
                          'AssertionError: as written',), counts.failures)

    def test_all_but_some(self):
        body = '''
            def test_a(self):
                pass

            def test_bb(self):
                self.fail('not this time')

            def test_cb(self):
                pass
            '''
        self.assertEqual(Counts(2), self.run_tests(body, without='_bb$'))
        self.assertEqual(Counts(1), self.run_tests(
            body, only='b$', without='_bb$'))
        self.assertEqual(Counts(), self.run_tests(
            body, only='_bb', without='_bb$'))

    def test_those_that_are_expected_to_fail(self):
        body = '''
            def test_a(self):
                pass

            def test_b(self):
                self.fail('as expected')
            '''
        file = self.folder / 'expected.txt'
        file.write_text('some.test_it.It.test_b :: it fails\n')
        self.assertEqual(Counts(1, expected=1),
                         self.run_tests(body, expected=file))
        self.assertEqual(Counts(expected=1), self.run_tests(
            body, only='test_b', expected=file))
        file.write_text('some.test_it.It.test_a :: it fails\n'
                        'some.test_it.It.test_c :: there is none\n')
        counts = self.run_tests(body, expected=file)
        self.assertEqual(Counts(failed=3), counts)
        self.assertEqual('some: some.test_it.It.test_c is expected to fail, '
                         'and there is no such test', counts.failures[-1])

    def test_a_process_that_ends_in_a_test(self):
        self.assertEqual(Counts(1, 1), self.run_tests('''
            def test_a(self):
                pass

            def test_b(self):
                os._exit(0)

            def test_c(self):
                pass
            '''))

    def test_a_process_that_is_killed_after_its_tests(self):
        self.assertEqual(Counts(1, 1), self.run_tests('''
            def test_a(self):
                pass

            @classmethod
            def tearDownClass(cls):
                os.kill(os.getpid(), 9)
            '''))

    def test_too_long(self):
        self.assertEqual(Counts(failed=1), self.run_tests('''
            def test_a(self):
                time.sleep(60)
            ''', limit_s=3))
        self.assertIn('not at their end after 3 s', ''.join(self.said))
        left = subprocess.run(['ps', '-eo', 'args'], capture_output=True,
                              text=True, check=True).stdout
        self.assertNotIn(str(self.folder), left)

    def test_a_module_that_cannot_be_imported(self):
        self.assertEqual(Counts(failed=1), self.run_tests('import nothing\n'))

    def test_some(self):
        body = '''
            def test_a(self):
                pass

            def test_b(self):
                self.fail('not chosen')
            '''
        self.assertEqual(Counts(1), self.run_tests(body, only='test_a'))
        self.assertEqual(Counts(), self.run_tests(body, only='test_none'))

    def test_some_of_a_module_that_cannot_be_imported(self):
        self.assertEqual(Counts(failed=1), self.run_tests(
            'import nothing\n', only='test_none'))
