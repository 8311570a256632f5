# SPDX-License-Identifier: Apache-2.0
"""The commands, with a program in the place of ssh."""

import configparser
import importlib
import os
import pathlib
import signal
import subprocess
import sys
import threading
from unittest import mock

from keystoneauth1 import exceptions as keystone_exceptions
from osc_lib import exceptions
from oslotest import base

from nova_dmore.osc import console
from nova_dmore.osc import places
from nova_dmore.osc import plugin
from nova_dmore.osc import session
from tests.unit.gateway import fakes
from tests.unit.osc import command_case

ROOT = pathlib.Path(__file__).parents[3]
KEY = command_case.KEY


class CommandTest(command_case.CommandCase):

    def _ssh(self, *arguments, after=()):
        return self._run(console.SshConsole, '--known-hosts',
                         str(self.known_hosts), *arguments, 'web', *after)

    def _show(self, *arguments):
        return dict(zip(*self._run(console.ShowPair, *arguments, 'web')))

    def test_the_key_is_asked_for_once(self):
        self.assertEqual(7, self._ssh('--gateway', 'gw'))
        self.assertEqual(f'{fakes.WEB} {KEY}\n', self.known_hosts.read_text())
        self.assertEqual(7, self._ssh('--gateway', 'gw',
                                      after=('--', '-v')))
        ask, first, second = self._called()
        self.assertEqual(f'-l console -T gw {fakes.WEB}', ask)
        self.assertTrue(first.endswith(f' -l console {fakes.WEB}'), first)
        self.assertTrue(second.endswith(f' -l console -v {fakes.WEB}'))

    def test_ssh_that_a_signal_ends(self):
        """As a shell tells it."""
        (self.folder / 'ssh').write_text('#!/bin/sh\nkill -TERM $$\n')
        self.known_hosts.write_text(f'{fakes.WEB} {KEY}\n')
        self.assertEqual(128 + signal.SIGTERM, self._ssh('--gateway', 'gw'))

    def test_ssh_that_suspends_itself(self):
        """With "~^Z": the shell gets its terminal back, and "fg" goes on."""
        (self.folder / 'ssh').write_text('#!/bin/sh\nkill -STOP $$\nexit 7\n')
        with subprocess.Popen(
                [sys.executable, '-c',
                 'import sys; from nova_dmore.osc import console; '
                 'sys.exit(console.run(["ssh"]))'],
                cwd=ROOT, start_new_session=True) as process:
            watch = threading.Timer(60, os.killpg, (
                process.pid, signal.SIGKILL))
            watch.start()
            seen = os.waitid(os.P_PID, process.pid,
                             os.WSTOPPED | os.WEXITED | os.WNOWAIT)
            os.killpg(process.pid, signal.SIGCONT)
            status = process.wait()
            watch.cancel()
        self.assertEqual((os.CLD_STOPPED, 7), (seen.si_code, status))

    def test_the_gateway_of_the_environment(self):
        os.environ['OS_DMORE_GATEWAY'] = 'me@gw:2222'
        self._ssh('--identity', 'id')
        self.assertEqual(
            f'-i id -o IdentitiesOnly=yes -p 2222 -l me -T gw {fakes.WEB}',
            self._called()[0])

    def test_a_known_key_is_not_replaced(self):
        self.known_hosts.write_text(f'{fakes.WEB} {fakes.key(2)}\n')
        self._ssh('--gateway', 'gw')
        self.assertEqual(f'{fakes.WEB} {fakes.key(2)}\n',
                         self.known_hosts.read_text())

    def test_another_port(self):
        self._tell(host_key=KEY, port=2222)
        for _ in range(2):
            self._ssh('--gateway', 'gw')
        self.assertEqual(f'[{fakes.WEB}]:2222 {KEY}\n',
                         self.known_hosts.read_text())

    def test_without_a_gateway_ssh_asks_the_user(self):
        self.server.metadata = {places.PROPERTY: 'ssh://console@192.0.2.5:22'}
        self.assertEqual(7, self._ssh())
        self.assertEqual(1, len(self._called()))
        self.assertTrue(self._called()[0].endswith(' -l console 192.0.2.5'))
        self.assertFalse(self.known_hosts.exists())

    def test_errors(self):
        for arguments, metadata in (
                (('--gateway=-oProxyCommand=id',), {}), ((), {}),
                ((), {places.PROPERTY: 'ssh://console@-oProxyCommand=id:1'})):
            self.server.metadata = metadata
            self.assertRaises(exceptions.CommandError, self._ssh, *arguments)
            self.assertRaises(exceptions.CommandError, self._show, *arguments)
        self._tell(host_key=None)
        self.assertRaises(exceptions.CommandError, self._ssh, '--gateway',
                          'gw')
        for said in ('', '[' * 100000, '9' * 5000, '{"port": 1e999}'):
            (self.folder / 'told').write_text(said)
            self.assertRaises(exceptions.CommandError, self._ssh, '--gateway',
                              'gw')
        self.assertFalse(self.known_hosts.exists())

    def test_show(self):
        shown = self._show('--gateway', 'gw')
        self.assertRegex(shown.pop('host_key_fingerprint'), '^SHA256:')
        self.assertEqual(
            {'server_id': fakes.WEB, 'address': '2001:db8::5', 'port': 22,
             'url': 'ssh://console@[2001:db8::5]:22', 'state': 'serving'},
            shown)
        self._tell(host_key=None)
        shown = self._show('--gateway', 'gw')
        self.assertEqual((None, 'no answer'), (
            shown['host_key_fingerprint'], shown['state']))

    def test_a_host_that_does_not_answer_is_said_before_ssh_waits(self):
        for status, says in (('UP', 0), ('MAINTENANCE', 0), ('', 0),
                             ('UNKNOWN', 1), ('DOWN', 1)):
            self._host(status)
            before = self._said()
            self.assertEqual(7, self._ssh('--gateway', 'gw'))
            self.assertEqual(
                says, self._said()[len(before):].count('does not answer Nova'),
                status)
            self.nova.assert_called_with(f'/servers/{fakes.WEB}',
                                         microversion='2.16')

    def test_a_host_that_is_lost_in_a_session(self):
        (self.folder / 'status').write_text('255')
        for statuses in ('UP', 'UNKNOWN'), ('DOWN',):
            self._host(*statuses)
            before = self._said()
            self.assertEqual(255, self._ssh('--gateway', 'gw'))
            self.assertEqual(
                1, self._said()[len(before):].count('does not answer Nova'))
        self._host('UP', 'UP')
        before = self._said()
        self._ssh('--gateway', 'gw')
        self.assertEqual(before, self._said())

    def test_why_a_console_does_not_answer(self):
        self._tell(host_key=None)
        for status, says in ('UP', False), ('UNKNOWN', True):
            self._host(status)
            error = self.assertRaises(exceptions.CommandError, self._ssh,
                                      '--gateway', 'gw')
            self.assertEqual(says, 'does not answer Nova' in str(error))
            self._host(status)
            self.assertEqual(
                says, 'does not answer Nova' in self._show(
                    '--gateway', 'gw')['state'])

    def test_nova_that_tells_nothing_of_hosts(self):
        for answer in (
                keystone_exceptions.ConnectFailure(),
                mock.Mock(status_code=406),
                mock.Mock(status_code=200, **{'json.return_value': {}}),
                mock.Mock(status_code=200, **{'json.side_effect': ValueError}),
                mock.Mock(status_code=200, **{'json.return_value': {
                    'server': {}}})):
            self.nova.side_effect = [answer]
            self.assertEqual(7, self._ssh('--gateway', 'gw'))
        self.assertEqual('', self._said())

    def test_show_without_a_gateway(self):
        self.server.metadata = {places.PROPERTY: 'ssh://console@192.0.2.5:22'}
        shown = self._show()
        self.assertEqual('192.0.2.5', shown['address'])
        self.assertIsNone(shown['host_key_fingerprint'])


class PluginTest(base.BaseTestCase):

    def test_entry_points(self):
        setup = configparser.ConfigParser()
        setup.read(ROOT / 'setup.cfg')
        entries = setup['entry_points']
        self.assertIn('dmore = nova_dmore.osc.plugin\n',
                      entries['openstack.cli.extension'] + '\n')
        group = f'openstack.{plugin.API_NAME}.v{plugin.DEFAULT_API_VERSION}'
        found = {}
        for line in entries[group].strip().splitlines():
            name, _, where = line.partition(' = ')
            module, _, attribute = where.partition(':')
            found[name] = getattr(importlib.import_module(module), attribute)
        self.assertEqual({'console_ssh': console.SshConsole,
                          'console_pair_show': console.ShowPair,
                          'console_session_end': session.EndSession,
                          'console_session_list': session.ListSession}, found)
