# SPDX-License-Identifier: Apache-2.0

import io
import pathlib
import re
import tempfile
import unittest
from unittest import mock

# For the path that it sets.
from tests.unit import tools  # noqa: F401
from laboratory import launch
from laboratory.layout import REPOSITORY
from laboratory import progress
from laboratory.testruns import cli
from laboratory.testruns.counts import Counts
from laboratory.testruns import expected
from laboratory.testruns import inside
from laboratory.testruns import layers
from laboratory.testruns import runs


class CountsTest(unittest.TestCase):

    def test_last_line(self):
        self.assertEqual('3 passed, 0 failed', str(Counts(3)))
        self.assertEqual('0 passed, 2 failed, 1 skipped',
                         str(Counts(failed=2, skipped=1)))
        self.assertEqual('1 passed, 0 failed, 2 failed as expected',
                         str(Counts(1, expected=2)))

    def test_sum(self):
        self.assertEqual(Counts(5, 7, 9, 11),
                         Counts(1, 2, 3, 4) + Counts(4, 5, 6, 7))

    def test_ends_of_tests(self):
        for status, counts in (
                ('success', Counts(passed=1)), ('xfail', Counts(expected=1)),
                ('skip', Counts(skipped=1)), ('fail', Counts(failed=1)),
                ('uxsuccess', Counts(failed=1)),
                ('inprogress', Counts(failed=1))):
            with self.subTest(status):
                self.assertEqual(counts, Counts().with_one(status))
        self.assertRaises(KeyError, Counts().with_one, 'exists')

    def test_no_test_is_a_failure(self):
        self.assertEqual(Counts(failed=1), Counts().checked(True))
        self.assertEqual(Counts(0, 1, 4), Counts(skipped=4).checked(True))

    def test_an_error_of_stestr_is_a_failure(self):
        self.assertEqual(Counts(3, 1), Counts(3).checked(False))
        self.assertEqual(Counts(3, 2), Counts(3, 2).checked(False))
        self.assertEqual(Counts(3), Counts(3).checked(True))
        self.assertEqual(Counts(expected=3), Counts(expected=3).checked(True))


class ExpectedTest(unittest.TestCase):
    """Tests of others, of which some cannot hold."""

    def load(self, text):
        with tempfile.NamedTemporaryFile('w') as file:
            file.write(text)
            file.flush()
            return expected.load(pathlib.Path(file.name))

    def test_names_and_reasons(self):
        self.assertEqual({'a.B.c': 'so it is: really'}, self.load(
            '# remark\n\n a.B.c :: so it is: really\n'))

    def test_no_reason(self):
        for line in ('a.B.c', 'a.B.c ::', ':: why'):
            with self.assertRaisesRegex(progress.Failure, ':2: no "NAME'):
                self.load(f'#\n{line}')

    def test_what_becomes_of_an_end(self):
        for name in ('a.B.c', 'a.B.c[id-7,slow]'):
            for found, told in (('fail', 'xfail'), ('success', 'uxsuccess'),
                                ('skip', 'skip')):
                self.assertEqual(told, expected.status(
                    {'a.B.c': 'x'}, name, found))
                self.assertEqual(found, expected.status({}, name, found))

    def test_one_that_is_none(self):
        self.assertEqual(['a.B.d'], expected.absent(
            {'a.B.d': 'x', 'a.B.c': 'y'}, ['a.B.c[id-7,slow]', 'a.B.e']))

    def test_those_that_there_are(self):
        for name in ('tempest', 'nova'):
            expected.load(REPOSITORY / 'tests' / name / 'expected.txt')


class MatrixTest(unittest.TestCase):

    NAME = 'tests.integration.test_cloud_mixed.MixedTest.test_there_and_back'

    def test_some_of_it(self):
        own, newer, mixed, _rest = layers.LAYERS['matrix']
        for one, only, matches in (
                (own, None, True), (own, 'there', True), (newer, 'x|MixedTest',
                                                          True),
                (own, '^tests.*back$', True), (own, 'paste', False),
                (mixed, None, False), (mixed, 'MixedTest', False)):
            with self.subTest(kind=one.kind, only=only):
                self.assertEqual(matches, bool(re.search(
                    runs.both(one.tests, only), self.NAME)))

    def test_all_of_a_layer(self):
        self.assertIsNone(runs.both(None, None))
        self.assertEqual('x', runs.both(None, 'x'))


class ChoiceTest(unittest.TestCase):

    def test_what_is_left_out_is_there(self):
        for folder, names in (('integration', layers.LONG),
                              ('functional', layers.KINDS)):
            for name in names:
                module, _, kind = name.partition('.')
                text = (REPOSITORY / 'tests' / folder
                        / f'{module}.py').read_text()
                self.assertIn(f'\nclass {kind}', text)

    def test_each_test_is_in_one_of_the_two(self):
        *_, most = layers.LAYERS['integration']
        _deaths, long = layers.LAYERS['long']
        self.assertEqual((most.path, most.without), (long.path, long.tests))
        for name, is_long in (
                ('tests.integration.test_cloud_drain.DrainTest.test_x', True),
                ('tests.integration.test_cloud_boot.UefiTest.test_x', True),
                ('tests.integration.test_cloud_boot.BiosTest.test_x', False)):
            self.assertEqual(is_long, bool(re.search(long.tests, name)))


class BecameError(Exception):
    """It goes on in another program."""


class CommandTest(unittest.TestCase):

    def run_command(self, *arguments, results=(), failure=None):
        def run(name, *_others):
            self.ran.append(name)
            return next(given)

        def become(_venv, module, words):
            self.assertEqual(inside.__name__, module)
            self.status = inside.main(words)
            # This process would be another one then.
            raise BecameError

        self.ran = []
        given = iter(results)
        with (mock.patch.object(runs, 'run', run),
              mock.patch.object(cli, '_prepare', side_effect=failure),
              mock.patch.object(launch, 'become', become),
              mock.patch('sys.stdout', io.StringIO()) as stdout,
              mock.patch('sys.stderr', io.StringIO()) as stderr):
            try:
                self.status = cli.main(arguments)
            except BecameError:
                pass
        self.stderr = stderr.getvalue()
        return self.status, stdout.getvalue()

    def test_all_layers_are_summed(self):
        self.assertEqual(
            (0, '6 passed, 0 failed, 1 skipped\n'),
            self.run_command(results=[Counts(1), Counts(2, 0, 1), Counts(3)]))
        self.assertEqual(['unit', 'functional', 'integration'], self.ran)

    def test_a_failure_does_not_end_the_run(self):
        self.assertEqual(
            (1, '3 passed, 1 failed\n'),
            self.run_command('unit', 'functional',
                             results=[Counts(0, 1), Counts(3)]))

    def test_what_failed_is_said_before_the_last_line(self):
        self.assertEqual(
            (1, 'FAILED unit: a (fail): no\nFAILED functional: b (fail): no\n'
                '3 passed, 2 failed\n'),
            self.run_command('unit', 'functional', results=[
                Counts(1, 1, failures=('unit: a (fail): no',)),
                Counts(2, 1, failures=('functional: b (fail): no',))]))

    def test_a_layer_without_a_test_that_matches(self):
        self.assertEqual(
            (0, '3 passed, 0 failed\n'),
            self.run_command('--only', 'Some', results=[
                Counts(), Counts(3), Counts()]))

    def test_no_test_at_all_matches(self):
        self.assertEqual(
            (1, 'FAILED no test at all matches Some\n0 passed, 1 failed\n'),
            self.run_command('--only', 'Some', 'unit', 'functional',
                             results=[Counts(), Counts()]))

    def test_set_up_fails(self):
        self.assertEqual((1, '0 passed, 1 failed\n'), self.run_command(
            failure=progress.Failure('a step', 'no disk', '/some/log')))
        for text in ('a step', 'no disk', '/some/log'):
            self.assertIn(text, self.stderr)

    def test_no_such_layer(self):
        self.assertEqual((1, '0 passed, 1 failed\n'),
                         self.run_command('units'))
        self.assertIn('units', self.stderr)


class PrepareTest(unittest.TestCase):

    def prepared(self, user, *names):
        """Which environment layers get, and what is set up beside it; None:
        they need root."""
        with (mock.patch('os.geteuid', return_value=user),
              mock.patch.object(cli.prepare, 'Setup') as setup,
              mock.patch.object(cli.Layout, 'from_environment') as layout):
            try:
                found = cli._prepare(names)
            except progress.Failure:
                return None
            beside = [
                each.args[0].name for each in
                setup.return_value.series_environment.call_args_list]
            return ({setup.return_value.unit_environment.return_value: 'unit',
                     layout.return_value.venv: 'whole'}[found], *beside)

    def test_what_layers_need(self):
        for user, names, wanted in (
                (1000, ['unit'], ('unit',)),
                (1000, ['unit', 'devstack'], None),
                (1000, ['functional'], None), (1000, ['constraints'], None),
                (0, ['devstack'], ('unit',)),
                (0, ['devstack', 'functional'], ('whole',)),
                (0, ['unit', 'python'], (
                    'unit', '2026.2-python3.12', '2026.2-python3.13')),
                (0, ['constraints', 'functional'], (
                    'whole', '2026.1-python3.11', '2026.2-python3.11'))):
            with self.subTest(names, user=user):
                self.assertEqual(wanted, self.prepared(user, *names))
