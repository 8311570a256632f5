# SPDX-License-Identifier: Apache-2.0
"""A fault is injected at the line that is waited for."""

import pathlib
import tempfile
import unittest

from tests.unit import tools  # noqa: F401  (finds the imports below)
from laboratory.faults import fault
from laboratory.faults import log_trigger
from laboratory.faults import phases

SERVER = 'b43e1276-3017-4176-b246-a16604d7fda7'


def line(phase, server=SERVER):
    return (f'2026-11-25 22:34:44.301 57 INFO nova_dmore [-] [instance: '
            f'{server}] Co-migration 514c to c2: {phase}\n')


class LogTriggerTest(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.log = pathlib.Path(folder.name) / 'log'
        self.log.write_text(line('stop'))
        self.calls = 0

    def _act(self):
        self.calls += 1

    def _start(self, phase, action=None):
        one = log_trigger.LogTrigger(self.log, phases.of_pair(SERVER), phase,
                                     action or self._act)
        one.start()
        self.addCleanup(one.stop)
        return one

    def _write(self, text):
        with self.log.open('a') as stream:
            stream.write(text)

    def test_acts_at_the_phase(self):
        one = self._start('stop')
        self._write(line('begin') + line('stop', 'other') + line('pre-copy'))
        self.assertFalse(one.acted.wait(0.1))
        # Written in two pieces, as it may be read.
        text = line('stop')
        self._write(text[:30])
        self.assertFalse(one.acted.wait(0.1))
        self._write(text[30:] + line('stop'))
        self.assertTrue(one.acted.wait(5))
        self.assertEqual(1, self.calls)
        self.assertEqual('stop', one.landed())

    def test_what_was_there_before_does_not_count(self):
        self.assertFalse(self._start('stop').acted.wait(0.1))

    def test_an_error_is_kept(self):
        def fail():
            raise fault.NothingThere('x')
        one = self._start('live', fail)
        self._write(line('live'))
        self.assertTrue(one.acted.wait(5))
        self.assertIsInstance(one.error, fault.NothingThere)

    def test_never(self):
        self.assertEqual('never', self._start('live').landed())


class SignTest(unittest.TestCase):

    def test_stock_has_the_same_phases(self):
        self.assertEqual(set(phases.PHASES), set(phases.of_stock(SERVER)))

    def test_stop_is_told_from_what_ends_alike(self):
        signs = phases.of_pair(SERVER)
        self.assertTrue(signs['stop'].matches(line('stop').rstrip()))
        self.assertFalse(signs['live'].matches(line('alive').rstrip()))
