# SPDX-License-Identifier: Apache-2.0
"""Services of hosts that systemd has booted."""

import pathlib
import subprocess
import tempfile
import unittest
from unittest import mock

from tests.unit import tools  # noqa: F401  (finds the imports below)
from laboratory import layout
from laboratory.progress import Failure
from laboratory.testbed import hosts
from laboratory.testbed import services
from laboratory.testbed import settings


def ended(returncode=0, stdout='', stderr=''):
    return subprocess.CompletedProcess([], returncode, stdout, stderr)


class UnitTest(unittest.TestCase):

    def setUp(self):
        super().setUp()
        folder = pathlib.Path(self.enterContext(
            tempfile.TemporaryDirectory()))
        self.root = folder / 'root'
        self.host = hosts.Machine('c1', 'dmore', folder)
        self.run = self.enterContext(mock.patch.object(
            services.subprocess, 'run', return_value=ended()))
        for name, value in (('_held', 7), ('root', self.root),
                            ('holder', 7)):
            self.enterContext(mock.patch.object(
                hosts.Host, name, return_value=value))
        self.log = folder / 'log'

    def unit(self, argv=('/bin/program', '%h of "it"'), **settings):
        return services.Unit('program', self.host, argv, self.log,
                             {'A': 'b c'}, settings)

    def commands(self):
        """-> what systemctl was told."""
        return [argv[argv.index('systemctl') + 1:] for argv in (
            call.args[0] for call in self.run.call_args_list)]

    def test_one_that_nobody_ships(self):
        self.unit(Type='exec', Restart='always').start()
        text = (self.root / 'run/systemd/system/program.service').read_text()
        self.assertEqual(
            ['[Service]', 'Restart=always', 'TimeoutStopSec=15',
             f'StandardOutput=append:{self.log}', 'Type=exec',
             'Environment="A=b c"', 'ExecStart=',
             r'ExecStart="/bin/program" "%%h of \"it\""'],
            text.splitlines())
        self.assertEqual(
            [['daemon-reload'], ['reset-failed', 'program.service'],
             ['start', 'program.service']], self.commands())

    def test_one_that_a_package_ships(self):
        shipped = self.root / 'usr/lib/systemd/system/program.service'
        shipped.parent.mkdir(parents=True)
        shipped.touch()
        self.unit(argv=()).start()
        text = (self.root / 'run/systemd/system/program.service.d/'
                'laboratory.conf').read_text()
        self.assertIn('Restart=no\n', text)
        self.assertNotIn('ExecStart', text)

    def test_started_again(self):
        self.unit().start()
        self.run.reset_mock()
        self.unit().start()
        self.assertNotIn(['daemon-reload'], self.commands())

    def test_by_systemd_for_a_while(self):
        unit = self.unit(Type='exec')
        unit.start()
        file = self.root / 'run/systemd/system/program.service'
        self.run.reset_mock()
        with self.assertRaisesRegex(ValueError, 'a test that fails'):
            with unit.started_again():
                self.assertIn('Restart=on-failure\n', file.read_text())
                self.assertEqual(['daemon-reload'], self.commands()[0])
                self.run.reset_mock()
                raise ValueError('a test that fails')
        self.assertIn('Restart=no\n', file.read_text())
        self.assertEqual(['daemon-reload'], self.commands()[0])
        self.assertEqual(unit.text(),
                         services.find(self.host, 'program').text())

    def test_found_again(self):
        unit = self.unit(Type='exec')
        unit.start()
        self.assertEqual(unit.text(),
                         services.find(self.host, 'program').text())

    def test_one_that_does_not_start(self):
        self.run.side_effect = [ended(), ended(), ended(1, stderr='no user')]
        with self.assertRaisesRegex(Failure, 'program on c1: no user'):
            self.unit().start()

    def test_its_process(self):
        for shown, pid in (('17\n', 17), ('0\n', None), ('', None)):
            self.run.return_value = ended(stdout=shown)
            self.assertEqual(pid, self.unit().pid())

    def test_one_that_does_not_stop(self):
        self.run.return_value = ended(stdout='17\n')
        with self.assertRaisesRegex(Failure, 'does not stop'):
            self.unit().stop()

    def test_of_a_host_that_is_down(self):
        hosts.Host.holder.return_value = None
        self.unit().stop()
        self.run.assert_not_called()


class HostTest(unittest.TestCase):

    def test_compute_hosts_alone_are_machines(self):
        place = settings.Place(mock.Mock(prefix='dmore'),
                               layout.Layout(pathlib.Path('/none')))
        self.assertEqual(
            [False, True, True],
            [isinstance(host, hosts.Machine) for host in place.hosts()])

    def test_a_user(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / 'etc').mkdir()
            (root / 'etc/passwd').write_text(
                'root:x:0:0:root:/root:/bin/bash\n'
                'nova:x:106:115::/var/lib/nova:/bin/sh\n')
            machine = hosts.Machine('c1', 'dmore', root)
            with mock.patch.object(hosts.Host, 'root', return_value=root):
                self.assertEqual((106, 115), machine.user('nova'))
                self.assertRaises(KeyError, machine.user, 'nobody')
