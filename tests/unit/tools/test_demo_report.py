# SPDX-License-Identifier: Apache-2.0
"""What the demonstration reads, and what it says."""

import unittest

from tests.unit import tools  # noqa: F401  (finds the imports below)
from laboratory.users import corruption
from laboratory.users import entries
from laboratory.users import figures
from laboratory.demo import report

JOBINFO = '''Job type:         Completed
Operation:        Incoming migration
Time elapsed:     1443         ms
Total downtime:   323          ms
Downtime w/o network: 320          ms
'''
SOCKETS = '''ESTAB 0 0 10.88.0.1:4022 10.88.0.105:22 cubic retrans:0/3 mss:1448
ESTAB 0 0 10.88.0.1:4023 10.88.0.105:22 cubic retrans:1/14 dsack_dups:1
ESTAB 0 0 10.88.0.1:4024 10.88.0.105:22 cubic rto:204
'''
SKEW = ('2026-11-24 INFO source [instance: {}] Instance stopped, Domain R '
        '3.2 ms later frozen and {} ms later stopped (acknowledged: True)\n')


def make_user(**changes) -> entries.User:
    values = dict.fromkeys((
        'lost', 'silent', 'duplicated', 'reordered', 'output_bytes_missing',
        'output_bytes_duplicated', 'disconnects', 'tcp_retransmits'), 0)
    return entries.User(**{
        'sent': 100, 'received': 100, 'break_s': 0.0,
        'max_response_ms': 321.5, **values, **changes})


def make_entry(corrupted: str | None = None, **changes) -> entries.Entry:
    users = {'ssh': make_user(**changes),
             'serial': make_user(responses=RESPONSES, echoes=ECHOES),
             'vnc': make_user(responses=RESPONSES, wrong_pixels=0)}
    return entries.Entry('c1', 'c2', users, 4.5, 300.0, 350.0, 6.5, corrupted,
                         40000.0)


RESPONSES = {'p50': 9.0, 'max': 321.5}
ECHOES = {'p50': 80.4, 'max': 90.0}
CUT = {'received': 60, 'lost': 40, 'silent': 4, 'disconnects': 1,
       'break_s': 2.5}
STOCK = entries.Entry(
    'c1', 'c2', {'serial': make_user(**CUT),
                 'vnc': make_user(**CUT, wrong_pixels=0)}, 5.0, 250.0)


class FiguresTest(unittest.TestCase):

    def test_downtime(self):
        self.assertEqual(323.0, figures.total_downtime_ms(JOBINFO))
        self.assertIsNone(figures.total_downtime_ms('Job type: None\n'))

    def test_retransmits(self):
        self.assertEqual(17, figures.retransmits(SOCKETS))
        self.assertEqual(0, figures.retransmits(''))

    def test_distribution(self):
        self.assertEqual({'p50': 50.0, 'p90': 90.0, 'p99': 99.0, 'max': 100.0},
                         figures.distribution(range(100, 0, -1)))
        self.assertEqual({'p50': 1.2, 'p90': 1.2, 'p99': 1.2, 'max': 1.2},
                         figures.distribution([1.23]))
        self.assertEqual({}, figures.distribution([]))

    def test_answers_that_a_migration_may_have_delayed(self):
        responses = [(1.0, 1.1), (4.9, 5.0), (4.9, 7.4), (8.0, 8.2),
                     (8.1, 8.4)]
        during, others = figures.apart(responses, 5.0, 8.0)
        for expected, made in (((100, 2500, 200), during),
                               ((100, 300), others)):
            self.assertEqual(expected, tuple(map(round, made)))
        self.assertEqual(([], []), figures.apart([], 5.0, 8.0))

    def test_the_rate_of_what_came(self):
        self.assertEqual(60.0, figures.rate(
            ((10.0, 100), (12.0, 300)), ((20.0, 5000), (23.0, 5100))))
        self.assertIsNone(figures.rate(((1.0, 0), (1.0, 9))))

    def test_stop_skew_of_the_last_migration_of_this_instance(self):
        log = (SKEW.format('id-1', '9.0') + SKEW.format('id-1', '7.5')
               + SKEW.format('id-2', '1.0'))
        self.assertEqual(7.5, figures.stop_skew_ms(log, 'id-1'))
        self.assertIsNone(figures.stop_skew_ms(log, 'id-3'))
        self.assertIsNone(figures.stop_skew_ms(SKEW.format('id-1', 'nan'),
                                               'id-1'))


class CorruptionTest(unittest.TestCase):

    def test_signs(self):
        for line in (b'[ 9.1] BUG: unable to handle page fault\r\n',
                     b'[ 9.1] general protection fault, 0000 [#1]\r\n',
                     b'Kernel panic - not syncing: Attempted to kill init!',
                     b'[ 1.0] Oops: 0002 [#1] PREEMPT SMP'):
            self.assertEqual(line.decode().strip(),
                             corruption.sign(b'L 000\r\n' + line + b'\nL 01'))

    def test_no_sign(self):
        self.assertIsNone(corruption.sign(
            'L 00000042 debug: oops, K 0 00000007 b\r\n'))

    def test_what_is_shown_is_printable(self):
        self.assertEqual('\\x1b[2JOops: 1',
                         corruption.sign(b'a\n\x1b[2JOops: 1\n'))


class ReportTest(unittest.TestCase):

    def test_the_form_of_the_json(self):
        made = report.as_json({'stock': [STOCK, STOCK],
                               'dmore': [make_entry(), make_entry()]})
        self.assertEqual({'load', 'stock', 'dmore'}, set(made))
        self.assertEqual(0, made['load'])
        self.assertEqual(3, report.as_json({}, 3)['load'])
        stock, dmore = made['stock'], made['dmore']
        self.assertEqual({'serial', 'vnc', 'instance_downtime_ms',
                          'migration_s'}, set(stock))
        self.assertEqual([{'sent': 100, 'received': 60, 'lost': 40,
                           'disconnects': 1, 'break_s': 2.5,
                           'response_ms': {}, 'echo_ms': {},
                           'over_stop_ms': 71.5}] * 2,
                         stock['serial'])
        self.assertEqual({'ssh', 'serial', 'vnc', 'instance_downtime_ms',
                          'domr_downtime_ms', 'stop_skew_ms', 'migration_s',
                          'output_bytes_per_s'}, set(dmore))
        for kind, responses, echoes in (('ssh', {}, {}),
                                        ('serial', RESPONSES, ECHOES)):
            self.assertEqual([{
                'sent': 100, 'received': 100, 'lost': 0, 'duplicated': 0,
                'reordered': 0, 'output_bytes_missing': 0,
                'output_bytes_duplicated': 0, 'disconnects': 0,
                'max_response_ms': 321.5, 'tcp_retransmits': 0,
                'response_ms': responses, 'echo_ms': echoes,
                'over_stop_ms': 21.5,
                'emulator_corrupted': False}] * 2, dmore[kind])
        self.assertEqual([6.5, 6.5], dmore['stop_skew_ms'])
        self.assertEqual([40000.0] * 2, dmore['output_bytes_per_s'])
        ssh = set(dmore['ssh'][0])
        for vnc in (*stock['vnc'], *dmore['vnc']):
            self.assertLessEqual(ssh | {'wrong_pixels'}, set(vnc))
        self.assertEqual(21.5, dmore['vnc'][0]['over_stop_ms'])
        self.assertEqual(RESPONSES, dmore['vnc'][0]['response_ms'])

    def test_the_table_tells_of_the_echo_and_the_flood(self):
        table = report.table({'dmore': [make_entry()]})
        self.assertRegex(table, 'echo_p50 +echo_p90 +echo_p99 +echo_max')
        self.assertRegex(table, r'serial +9\.0 .* 80\.4 +- +- +90\.0')
        self.assertRegex(table, r'output_bytes_per_s\n.* 40000\.0\n')

    def test_as_asked_for(self):
        results = {'stock': [STOCK] * 2, 'dmore': [make_entry()] * 2}
        self.assertEqual([], report.problems(results, 2))
        self.assertIn('As asked for: stock: 160 of 400 keys lost and 4 '
                      'disconnects', report.summary(results, 2))

    def test_what_is_aimed_for(self):
        self.assertIsNone(report.aim({'stock': [STOCK]}))
        good = report.aim({'dmore': [make_entry()]})
        self.assertIn(': 22 ms above', good)
        self.assertEqual(2, good.count(': met.'))
        self.assertNotIn('MISSED', good)
        self.assertIn('serial 80 ms', good)
        slow = make_entry()
        slow.users['vnc'] = make_user(max_response_ms=9300.0)
        results = {'dmore': [slow] * 2}
        self.assertIn('Longest response at the VNC console: 9000 ms',
                      report.aim(results))
        self.assertIn('MISSED', report.aim(results))
        self.assertRegex(report.summary(results, 2),
                         r'^As asked for: .*\. Aims .* are missed: \d+\.$')

    def test_a_late_echo_misses_the_aim(self):
        slow = make_entry()
        slow.users['ssh'] = make_user(echoes={'p50': 250.0})
        missed, = (line for line in report.aim({'dmore': [slow]}).split('\n')
                   if 'MISSED' in line)
        self.assertIn('ssh 250 ms, serial 80 ms, aim: at most 100', missed)

    def test_of_the_longest_responses_the_median_counts(self):
        slow = make_entry(max_response_ms=9300.0)
        good = make_entry()
        self.assertIn('median of 3: 22 ms', report.aim(
            {'dmore': [good, slow, good]}))
        missed = report.aim({'dmore': [good, slow, slow]})
        self.assertIn('9000 ms above', missed)
        self.assertIn('MISSED', missed)

    def test_output_is_compared_with_an_earlier_run(self):
        results = {'dmore': [make_entry()]}
        self.assertEqual(40000.0, figures.output_rate(report.as_json(results)))
        self.assertIsNone(figures.output_rate({'stock': {}, 'dmore': {}}))
        self.assertIn('no earlier run', report.aim(results))
        for earlier, ends in ((44000.0, 'met.'), (50000.0, 'MISSED.')):
            self.assertRegex(report.aim(results, earlier),
                             f'of {earlier:.0f} bytes/s, {ends}$')

    def test_what_is_missed_does_not_make_it_wrong(self):
        slow = make_entry(max_response_ms=9300.0, echoes={'p50': 999.0})
        self.assertIn('MISSED', report.aim({'dmore': [slow]}))
        self.assertEqual([], report.problems({'dmore': [slow]}, 1))

    def test_each_fault_counts(self):
        for fault in ('lost', 'duplicated', 'reordered', 'disconnects',
                      'output_bytes_missing', 'output_bytes_duplicated',
                      'wrong_pixels'):
            results = {'dmore': [make_entry(), make_entry(**{fault: 1})]}
            self.assertEqual(1, len(report.problems(results, 2)), fault)
            self.assertTrue(report.summary(results, 2).startswith('NOT'))

    def test_what_is_no_fault_does_not_count(self):
        results = {'dmore': [make_entry(tcp_retransmits=9)]}
        self.assertEqual([], report.problems(results, 1))

    def test_a_corrupted_migration_must_be_repeated(self):
        broken = make_entry('BUG: x', lost=None, received=None)
        self.assertEqual(1, len(report.problems({'dmore': [broken]}, 1)))
        repeated = {'dmore': [broken, make_entry()]}
        self.assertEqual([], report.problems(repeated, 1))
        self.assertIn('BUG: x', report.table(repeated))
        self.assertTrue(
            report.as_json(repeated)['dmore']['ssh'][0]['emulator_corrupted'])

    def test_at_most_two_in_ten(self):
        broken = make_entry('BUG: x')
        good = [make_entry()] * 10
        self.assertEqual([], report.problems({'dmore': [broken] * 2 + good},
                                             10))
        self.assertEqual(1, len(report.problems(
            {'dmore': [broken] * 3 + good}, 10)))
