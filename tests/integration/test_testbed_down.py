# SPDX-License-Identifier: Apache-2.0
"""``tools/testbed down`` leaves nothing, whenever its ``up`` was killed."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import unittest

from tests.unit import tools
from laboratory import layout

_PREFIX = 'dmdown'
_TESTBED = tools.TOOLS / 'testbed'


@unittest.skipUnless(os.geteuid() == 0, 'needs root')
class DownTest(unittest.TestCase):

    def setUp(self):
        super().setUp()
        self.state = pathlib.Path(tempfile.mkdtemp(prefix='dmore-down-'))
        self.addCleanup(shutil.rmtree, self.state)
        installed = layout.Layout.from_environment()
        self.assertTrue(installed.guest_image.exists(),
                        'run tools/setup first: there is no guest image')
        mine = layout.Layout(self.state)
        mine.guest_image.parent.mkdir(parents=True)
        mine.guest_image.symlink_to(installed.guest_image)
        mine.newer_qemu.symlink_to(installed.newer_qemu)
        self.environment = {**os.environ, 'DMORE_STATE': str(self.state),
                            'DMORE_PREFIX': _PREFIX,
                            'DMORE_VENV': str(installed.venv)}
        self.addCleanup(self.run_testbed, 'down')

    def run_testbed(self, *arguments):
        return subprocess.run([_TESTBED, *arguments], env=self.environment,
                              capture_output=True, text=True)

    def killed_after(self, seconds):
        with (self.state / 'up.log').open('w') as log:
            up = subprocess.Popen([_TESTBED, 'up', '--driver',
                                   'libvirt.LibvirtDriver'],
                                  env=self.environment, stderr=log)
            time.sleep(seconds)
            self.assertIsNone(up.poll(), 'up ended by itself')
            up.kill()
            up.wait()

    def assertNothingLeft(self):
        namespaces = subprocess.run(['ip', 'netns'], capture_output=True,
                                    text=True, check=True).stdout
        self.assertNotIn(_PREFIX, namespaces)
        self.assertNotIn(str(self.state),
                         pathlib.Path('/proc/mounts').read_text())
        self.assertFalse((self.state / 'cloud').exists())
        self.assertEqual([], self.processes())
        self.assertEqual([], list(pathlib.Path('/sys/fs/cgroup').rglob(
            f'*{_PREFIX}*')))

    def processes(self):
        found = []
        for process in pathlib.Path('/proc').glob('[0-9]*'):
            try:
                line = (process / 'cmdline').read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if str(self.state).encode() in line:
                found.append(line)
        return found

    def test_killed_at_any_time(self):
        for seconds in (0.3, 2, 15):
            with self.subTest(seconds=seconds):
                self.killed_after(seconds)
                done = self.run_testbed('down')
                self.assertEqual((0, ''), (done.returncode, done.stderr))
                self.assertNothingLeft()

    def test_twice_in_a_row_and_without_a_cloud(self):
        for _ in range(2):
            self.assertEqual(0, self.run_testbed('down').returncode)
            self.assertNothingLeft()

    def test_without_its_records(self):
        self.killed_after(4)
        shutil.rmtree(self.state / 'cloud' / 'run')
        self.assertEqual(0, self.run_testbed('down').returncode)
        self.assertNothingLeft()

    def test_logs_are_kept_when_asked_for(self):
        self.killed_after(4)
        self.assertEqual(0, self.run_testbed('down', '--keep-logs').returncode)
        self.assertNothingLeft()
        self.assertTrue(list(self.state.glob('logs/cloud-*/ctl/*.log')))

    def test_not_while_another_command_runs(self):
        with (self.state / 'up.log').open('w') as log:
            up = subprocess.Popen([_TESTBED, 'up'], env=self.environment,
                                  stderr=log)
            time.sleep(2)
            done = self.run_testbed('down')
            up.kill()
            up.wait()
        self.assertEqual(1, done.returncode)
        self.assertIn('another', done.stderr)
