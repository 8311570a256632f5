# SPDX-License-Identifier: Apache-2.0
"""The schedule of a soak, its ledger, and what is in the catalogue."""

import dataclasses
import io
import itertools
import json
import pathlib
import tempfile
import unittest
from unittest import mock

from tests.unit import tools  # noqa: F401  (finds the imports below)
from laboratory.users import entries
from laboratory.cloud import machines
from laboratory.faults import case
from laboratory.faults import catalogue
from laboratory.faults import outcome
from laboratory.faults import phases
from laboratory.faults import session
from laboratory.faults import stock
from laboratory.faults import table
from laboratory.soak import cli
from laboratory.soak import inside
from laboratory.soak import report
from laboratory.soak import schedule


def make(**changes):
    return outcome.Outcome(**{'fault': 'a', 'phase': 'stop', 'stock': False,
                              'source': 'c1', **changes})


def make_user(**changes):
    nothing = dict.fromkeys((
        'lost', 'silent', 'duplicated', 'reordered', 'output_bytes_missing',
        'output_bytes_duplicated', 'disconnects', 'tcp_retransmits'), 0)
    return entries.User(**{'sent': 100, 'received': 100, 'break_s': 0.0,
                           'max_response_ms': 9.0, **nothing, **changes})


class CatalogueTest(unittest.TestCase):

    def test_names_are_names_of_tests(self):
        for name, maker in catalogue.FAULTS.items():
            self.assertTrue(name.isidentifier(), name)
            self.assertEqual(name, catalogue.key(maker().name))

    def test_phases(self):
        cases = list(catalogue.cases())
        self.assertEqual(len(cases), len(set(cases)))
        self.assertEqual(set(phases.PHASES), {phase for _, phase in cases})

    def test_stock_has_no_domain_r(self):
        names = {fault for fault, _ in catalogue.cases(stock=True)}
        self.assertFalse([name for name in names
                          if 'domain_r' in name or 'shadow' in name])


class ScheduleTest(unittest.TestCase):

    def _take(self, seed, count=400):
        return list(itertools.islice(schedule.schedule(seed), count))

    def test_seed_reproduces_it(self):
        self.assertEqual(self._take(7), self._take(7))
        self.assertNotEqual(self._take(7), self._take(8))

    def test_all_cases_and_quiet_ones_come(self):
        taken = self._take(1)
        self.assertEqual(set(catalogue.cases()) | {(None, None)}, set(taken))

    def test_plain(self):
        self.assertEqual([(None, None)] * 3,
                         list(itertools.islice(schedule.plain(), 3)))

    def test_chosen(self):
        self.assertEqual([('force_complete', 'stop')],
                         schedule.chosen(['force_complete:stop']))
        self.assertEqual(len(phases.PHASES),
                         len(schedule.chosen(['force_complete:*'])))
        for wrong in ('force:stop', 'force_complete', 'force_complete:x'):
            self.assertRaises(ValueError, schedule.chosen, [wrong])


class ReportTest(unittest.TestCase):

    def test_verdicts(self):
        self.assertEqual('good', make().verdict)
        self.assertEqual('wrong', make(problems=('x',)).verdict)
        # Too late is no pass, and no failure of what was tested.
        self.assertEqual('nothing happened', make(nothing='late').verdict)
        self.assertEqual('wrong', make(nothing='late',
                                       problems=('x',)).verdict)
        self.assertEqual('corrupted', make(problems=('x',),
                                           corrupted='Oops').verdict)

    def test_exit_status(self):
        self.assertTrue(report.failed([]))
        self.assertTrue(report.failed([make(corrupted='Oops')]))
        self.assertTrue(report.failed([make(), make(problems=('x',))]))
        self.assertFalse(report.failed([make(), make(corrupted='Oops')]))

    def test_summary_is_one_line(self):
        text = report.summary([make(), make(corrupted='Oops')], 5)
        self.assertEqual(1, len(text.splitlines()))
        self.assertIn('seed 5', text)
        self.assertIn('1 good, 0 wrong', text)
        self.assertIn('1 not counted', text)
        self.assertEqual(3, len(report.ledger([make(), make()]
                                              ).splitlines()))

    def test_summary_counts_what_was_lost_and_what_is_ambiguous(self):
        lossy = make_user(lost=2, duplicated=1, output_bytes_missing=30)
        outcomes = [
            make(users={'ssh': lossy, 'vnc': make_user()}, ambiguous=1),
            make(users={'ssh': make_user(output_bytes_duplicated=9)},
                 ambiguous=2),
            make(users={'ssh': lossy}, ambiguous=4, corrupted='Oops')]
        text = report.summary(outcomes, None)
        self.assertTrue(text.startswith('3 migrations with '), text)
        self.assertIn('300 keys, 2 lost, 1 doubled; 30 bytes of output '
                      'missing, 9 doubled; 3 ambiguous reports', text)
        self.assertNotIn('busy', text)
        self.assertIn('beside 2 busy loops', report.summary(
            [make(load=2)], None))
        self.assertEqual(['2', '100', '100', '2'], report.ledger(
            outcomes).splitlines()[2].split()[-4:])


class StockTest(unittest.TestCase):

    def test_saved_and_loaded(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / 'stock.json'
            self.assertEqual({}, stock.load(path))
            stock.save([make(stock=True, signature='x')], path)
            stock.save([make(stock=True, signature='y', phase='live'),
                        make(signature='of a pair'),
                        make(stock=True, signature='z', nothing='late'),
                        make(stock=True, signature='z', corrupted='Oops')],
                       path)
            stock.save([make(stock=True, signature='z')], path)
            ends = stock.load(path)
            self.assertEqual({('a', 'stop'): {'x', 'z'},
                              ('a', 'live'): {'y'}}, ends)
            self.assertEqual({'x', 'y', 'z'}, stock.under(ends, 'a'))
            self.assertEqual(set(), stock.under(ends, 'b'))

    def test_what_was_measured_is_in_the_catalogue(self):
        self.assertLessEqual(set(stock.load()),
                             set(catalogue.cases(stock=True)))


class CommandLineTest(unittest.TestCase):

    def test_defaults(self):
        options = cli.parser().parse_args([])
        self.assertEqual((30, None, [], False), (
            options.minutes, options.seed, options.case, options.stock))
        self.assertEqual((None, 'random', 0), (
            options.migrations, options.faults, options.load))

    def test_plain_migrations_under_load(self):
        options = cli.parser().parse_args(
            '--minutes 15 --load 2 --faults none --migrations 3'.split())
        self.assertEqual((15, 2), (options.minutes, options.load))
        self.assertEqual([(None, None)] * 3, list(inside._steps(options)))
        self.assertEqual({'ssh', 'serial', 'vnc'},
                         set(inside._trial(options).users))

    def test_so_many_migrations_with_faults(self):
        parse = cli.parser().parse_args
        options = parse(['--migrations', '7', '--seed', '1'])
        self.assertEqual(7, len(list(inside._steps(options))))
        self.assertIs(session.PAIR, inside._trial(options))
        self.assertIs(session.STOCK, inside._trial(parse(['--stock'])))

    def test_wrong_ones_name_their_option(self):
        for option, *words in (
                ('--load', '--load', '0'), ('--load', '--load', 'two'),
                ('--migrations', '--migrations', '0'),
                ('--faults', '--faults', 'some'),
                ('--case', '--faults', 'none', '--case', '*:stop')):
            with mock.patch('sys.stderr', io.StringIO()) as said:
                self.assertRaises(SystemExit, cli.parser().parse_args, words)
            self.assertIn(f'error: argument {option}: ', said.getvalue())


class AmbiguousTest(unittest.TestCase):

    def test_each_report_counts_once(self):
        report_ = ('Console of instance x: gap in serial0_in: {}, 1 bytes: '
                   'why\n')
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / 'log'
            path.write_text(report_.format('ambiguous'))
            logs = [machines.GrowingLog(path)]
            self.assertEqual(0, inside._ambiguous(logs))
            with path.open('a') as stream:
                stream.write(report_.format('ambiguous'))
                stream.write(report_.format('exact'))
                stream.write(report_.format('ambiguous')[:-3])
            self.assertEqual(1, inside._ambiguous(logs))
            with path.open('a') as stream:
                stream.write(report_.format('ambiguous')[-3:])
            self.assertEqual(1, inside._ambiguous(logs))
            self.assertEqual(0, inside._ambiguous(logs))
            # A log that was made anew.
            path.write_text(report_.format('ambiguous'))
            self.assertEqual(1, inside._ambiguous(logs))


class UnheededTest(unittest.TestCase):

    def test_a_plain_migration_has_to_move(self):
        one = mock.Mock(_phase=None)
        unheeded = case._Case._unheeded
        self.assertEqual([], unheeded(one, '', True, ''))
        self.assertEqual(['without a fault the instance has not moved'],
                         unheeded(one, '', False, ''))
        self.assertEqual(['without a fault the instance has not moved: no'],
                         unheeded(one, '', False, 'no'))


class TableTest(unittest.TestCase):

    def _rows(self, outcomes, as_stock=None):
        text, _space, rest = table.render(outcomes, as_stock or {}
                                          ).partition('\n\n1 of')
        self.assertNotIn('force-complete: begin', rest)
        return {tuple(cell.strip() for cell in row.split('\n     - ')[:2]):
                row for row in text.split('   * - ')[2:]}

    def test_what_was_not_run_is_said(self):
        text = table.render([], {})
        self.assertIn(f'0 of {len(list(catalogue.cases()))} cases', text)
        self.assertIn(f'- force-complete: {", ".join(phases.PHASES)}', text)

    def test_all_was_run(self):
        text = table.render([make(fault=fault, phase=phase) for fault, phase
                             in catalogue.cases()], {})
        self.assertNotIn('Not run', text)

    def test_what_was_measured(self):
        row = self._rows([
            make(fault='force_complete', phase='begin', moved=True,
                 signature='Nova: ACTIVE at the destination'),
            make(fault='force_complete', phase='begin', corrupted='Oops'),
            make(fault='force_complete', phase='begin', nothing='late')],
            {('force_complete', 'begin'): frozenset(('as ever',))})[
                'force-complete', 'begin']
        self.assertIn('moved', row)
        self.assertIn('as ever', row)
        for words in ('Oops', 'late', 'not run'):
            self.assertNotIn(words, row)

    def test_as_stock_leaves_it_is_not_wrong(self):
        one = make(fault='force_complete', phase='begin', signature='Nova: x',
                   problems=('Nova: x; with stock Nova: not measured',))
        self.assertIn('**wrong**', table.render([one], {}))
        for phase in ('begin', 'stop'):
            self.assertNotIn('**wrong**', table.render([one], {
                ('force_complete', phase): frozenset(('Nova: x',))}))

    def test_recorded_and_loaded(self):
        one = make(gaps=(('serial0_out', 'exact', 5),), problems=('x',))
        text = json.dumps(dataclasses.asdict(one))
        self.assertEqual([one], outcome.load([text]))
