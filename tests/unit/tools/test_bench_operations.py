# SPDX-License-Identifier: Apache-2.0

import contextlib
import unittest
from unittest import mock

from tests.unit import tools  # noqa: F401  (finds the imports below)
from laboratory.bench import cli
from laboratory.bench import operations
from laboratory.cloud import api
from laboratory.progress import Failure


class Cloud:
    """Tells how long its operations take; ``now`` is its clock."""

    def __init__(self):
        self.now = 0.0
        self.done = []
        self.has_pair = True

    def flavor(self, name, memory_mib, **specs):
        self.done.append((name, specs))

    def _take(self, what, server, seconds):
        self.done.append((what, server))
        self.now += seconds * (1.5 if server.endswith('dmore') else 1.0)

    def boot(self, name, flavor, host, look_s):
        self._take('boot', name, 4.0)
        return name

    def ssh_url(self, server):
        if not self.has_pair:
            raise Failure('SSH console', 'there is none')

    def migrate(self, server, source, destination, look_s):
        begin = self.now
        self._take('migrate', server, 6.0)
        return self.now - begin

    def delete(self, server, look_s):
        self._take('delete', server, 2.0)


class OperationsTest(unittest.TestCase):

    def setUp(self):
        self.cloud = Cloud()
        patch = mock.patch.object(operations.time, 'monotonic',
                                  lambda: self.cloud.now)
        patch.start()
        self.addCleanup(patch.stop)
        self.progress = mock.Mock(step=lambda _: contextlib.nullcontext())

    def test_both_are_measured_in_turn(self):
        self.assertEqual(
            [(0, 'dmore'), (0, 'stock'), (1, 'stock'), (1, 'dmore'),
             (2, 'dmore'), (2, 'stock')], list(operations.turns(2)))

    def test_the_form_of_the_json(self):
        made = operations.figures(operations.time_all(
            self.cloud, 3, self.progress))
        self.assertEqual([
            {'name': 'server create', 'stock_s': 4.0, 'dmore_s': 6.0,
             'ratio': 1.5, 'runs': 3},
            {'name': 'live migration', 'stock_s': 6.0, 'dmore_s': 9.0,
             'ratio': 1.5, 'runs': 3},
            {'name': 'server delete', 'stock_s': 2.0, 'dmore_s': 3.0,
             'ratio': 1.5, 'runs': 3}], made)
        self.assertIn(
            ('bench-operations-stock', {'dmore:domain_r': 'disabled'}),
            self.cloud.done)

    def test_the_first_run_does_not_count(self):
        times = operations.time_all(self.cloud, 2, self.progress)
        self.assertEqual({2}, set(map(len, times.values())))
        self.assertEqual(6, [what for what, _ in self.cloud.done].count(
            'migrate'))

    def test_an_instance_that_has_no_pair_is_no_figure(self):
        self.cloud.has_pair = False
        self.assertRaises(Failure, operations.time_all, self.cloud, 1,
                          self.progress)

    def test_the_median_counts(self):
        times = {(name, side): [9.0, 1.0, 2.0] for side in operations.SIDES
                 for name in operations.OPERATIONS}
        self.assertEqual({2.0}, {each['stock_s']
                                 for each in operations.figures(times)})

    def test_aims(self):
        made = [{'name': 'a', 'stock_s': 5.0, 'dmore_s': 6.5},
                {'name': 'b', 'stock_s': 5.0, 'dmore_s': 6.6}]
        self.assertEqual(['met', 'MISSED'], [
            line.partition(':')[0] for line in operations.aims(made)])

    def test_the_command(self):
        options = cli.parser().parse_args(['operations', '--json', 'file'])
        self.assertEqual((20, False), (options.runs, options.keep))

    def test_the_table(self):
        text = operations.table([{
            'name': 'server create', 'stock_s': 4.0, 'dmore_s': 6.0,
            'ratio': 1.5, 'runs': 20}])
        self.assertRegex(text, r'server create +4\.00 +6\.00 +1\.50 +20')


class LookTest(unittest.TestCase):

    def test_operations_are_looked_at_often(self):
        for name in ('boot', 'migrate', 'delete'):
            names = getattr(api.Cloud, name).__annotations__
            self.assertIs(float, names['look_s'], name)
