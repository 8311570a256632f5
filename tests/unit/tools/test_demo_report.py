# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""What the demonstration reads, and what it says."""

import unittest

from tests.unit import tools  # noqa: F401  (finds the imports below)
from demolib import corruption
from demolib import entries
from demolib import figures
from demolib import report

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
    users = {'ssh': make_user(**changes), 'serial': make_user(),
             'vnc': make_user(responses={'p50': 9.0, 'max': 321.5},
                              wrong_pixels=0)}
    return entries.Entry('c1', 'c2', users, 4.5, 300.0, 350.0, 6.5, corrupted)


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
        self.assertEqual({'stock', 'dmore'}, set(made))
        stock, dmore = made['stock'], made['dmore']
        self.assertEqual({'serial', 'vnc', 'instance_downtime_ms',
                          'migration_s'}, set(stock))
        self.assertEqual([{'sent': 100, 'received': 60, 'lost': 40,
                           'disconnects': 1, 'break_s': 2.5}] * 2,
                         stock['serial'])
        self.assertEqual({'ssh', 'serial', 'vnc', 'instance_downtime_ms',
                          'domr_downtime_ms', 'stop_skew_ms', 'migration_s'},
                         set(dmore))
        for kind in ('ssh', 'serial'):
            self.assertEqual([{
                'sent': 100, 'received': 100, 'lost': 0, 'duplicated': 0,
                'reordered': 0, 'output_bytes_missing': 0,
                'output_bytes_duplicated': 0, 'disconnects': 0,
                'max_response_ms': 321.5, 'tcp_retransmits': 0,
                'emulator_corrupted': False}] * 2, dmore[kind])
        self.assertEqual([6.5, 6.5], dmore['stop_skew_ms'])
        ssh = set(dmore['ssh'][0])
        for vnc in (*stock['vnc'], *dmore['vnc']):
            self.assertLessEqual(ssh | {'wrong_pixels'}, set(vnc))
        self.assertEqual(21.5, dmore['vnc'][0]['over_stop_ms'])
        self.assertEqual({'p50': 9.0, 'max': 321.5},
                         dmore['vnc'][0]['response_ms'])

    def test_as_asked_for(self):
        results = {'stock': [STOCK] * 2, 'dmore': [make_entry()] * 2}
        self.assertEqual([], report.problems(results, 2))
        self.assertIn('As asked for: stock: 160 of 400 keys lost and 4 '
                      'disconnects', report.summary(results, 2))

    def test_what_is_aimed_for(self):
        self.assertIsNone(report.aim({'stock': [STOCK]}))
        good = report.aim({'dmore': [make_entry()]})
        self.assertIn(': 22 ms above', good)
        self.assertIn(': met.', good)
        slow = make_entry()
        slow.users['vnc'] = make_user(max_response_ms=451.0)
        self.assertIn('MISSED', report.aim({'dmore': [make_entry(), slow]}))

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

    def test_entries_survive_the_way_out_of_the_controller(self):
        results = {'stock': [STOCK], 'dmore': [make_entry('BUG: x')]}
        self.assertEqual(results, entries.load(entries.dump(results)))
