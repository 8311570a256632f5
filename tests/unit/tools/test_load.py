# SPDX-License-Identifier: Apache-2.0
"""The busy loops beside a measurement."""

import argparse
import os
import signal
import subprocess
import sys
import time
import unittest
from unittest import mock

import psutil

from tests.unit import tools  # (finds the imports below)
from laboratory import load
from laboratory import progress

_WAIT_S = 20
#: Starts a loop as a command does, says its id, and ends badly.
_COMMAND = '''
import os, psutil, signal
from laboratory import load
with load.busy(1):
    loop, = psutil.Process().children()
    print(loop.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
'''


def seconds_used(pid: int) -> float:
    """Processor time of a process."""
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def wait_for(condition) -> bool:
    deadline = time.monotonic() + _WAIT_S
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def runs(pid: int) -> bool:
    """Whether a process is there; one that nobody waits for is not."""
    try:
        return psutil.Process(pid).status() not in (
            psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False


class BusyTest(unittest.TestCase):

    def setUp(self):
        super().setUp()
        self.started: list[subprocess.Popen[bytes]] = []
        start = load._start

        def remember() -> subprocess.Popen[bytes]:
            self.started.append(start())
            return self.started[-1]

        patch = mock.patch.object(load, '_start', remember)
        patch.start()
        self.addCleanup(patch.stop)

    def test_they_are_busy_and_then_gone(self):
        with load.busy(2):
            self.assertEqual(2, len(self.started))
            for loop in self.started:
                self.assertTrue(wait_for(
                    lambda pid=loop.pid: seconds_used(pid) > 0.2))
        self.assertEqual([-signal.SIGKILL] * 2,
                         [loop.returncode for loop in self.started])

    def test_none(self):
        with load.busy(0):
            self.assertEqual([], self.started)

    def test_gone_after_a_failure(self):
        with self.assertRaises(KeyError), load.busy(1):
            raise KeyError
        self.assertEqual([-signal.SIGKILL],
                         [loop.returncode for loop in self.started])

    def test_one_that_has_ended_is_told(self):
        with self.assertRaisesRegex(progress.Failure, '--load: 1 of 2'):
            with load.busy(2):
                self.started[0].kill()
                self.started[0].wait()

    def test_gone_with_a_command_that_is_killed(self):
        done = subprocess.run(
            [sys.executable, '-c', _COMMAND], stdout=subprocess.PIPE,
            env={**os.environ, 'PYTHONPATH': str(tools.TOOLS)})
        self.assertEqual(-signal.SIGKILL, done.returncode)
        pid = int(done.stdout)
        self.assertTrue(wait_for(lambda: not runs(pid)))


class OptionTest(unittest.TestCase):

    def setUp(self):
        super().setUp()
        self.parser = argparse.ArgumentParser(exit_on_error=False)
        load.add_option(self.parser)

    def test_a_number(self):
        self.assertEqual(0, self.parser.parse_args([]).load)
        self.assertEqual(2, self.parser.parse_args(['--load', '2']).load)

    def test_no_number(self):
        for wrong in ('0', '-1', 'two', '1.5', '257', '9' * 5000, ''):
            with self.assertRaisesRegex(argparse.ArgumentError,
                                        'argument --load: '):
                self.parser.parse_args([f'--load={wrong}'])
