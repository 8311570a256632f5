# SPDX-License-Identifier: Apache-2.0
"""What the demo and the bench do with what they measure; without a cloud."""

import contextlib
import io
import json
import pathlib
import tempfile
import unittest
from unittest import mock

from tests.unit import tools  # noqa: F401  (finds the imports below)
from laboratory.bench import inside as bench
from laboratory.bench.migration import plan
from laboratory.bench.migration import run
from laboratory.cloud import clouds
from laboratory.cloud import standpoint
from laboratory.demo import inside as demo
from laboratory.progress import Failure
from tests.unit.tools import test_bench_migration
from tests.unit.tools import test_demo_report


class InsideTest(unittest.TestCase):

    def setUp(self):
        super().setUp()
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.json = pathlib.Path(folder) / 'x.json'
        self.json.write_text('of an older run')
        for name, made in (('alone', contextlib.nullcontext()),
                           ('get', mock.Mock()), ('testbed', None)):
            setattr(self, name, self.enterContext(mock.patch.object(
                clouds, name, return_value=made)))
        self.enterContext(mock.patch.object(
            standpoint, 'at_the_controller',
            return_value=contextlib.nullcontext()))

    def run_main(self, main, *words):
        with (mock.patch('sys.stdout', io.StringIO()) as said,
              mock.patch('sys.stderr', io.StringIO()) as errors):
            status = main([*words, '--json', str(self.json)])
        self.said, self.errors = said.getvalue(), errors.getvalue()
        return status


class DemoTest(InsideTest):

    def run_demo(self, *words, failure=None):
        def measure(_place, _options, _progress, results):
            results['dmore'] = [test_demo_report.make_entry()]
            if failure:
                raise failure
        with (mock.patch.object(demo, '_measure', measure),
              mock.patch.object(demo, '_leave_one', return_value='by hand')):
            return self.run_main(demo.main, '--only', 'dmore', *words)

    def test_as_asked_for(self):
        self.assertEqual(0, self.run_demo('--migrations', '1'))
        self.assertIn('As asked for', self.said)
        self.assertEqual([100], [each['sent'] for each in json.loads(
            self.json.read_text())['dmore']['ssh']])
        self.assertEqual('down', self.testbed.call_args.args[2])

    def test_fewer_than_asked_for(self):
        self.assertEqual(1, self.run_demo('--migrations', '2', '--keep'))
        self.assertIn('dmore: 1 of 2 migrations', self.said)
        self.testbed.assert_not_called()

    def test_what_there_was_when_it_failed(self):
        self.assertEqual(1, self.run_demo(failure=Failure('a step', 'why')))
        self.assertIn('c1 -> c2', self.said)
        self.assertIn('demo: a step: why', self.errors)
        self.assertIn('the cloud is left', self.errors)
        self.assertEqual('', self.json.read_text())
        self.testbed.assert_not_called()


class BenchTest(InsideTest):

    def setUp(self):
        super().setUp()
        self.synchronise = self.enterContext(mock.patch.object(
            run, '_synchronise'))

    def run_bench(self, *words, failure=None):
        def measure(_place, _runs, cells, rows, _progress):
            rows += test_bench_migration.make_rows(cells[0], 1, plan.STOCK)
            if failure:
                raise failure
        with mock.patch.object(run, '_measure', measure):
            return self.run_main(bench.main, 'migration', '--quick', *words)

    def test_measured(self):
        self.assertEqual(0, self.run_bench())
        self.assertIn('instance_stop_ms', self.said)
        self.assertTrue(json.loads(self.json.read_text())['raw'])
        self.assertEqual('down', self.testbed.call_args.args[2])

    def test_kept(self):
        self.run_bench('--keep')
        self.testbed.assert_not_called()
        self.assertEqual([False, True], [
            call.args[2] for call in self.synchronise.call_args_list])

    def test_what_was_measured_is_not_lost(self):
        self.assertEqual(1, self.run_bench(failure=Failure('a step', 'why')))
        self.assertTrue(json.loads(self.json.read_text())['raw'])
        self.assertIn('bench: a step: why', self.errors)
        self.testbed.assert_not_called()
        with self.assertRaises(ZeroDivisionError):
            self.run_bench(failure=ZeroDivisionError())
        self.assertTrue(json.loads(self.json.read_text())['raw'])

    def test_nothing_matches(self):
        self.assertEqual(1, self.run_bench('--only', 'nowhere'))
        self.assertIn('no circumstances', self.errors)

    def test_what_cannot_be_measured(self):
        with mock.patch.object(bench.console, 'measure_console',
                               side_effect=OSError('no QEMU')):
            self.assertEqual(1, self.run_main(bench.main, 'console'))
        self.assertIn('bench: the measurement: no QEMU', self.errors)
