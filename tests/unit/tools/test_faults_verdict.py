# SPDX-License-Identifier: Apache-2.0
"""What counts as well after a fault, and what does not."""

import dataclasses
import unittest

from tests.unit import tools  # noqa: F401  (finds the imports below)
from laboratory.users import entries
from laboratory.faults import state
from laboratory.faults import verdict

EMPTY = state.On(None, None, 0, 0, 0, 0, frozenset(), frozenset())
WHOLE = state.On('running', 'running', 2, 1, 1, 0,
                 frozenset(('tap1', 'tap2')), frozenset(('pair directory',)))
GOOD = state.State(
    'ACTIVE', None, 'c2', 0, {'c1': EMPTY, 'c2': WHOLE},
    (state.Bound('tap1', {'c2': 'ACTIVE'}),),
    (state.Bound('tap2', {'c2': 'ACTIVE'}),), ())
SERVER = 'b43e1276-3017-4176-b246-a16604d7fda7'


def with_source(**changes):
    hosts = {**GOOD.hosts, 'c1': dataclasses.replace(EMPTY, **changes)}
    return dataclasses.replace(GOOD, hosts=hosts)


def with_destination(**changes):
    hosts = {**GOOD.hosts, 'c2': dataclasses.replace(WHOLE, **changes)}
    return dataclasses.replace(GOOD, hosts=hosts)


def user(**changes):
    values = dict(sent=100, received=100, lost=0, silent=0, duplicated=0,
                  reordered=0, output_bytes_missing=0,
                  output_bytes_duplicated=0, disconnects=0, break_s=0.0,
                  max_response_ms=1.0, tcp_retransmits=0)
    return entries.User(**{**values, **changes})


class ProblemsTest(unittest.TestCase):

    def _problems(self, now, *as_stock):
        return verdict.problems(now, True, 'c1', as_stock)

    def test_all_is_well(self):
        self.assertEqual([], self._problems(GOOD))

    def test_what_is_left_over_is_named(self):
        for changes, words in (
                ({'domain_r': 'running'}, 'domain of Domain R (running)'),
                ({'keepers': 1}, '1 keepers'),
                ({'qemus': 1}, '1 QEMU'),
                ({'taps': frozenset(('tap2',))}, 'tap2'),
                ({'files': frozenset(('.fetch-1',))}, '.fetch-1'),
                ({'strays': 1}, 'workers without a keeper')):
            with self.subTest(changes):
                found, = self._problems(with_source(**changes))
                self.assertIn(words, found)
                self.assertIn('on c1', found)

    def test_pair_is_not_whole(self):
        for changes in ({'domain_r': None}, {'domain_r': 'paused'},
                        {'keepers': 0}, {'keepers': 2}, {'workers': 0},
                        {'qemus': 1}):
            with self.subTest(changes):
                self.assertEqual(
                    1, len(self._problems(with_destination(**changes))))

    def test_two_copies(self):
        self.assertIn('two copies of the instance run', self._problems(
            with_source(instance='running')))

    def test_domain_r_port(self):
        for ports in ((), GOOD.domain_r_ports * 2,
                      (state.Bound('tap2', {'c1': 'ACTIVE'}),),
                      (state.Bound('tap2', {'c1': 'INACTIVE',
                                            'c2': 'ACTIVE'}),)):
            with self.subTest(ports):
                self.assertTrue(self._problems(
                    dataclasses.replace(GOOD, domain_r_ports=ports)))

    def test_service_ended(self):
        self.assertEqual(['x on c1 does not run'], self._problems(
            dataclasses.replace(GOOD, ended=('x on c1',))))

    def test_a_migration_that_nova_takes_for_being_under_way(self):
        left = dataclasses.replace(GOOD, host='c1')
        moving = dataclasses.replace(left, moving=1)
        ends = [verdict.signature(state, 'c1') for state in (left, moving)]
        self.assertEqual([], self._problems(left, ends[1]))
        self.assertNotEqual([], self._problems(moving, ends[0]))
        # What agrees but for that is not worse than what does not.
        ended = dataclasses.replace(GOOD, moving=1)
        self.assertEqual([], self._problems(ended, ends[1]))
        self.assertNotEqual([], self._problems(ended, ends[0]))

    def test_as_stock_leaves_it(self):
        stuck = dataclasses.replace(GOOD, host='c1', task='migrating')
        self.assertEqual(1, len(self._problems(stuck)))
        left = verdict.signature(stuck, 'c1')
        self.assertEqual([], self._problems(stuck, left))
        # A pair that does not follow its instance is wrong all the same.
        apart = dataclasses.replace(
            with_destination(domain_r=None), host='c1', task='migrating')
        self.assertEqual(1, len(self._problems(apart, left)))

    def test_what_stock_leaves_of_the_instance_is_not_the_plug_ins(self):
        now = with_source(instance='shut off')
        self.assertEqual([], self._problems(now, verdict.signature(now, 'c1')))
        found, = self._problems(now)
        self.assertIn('shut off at the source', found)

    def test_instance_is_dead(self):
        dead = dataclasses.replace(
            GOOD, status='SHUTOFF', hosts={'c1': EMPTY, 'c2': EMPTY})
        self.assertEqual(1, len(self._problems(dead)))
        self.assertEqual([], self._problems(
            dead, verdict.signature(dead, 'c1')))


class SignatureTest(unittest.TestCase):

    def test_names_sides_and_not_hosts(self):
        self.assertEqual('Nova: ACTIVE at the destination; libvirt: running '
                         'at the destination', verdict.signature(GOOD, 'c1'))
        self.assertEqual('Nova: ACTIVE at the source; libvirt: running at '
                         'the source', verdict.signature(GOOD, 'c2'))

    def test_what_nova_leaves_is_part_of_it(self):
        left = dataclasses.replace(
            with_source(taps=frozenset(('tap1',))), moving=1,
            instance_ports=(state.Bound('tap1', {'c2': 'ACTIVE',
                                                 'c1': 'INACTIVE'}),))
        text = verdict.signature(left, 'c1')
        for words in ('a binding at the source', 'a tap at the source',
                      '1 migration under way'):
            self.assertIn(words, text)
        self.assertFalse(verdict.agrees(left))


class LedgerTest(unittest.TestCase):

    def test_nothing_wrong(self):
        self.assertEqual([], verdict.ledger({'ssh': user()}, [], []))

    def test_untold(self):
        for changes in ({'lost': 1}, {'duplicated': 1}, {'reordered': 1},
                        {'output_bytes_missing': 1}, {'disconnects': 1},
                        {'output_bytes_duplicated': 1}):
            with self.subTest(changes):
                self.assertEqual(1, len(verdict.ledger(
                    {'ssh': user(**changes)}, [], [])))

    def test_told(self):
        gaps = [('serial0_in', 'ambiguous', 1), ('serial0_out', 'exact', 50)]
        self.assertEqual([], verdict.ledger({'ssh': user(
            duplicated=1, output_bytes_missing=99,
            output_bytes_duplicated=49)}, gaps, []))
        self.assertEqual(2, len(verdict.ledger({'ssh': user(
            duplicated=2, output_bytes_missing=51)}, gaps, [])))

    def test_one_stream_does_not_excuse_the_other(self):
        self.assertEqual(1, len(verdict.ledger(
            {'ssh': user(lost=1)}, [('serial0_out', 'exact', 9)], [])))

    def test_what_one_user_was_too_slow_for(self):
        users = {kind: user(output_bytes_missing=9) for kind in ('ssh', 'vnc')}
        wrong, = verdict.ledger(users, [('ssh', verdict.TOO_SLOW, 9)], [])
        self.assertIn('vnc', wrong)

    def test_nobody_knows(self):
        self.assertEqual([], verdict.ledger(
            {'ssh': user(lost=7)}, [('serial0_in', 'unknown', None)], []))

    def test_rebuilt(self):
        lost = {'ssh': user(lost=9, output_bytes_missing=9, disconnects=1)}
        self.assertEqual([], verdict.ledger(lost, [], ['it had ended']))
        doubled = {'ssh': user(duplicated=1, disconnects=1)}
        self.assertEqual(1, len(verdict.ledger(doubled, [], ['so'])))


class ReportsTest(unittest.TestCase):

    def test_of_this_instance_alone(self):
        log = (f'WARNING Console of instance {SERVER}: gap in serial0_in: '
               'ambiguous, 1 bytes: a worker ended\n'
               f'WARNING Console of instance {SERVER}: gap in serial0_out: '
               'unknown, None bytes: why\n'
               'WARNING Console of instance other: gap in serial0_out: '
               'exact, 5 bytes: why\n'
               f'WARNING Console of instance {SERVER} was rebuilt, its '
               'sessions ended: Domain R had ended\n')
        self.assertEqual(
            ([('serial0_in', 'ambiguous', 1),
              ('serial0_out', 'unknown', None)], ['Domain R had ended']),
            verdict.reports([log], SERVER))
