# SPDX-License-Identifier: Apache-2.0
"""The figures of the measurements, from what was measured."""

import os
import pathlib
import tempfile
import types
import unittest
from unittest import mock

from tests.unit import tools  # noqa: F401  (finds the imports below)
from laboratory.bench import cli
from laboratory.bench import cpu
from laboratory.bench import footprint
from laboratory.bench import footprint_report
from laboratory.bench import memory
from laboratory.bench import merging
from laboratory.bench import report
from laboratory.bench import stages
from nova_dmore.channel import region
from nova_dmore.virt.pair import xml
from nova_dmore import wire
from laboratory.progress import Failure


def runs(**changes: list[float]) -> dict[str, list[float]]:
    return {**{name: [2.0, 9.0, 4.0] for name in report.UNITS}, **changes}


class ReportTest(unittest.TestCase):

    def test_the_form_of_the_json(self):
        made = report.figures(runs(), runs(cpu_busy_pct=[1.0, 3.0, 2.0]))
        self.assertEqual([
            'key_to_pixel_ms_p50', 'key_to_pixel_ms_p99',
            'updates_per_s_1024x768', 'updates_per_s_1920x1080',
            'cpu_idle_pct', 'cpu_busy_pct', 'wire_mib_per_s'],
            [each['name'] for each in made])
        self.assertEqual(
            {'name': 'cpu_busy_pct', 'unit': '% of a core', 'qemu': 4.0,
             'dmore': 2.0, 'ratio': 0.5, 'runs': 3}, made[5])

    def test_nothing_has_no_ratio(self):
        idle = report.figures(runs(cpu_idle_pct=[0.0]), runs())[4]
        self.assertEqual((0.0, None, 1),
                         (idle['qemu'], idle['ratio'], idle['runs']))
        self.assertIn('cpu_idle_pct', report.table([idle]))

    def test_aims(self):
        made = report.figures(
            runs(cpu_idle_pct=[0.1]), runs(key_to_pixel_ms_p50=[20.0],
                                           updates_per_s_1920x1080=[3.5],
                                           cpu_idle_pct=[0.5]))
        self.assertEqual(['met'], [line.partition(':')[0]
                                   for line in report.aims(made, 'tcg')])
        self.assertEqual(['MISSED', 'met', 'MISSED', 'met'],
                         [line.partition(':')[0]
                          for line in report.aims(made, 'kvm')])

    def test_percentile(self):
        self.assertEqual(50, report.percentile(range(100, 0, -1), 0.5))
        self.assertEqual(99, report.percentile(range(100, 0, -1), 0.99))
        self.assertEqual(7, report.percentile([7], 0.99))

    def test_stages(self):
        text = report.stages_table({
            'way, ms': {'one': [3.0, 1.0, 2.0], 'no': []}})
        self.assertEqual('way, ms  p50  p90  max\n'
                         'one      2.0  3.0  3.0', text)

    def test_encodings(self):
        self.assertEqual(
            '1024x768 by encoding  qemu, 1/s  qemu, MiB/s  dmore, 1/s  '
            'dmore, MiB/s\n'
            'Raw                        9.00        27.00        4.50  '
            '       13.50',
            report.encodings_table({'Raw': {'qemu': (9.0, 27.0),
                                            'dmore': (4.5, 13.5)}}))


class StagesTest(unittest.TestCase):

    def test_of_keys(self):
        changes = {'typed': [1.002, 1.003, 2.001], 'taken': [1.004, 1.005,
                                                            2.001],
                   'published': [0.9, 1.010, 1.020, 2.006], 'seen': []}
        made = stages.of_keys([(1.0, 1.030), (2.0, 2.010), (3.0, 3.1)],
                              changes)
        self.assertEqual([[2, 1], [2, 0], [16, 5], [10, 4], [30, 10]],
                         [[round(value) for value in values]
                          for values in made.values()])

    def test_of_updates(self):
        changes = {'typed': [], 'taken': [],
                   'published': [1.000, 1.001, 1.100, 1.300],
                   'seen': [1.051, 1.120]}
        made = stages.of_updates(changes)
        self.assertEqual([[50, 20], [49, 180]],
                         [[round(value) for value in values]
                          for values in made.values()])

    def test_what_is_watched(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / 'region'
            with path.open('w+b') as file:
                file.truncate(wire.REGION_SIZE)
                watch = stages.Watch(path)
                watch.wait()
                os.pwrite(file.fileno(), b'\1', region.DISPLAY_PUBLISHED * 8)
                changes = watch.changes()
        self.assertEqual({'typed': 0, 'taken': 0, 'published': 1, 'seen': 0},
                         {name: len(times) for name, times in changes.items()})


class CpuTest(unittest.TestCase):

    def test_of_this_process(self):
        me = os.getpid()
        load = cpu.Load(lambda: cpu.process_s(me))
        before = cpu.process_s(me)
        # Only what is added: threads that have ended count for the process.
        beside_before = cpu.beside_guest_s(me)
        while cpu.process_s(me) < before + 0.3:
            pass
        self.assertGreater(load.percent(), 1)
        # No thread of it runs a guest.
        self.assertAlmostEqual(0.3, cpu.beside_guest_s(me) - beside_before,
                               delta=0.1)


def of_pairs(pairs: int, **changes: float) -> dict:
    return {**dict(zip(footprint_report.HEADINGS, (
        pairs, 64, 150.5, 8.5, 5.0, 42.9, 7.5, 1.5))), **changes}


class FootprintTest(unittest.TestCase):

    def test_table(self):
        text = footprint_report.table([of_pairs(1), of_pairs(20)])
        self.assertEqual(
            ['1', '64', '150.5', '8.5', '5.0', '42.9', '7.5', '1.5'],
            text.splitlines()[1].split())
        self.assertEqual('20', text.splitlines()[2].split()[0])

    def test_parts(self):
        made = [of_pairs(1), of_pairs(5)]
        self.assertEqual(
            'CPU     pairs: 1  pairs: 5\n'
            'keeper       1.0       2.0\n'
            'worker       0.5       0.2',
            footprint_report.parts_table('CPU', made, [
                {'keeper': 1.0, 'worker': 0.5},
                {'keeper': 2.0, 'worker': 0.24}]))

    def test_aims(self):
        made = [of_pairs(1, pair_pss_mib=160.1, host_pss_mib=20), of_pairs(5)]
        self.assertEqual(['met', 'MISSED', 'met', 'met'],
                         [line.partition(':')[0] for line
                          in footprint_report.aims(made, 'tcg')])
        self.assertIn('160.1 MiB', footprint_report.aims(made, 'tcg')[1])
        self.assertEqual(['met', 'MISSED', 'met', 'MISSED'],
                         [line.partition(':')[0] for line
                          in footprint_report.aims(made, 'kvm')])

    def test_what_is_for_translated_code_is_as_in_the_plugin(self):
        with mock.patch.object(xml, '_TB_CACHE_MIB_MAX', 7):
            self.assertEqual(7, footprint.tb_mib(64))

    def test_of_what_an_emulator_consists(self):
        maps = [types.SimpleNamespace(size=size << 10, perms=perms,
                                      pss=pss << 10)
                for size, perms, pss in (
                    (64, 'r-xp', 1024), (98312, 'rw-p', 51200),
                    (65532, 'rwxp', 2048), (132, 'rw-p', 512))]
        self.assertEqual((50, 2, 1.5),
                         memory.split(maps, 98312))

    def test_of_this_process(self):
        pid = os.getpid()
        rollup, whole = memory.pss_mib(pid), memory.emulator(pid, 1)
        self.assertGreater(rollup, 1)
        self.assertAlmostEqual(rollup, whole[2], delta=2)


class MergingTest(unittest.TestCase):

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def _fill(self, **numbers):
        for name, number in numbers.items():
            (self.folder / name).write_text(f'{number}\n')

    def _read(self):
        return {name: int((self.folder / name).read_text())
                for name in ('run', 'pages_to_scan')}

    def test_for_a_while(self):
        self._fill(run=0, pages_to_scan=100, full_scans=7)
        with self.assertRaises(ZeroDivisionError), merging.on(self.folder):
            self.assertEqual(1, self._read()['run'])
            self.assertGreater(self._read()['pages_to_scan'], 100)
            raise ZeroDivisionError
        self.assertEqual({'run': 0, 'pages_to_scan': 100}, self._read())

    def test_what_is_waited_for(self):
        self._fill(run=0, pages_to_scan=100, full_scans=7)
        with (merging.on(self.folder) as wait,
              mock.patch.object(merging.waiting.time, 'sleep') as sleep):
            sleep.side_effect = lambda seconds: self._fill(
                full_scans=7 + sleep.call_count)
            wait()
            self.assertEqual(3, sleep.call_count)

    def test_a_kernel_without(self):
        with self.assertRaisesRegex(Failure, '--ksm: .*no KSM'):
            merging.on(self.folder).__enter__()


class CommandLineTest(unittest.TestCase):

    def test_options(self):
        options = cli.parser().parse_args(['console', '--json', 'x'])
        self.assertEqual((pathlib.Path('x'), 3), (options.json, options.runs))
        options = cli.parser().parse_args(['footprint', '--pairs', '2'])
        self.assertEqual([2], options.pairs)
        for wrong in ([], ['console', '--runs', '0'], ['keyboard'],
                      ['footprint', '--pairs', '0']):
            with mock.patch('sys.stderr'):
                self.assertRaises(SystemExit, cli.parser().parse_args, wrong)

    @mock.patch('os.geteuid', return_value=1000)
    def test_not_without_root(self, _user):
        with mock.patch('sys.stderr') as said:
            self.assertEqual(1, cli.main(['console']))
        self.assertIn('needs root', str(said.write.mock_calls))
