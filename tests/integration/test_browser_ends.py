# SPDX-License-Identifier: Apache-2.0
"""Users' programs end with the process that started them."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest

import psutil

# For the path that it sets.
from tests.unit import tools
from tests.integration import cloud
from laboratory.browser.browser import Browser
from laboratory.browser.viewer import Screen

_END_S = 10
#: Says its own pid when the browser runs, and waits to be killed.
_VICTIM = '''
import os, pathlib, sys, time
from laboratory.browser.browser import Browser
browser = Browser(pathlib.Path(sys.argv[1]))
browser.open('data:text/html,here')
print(os.getpid(), flush=True)
time.sleep(3600)
'''


def setUpModule():
    if os.geteuid() != 0:
        raise unittest.SkipTest('needs root')


def _descendants(pid=None):
    """All processes below one, or below this one."""
    return psutil.Process(pid).children(recursive=True)


def _alive(processes):
    """The processes that have not ended."""
    found = []
    for each in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if each.status() not in (psutil.STATUS_ZOMBIE,
                                     psutil.STATUS_DEAD):
                found.append(each)
    return found


class EndsTest(unittest.TestCase):

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.log = pathlib.Path(folder.name) / 'log'
        self.before = set(pathlib.Path(tempfile.gettempdir()).iterdir())
        # A host service of other tests, say.
        self.others = set(_descendants())

    def started(self):
        return [each for each in _descendants() if each not in self.others]

    def assert_nothing_left(self, pids):
        self.assertGreater(len(pids), 1)
        cloud.wait_for(lambda: not _alive(pids), _END_S, 'all have ended')
        self.assertEqual([], [
            path for path in pathlib.Path(tempfile.gettempdir()).iterdir()
            if path not in self.before and 'chrom' in path.name.lower()])

    def test_browser_that_is_closed(self):
        with Browser(self.log) as browser:
            browser.open('data:text/html,here')
            pids = self.started()
        self.assert_nothing_left(pids)

    def test_browser_of_a_process_that_is_killed(self):
        victim = subprocess.Popen(
            [sys.executable, '-c', _VICTIM, str(self.log)],
            stdout=subprocess.PIPE,
            env={**os.environ, 'PYTHONPATH': str(tools.TOOLS)})
        self.addCleanup(victim.stdout.close)
        try:
            self.assertTrue(victim.stdout.readline())
            pids = _descendants(victim.pid)
        finally:
            victim.send_signal(signal.SIGKILL)
            victim.wait()
        self.assert_nothing_left(pids)

    def test_screen(self):
        screen = Screen(self.log, (640, 480))
        pids = self.started()
        screen.close()
        self.assert_nothing_left(pids)
