# SPDX-License-Identifier: Apache-2.0
"""The figures of a migration, from what was measured; without a cloud."""

import dataclasses
import json
import pathlib
import struct
import unittest
from unittest import mock

from tests.unit import tools  # noqa: F401  (finds the imports below)
from laboratory.bench import cli
from laboratory.bench.migration import plan
from laboratory.bench.migration import rows
from laboratory.bench.migration import stops
from laboratory.bench.migration import summary
from laboratory.users import entries
from laboratory.testbed.settings import COMPUTES

SSH = plan.Cell(512, plan.IDLE, plan.SSH, 50)
SILENT = plan.Cell(2048, plan.DIRTY)


def make_user(**changes) -> entries.User:
    return dataclasses.replace(entries.User(
        100, 98, 2, 1, 0, 0, 7, 0, 1, 2.5, 300.0, 4, {'p50': 20.0}),
        **changes)


def make_moved(stop_ms: float = 100, **changes) -> rows.Moved:
    return dataclasses.replace(rows.Moved(
        *COMPUTES, 1000.0, 10.0, stops.Stop(1008.0, 1008 + stop_ms / 1000),
        stop_ms + 1, stop_ms + 2), **changes)


def make_rows(cell: plan.Cell, run: int, side: str, stop_ms: float = 100,
              excluded: str | None = None, **changes) -> list[dict]:
    moved = make_moved(stop_ms, **changes)
    if side != plan.STOCK:
        moved = dataclasses.replace(
            moved, domr=stops.Stop(1008.005, 1008.155), domr_clock_ms=151.0,
            phases={'begin': 1.0})
    return rows.rows(plan.Measurement(cell, run, side), moved,
                     {'ssh': make_user(), 'vnc': make_user(lost=0)}, excluded)


class PlanTest(unittest.TestCase):

    def test_every_circumstance_once(self):
        self.assertEqual(20, len(set(plan.FULL)))
        self.assertEqual(len(plan.FULL), len(set(plan.FULL)))
        self.assertLess(set(plan.QUICK), set(plan.FULL))
        self.assertEqual({512, 2048},
                         {cell.instance_mib for cell in plan.QUICK})

    def test_instances_are_shared(self):
        blocks = plan.blocks(plan.FULL)
        self.assertEqual([5, 5, 5, 5], [len(block) for block in blocks])
        for block in blocks:
            self.assertEqual(1, len({(cell.instance_mib, cell.guest)
                                     for cell in block}))

    def test_sides_alternate_and_the_pair_goes_there_and_back(self):
        made = list(plan.measurements([SSH, SILENT], 3))
        self.assertEqual(18, len(made))
        self.assertEqual({1: 6, 2: 6, 3: 6}, {
            run: sum(each.run == run for each in made) for run in (1, 2, 3)})
        pair = [each.side for each in made if each.side != plan.STOCK]
        self.assertEqual([plan.DMORE, plan.UNSYNCHRONISED] * 6, pair)
        for at in range(0, 18, 3):
            self.assertEqual(set(plan.SIDES),
                             {each.side for each in made[at:at + 3]})

    def test_names(self):
        self.assertEqual('512 MiB, idle, ssh, a key per 50 ms', str(SSH))
        self.assertEqual('2048 MiB, dirty, no input', str(SILENT))


class StopsTest(unittest.TestCase):

    def test_what_virsh_prints(self):
        found = stops.event('c1', "event STOP at 1700000000.000123 for domain "
                            "'domr-0a-b': <null>")
        self.assertEqual(stops.Event('c1', 'domr-0a-b', 'STOP',
                                     1700000000.000123), found)
        for line in ('', 'events received: 3', "event RESET at 1.000001 for "
                     "domain 'x': <null>"):
            self.assertIsNone(stops.event('c1', line))

    def test_from_the_last_stop_to_the_resume_elsewhere(self):
        events = [stops.Event(host, domain, name, at)
                  for host, domain, name, at in (
                      ('c1', 'x', 'STOP', 1.0), ('c1', 'x', 'RESUME', 2.0),
                      ('c1', 'y', 'STOP', 2.9), ('c2', 'x', 'RESUME', 3.2),
                      ('c1', 'x', 'STOP', 3.0), ('c1', 'x', 'STOP', 9.0))]
        stop = stops.of_migration(events, 'x', 'c1', 'c2')
        self.assertEqual(stops.Stop(3.0, 3.2), stop)
        self.assertAlmostEqual(200, stop.ms)
        self.assertIsNone(stops.of_migration(events, 'y', 'c1', 'c2'))
        self.assertIsNone(stops.of_migration(events, 'x', 'c2', 'c1'))

    def test_a_clock_that_stood_still(self):
        # Every 50 ms of its own clock; what comes may be late.
        ticks = [(number * 0.05, 1000 + number * 0.05
                  + (0.12 if number > 60 else 0) + 0.01 * (number % 3))
                 for number in range(120)]
        stop = stops.Stop(1003.0, 1003.12)
        self.assertAlmostEqual(120, stops.clock_stop_ms(ticks, stop))
        self.assertIsNone(stops.clock_stop_ms(ticks[:50], stop))
        self.assertIsNone(stops.clock_stop_ms(ticks[80:], stop))

    def segment(self, options: bytes, protocol: int = 6) -> bytes:
        length = (20 + len(options)) // 4
        return (bytes([0x45]) + bytes(8) + bytes([protocol]) + bytes(2)
                + bytes([10, 88, 0, 7]) + bytes([10, 88, 0, 1])
                + struct.pack('!HHIIBBHHH', 22, 40000, 1, 2, length << 4,
                              0x18, 512, 0, 0) + options)

    def test_time_stamps_of_segments(self):
        stamp = b'\x08\x0a' + struct.pack('!II', 123456, 7)
        for options in (b'\1\1' + stamp, b'\2\4\5\xb4' + stamp + b'\1\1'):
            self.assertEqual((('10.88.0.7', 22, 40000), 123456),
                             stops.timestamp(self.segment(options)))
        for packet in (b'', self.segment(b''), self.segment(stamp, 17),
                       self.segment(b'\1\1' + stamp)[:30],
                       self.segment(b'\0\0\0\0' + b'\1\1' + stamp),
                       self.segment(b'\x08\0\1\1')):
            self.assertIsNone(stops.timestamp(packet))


class RowsTest(unittest.TestCase):

    def test_of_the_client_that_typed(self):
        row, = make_rows(SSH, 3, plan.DMORE)
        self.assertEqual(
            ('ssh', 50, 512, 'idle', 3, 'dmore', 10.0, 100.0, 150.0, 5.0, 2,
             4, 7, 2500.0),
            tuple(row[name] for name in (
                'client', 'key_interval_ms', 'instance_mib', 'guest', 'run',
                'side', 'total_s', 'instance_stop_ms', 'domr_stop_ms',
                'stop_skew_ms', 'keys_lost', 'tcp_retransmits',
                'output_bytes_missing', 'max_response_ms')))
        self.assertEqual(
            ['begin', 'instance stops', 'Domain R stops', 'instance runs',
             'Domain R runs', 'over'], list(row['timeline']))

    def test_of_both_clients_without_input(self):
        made = make_rows(SILENT, 1, plan.STOCK)
        self.assertEqual(['ssh', 'vnc'], [row['client'] for row in made])
        for row in made:
            self.assertIsNone(row['keys_lost'])
            self.assertIsNone(row['max_response_ms'])
            self.assertIsNone(row['tcp_retransmits'])
            self.assertIsNone(row['stop_skew_ms'])
        self.assertEqual([7, None],
                         [row['output_bytes_missing'] for row in made])

    def test_phases_of_the_log(self):
        log = ''.join(
            f'2026-11-25 22:10:{second:02d}.500 7 INFO x [None] [instance: '
            f'{instance}] Co-migration 1f-2 to c2: {phase}\n'
            for second, instance, phase in (
                (1, 'aa', 'begin'), (2, 'bb', 'begin'),
                (3, 'aa', 'carry over'), (4, 'aa', 'begin')))
        self.assertEqual({'begin': 1.0, 'carry over': 3.0},
                         rows.phases(log, 'aa', 1795644600.5))


class SummaryTest(unittest.TestCase):

    def setUp(self):
        super().setUp()
        self.rows = [row for run, stock, ours in (
            (1, 100, 110), (2, 100, 90), (3, 50, 100))
            for side, stop in ((plan.STOCK, stock), (plan.DMORE, ours),
                               (plan.UNSYNCHRONISED, 200))
            for row in make_rows(SSH, run, side, stop)]

    def of(self, name: str) -> dict:
        found, = [each for each in summary.figures(self.rows)
                  if each['name'] == name]
        return found

    def test_the_form_of_the_json(self):
        self.assertEqual(
            {'name': 'instance_stop_ms', 'unit': 'ms', 'instance_mib': 512,
             'client': 'ssh', 'key_interval_ms': 50, 'guest': 'idle',
             'stock': 100.0, 'unsynchronised': 200.0, 'dmore': 100.0,
             'dmore_over_stock': 1.1, 'dmore_over_unsynchronised': 0.5,
             'runs': 3}, self.of('instance_stop_ms'))
        self.assertEqual(list(summary.UNITS),
                         [each['name'] for each in summary.figures(self.rows)])
        self.assertIsNone(self.of('domr_stop_ms')['stock'])
        self.assertIsNone(self.of('domr_stop_ms')['dmore_over_stock'])
        json.dumps(summary.figures(self.rows))

    def test_a_ratio_needs_both_of_a_run(self):
        self.rows = [row for row in self.rows
                     if (row['run'], row['side']) != (3, plan.STOCK)]
        self.assertAlmostEqual(1.0, self.of('instance_stop_ms')[
            'dmore_over_stock'])
        self.assertIsNone(self.of('keys_doubled')['dmore_over_stock'])

    def test_what_does_not_count(self):
        before = summary.figures(self.rows)
        self.rows += make_rows(SSH, 3, plan.DMORE, 9999, 'BUG: unable')
        self.assertEqual(before, summary.figures(self.rows))
        said, = summary.excluded(self.rows)
        self.assertIn('run 3, dmore, 512 MiB, idle: BUG: unable', said)

    def test_tables(self):
        text = summary.table(self.rows, summary.figures(self.rows))
        self.assertRegex(text, r'instance_stop_ms +512 +idle +ssh +50 +'
                         r'100 \(50 to 100\) +200 \(200 to 200\) +'
                         r'100 \(90 to 110\) +1.10 +0.50 +3')
        self.assertRegex(summary.opinions(self.rows),
                         r'instance_stop_clock_ms +1.0 +1.0 +1.0 +9')
        self.assertEqual(
            ['c1', '10', '(10', 'to', '10)', '100', '(50', 'to', '100)', '3'],
            summary.directions(self.rows).splitlines()[1].split())
        self.assertRegex(summary.where_time_goes(self.rows),
                         r'begin +- +1.00 +1.00\n')

    def test_aims(self):
        verdicts = {line.split(': ')[1]: line for line in summary.aims(
            self.rows, summary.figures(self.rows))}
        self.assertEqual(
            ['met', 'met', 'met', 'MISSED', 'met'],
            [line.partition(':')[0] for line in verdicts.values()])
        self.assertIn('2400', verdicts[
            "longest response, ms above the instance's stop"])
        self.rows += make_rows(SILENT, 1, plan.STOCK)
        self.rows += make_rows(SILENT, 1, plan.DMORE, total_s=11.6)
        line = summary.aims(self.rows, summary.figures(self.rows))[1]
        self.assertRegex(line, r'MISSED: whole.*at most 1\.16 .*met in 1 of 3')
        self.assertEqual(['not measured'] * 5, [
            line.partition(':')[0] for line in summary.aims([], [])])


class CommandLineTest(unittest.TestCase):

    def test_options(self):
        options = cli.parser().parse_args(
            ['migration', '--quick', '--only', 'idle', '--plots', 'x'])
        self.assertTrue(options.only.search(str(SSH)))
        self.assertIsNone(options.only.search(str(SILENT)))
        self.assertEqual((True, None, pathlib.Path('x')),
                         (options.quick, options.runs, options.plots))
        for wrong in (['--runs', '0'], ['--only', '[']):
            with mock.patch('sys.stderr'):
                self.assertRaises(SystemExit, cli.parser().parse_args,
                                  ['migration', *wrong])
