# SPDX-License-Identifier: Apache-2.0
"""What is installed, as far as it needs no host of its own."""

import configparser
import os
import pathlib
import shlex
import tempfile

import fixtures
from oslotest import base

from nova_dmore.domr.servers import ssh
from nova_dmore import exception
from nova_dmore.gateway import hosts
from nova_dmore.gateway import installation
from nova_dmore.gateway import options
from nova_dmore.gateway import store

ROOT = pathlib.Path(__file__).parents[3]
PROGRAM = pathlib.Path('/opt/x/nova-dmore-gateway')
CONFIG = pathlib.Path('/etc/nova-dmore/gateway.conf')


class InstallationTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.text = (ROOT / 'etc/ssh/nova-dmore-gateway.conf').read_text()

    def _config(self, port=2222, listen=()):
        return installation.sshd_config(
            self.text, PROGRAM, CONFIG,
            installation.Choice(port, listen, False))

    def test_sshd_config(self):
        lines = self._config(22, ('192.0.2.1', '2001:DB8::1')).splitlines()
        for line in ('Port 22', 'ListenAddress 192.0.2.1',
                     'ListenAddress 2001:db8::1',
                     'AuthorizedKeysCommand /opt/x/nova-dmore-gateway '
                     '--config-file /etc/nova-dmore/gateway.conf '
                     'keys %t %k'):
            self.assertIn(line, lines)
        self.assertNotIn('Port 2222', lines)

    def test_choices_that_cannot_be_used(self):
        for choice in ({'port': 0}, {'port': 65536}, {'listen': ('x',)},
                       {'listen': ('192.0.2.1\nPermitRootLogin yes',)}):
            self.assertRaises(exception.ConfigurationError, self._config,
                              **choice)

    def test_files_and_code_agree(self):
        unit = configparser.ConfigParser(strict=False, interpolation=None)
        unit.optionxform = str
        unit.read(ROOT / 'etc/systemd/nova-dmore-gateway.service')
        service = unit['Service']
        self.assertEqual(f'-{hosts.PATH}:/etc/hosts',
                         service['BindReadOnlyPaths'])
        self.assertEqual([str(store.FOLDER), str(hosts.PATH.parent)],
                         service['ReadWritePaths'].split())
        self.assertIn(installation._SSHD.name,
                      shlex.split(service['ExecStart'])[-1])
        self.assertIn(f'AllowUsers {installation.LOGIN}\n', self.text)
        self.assertIn(f'AuthorizedKeysCommandUser {installation.USER}\n',
                      self.text)
        self.assertIn(f'HostKey {installation._HOST_KEY}\n', self.text)

    def test_how_long_a_log_in_may_take(self):
        """As long as at the console, and longer than Nova may."""
        self.assertIn(f'\nLoginGraceTime {ssh.LOGIN_TIMEOUT_S}\n', self.text)
        (limit,) = [each for each in options.OPTIONS
                    if each.name == 'limit_seconds']
        self.assertLess(limit.type.max, ssh.LOGIN_TIMEOUT_S)

    def test_all_of_it_is_in_the_wheel(self):
        setup = configparser.ConfigParser()
        setup.read(ROOT / 'setup.cfg')
        self.assertIn('share/nova-dmore/etc = etc/*',
                      setup['files']['data_files'].splitlines())
        for folder, name in (('ssh', 'nova-dmore-gateway.conf'),
                             ('systemd', 'nova-dmore-gateway.service'),
                             ('nova-dmore', 'gateway.conf.sample')):
            self.assertEqual((ROOT / 'etc' / folder / name).read_text(),
                             installation._source(folder, name))

    def test_where_its_files_are(self):
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        places = folder / 'pip', folder / 'package'
        self.useFixture(fixtures.MockPatchObject(
            installation, '_PLACES', places))
        error = self.assertRaises(exception.ConfigurationError,
                                  installation._source, 'ssh', 'x.conf')
        for text in ('ssh/x.conf', *map(str, places)):
            self.assertIn(text, str(error))
        for place in reversed(places):
            (place / 'ssh').mkdir(parents=True)
            (place / 'ssh/x.conf').write_text(place.name)
            self.assertEqual(place.name,
                             installation._source('ssh', 'x.conf'))

    def test_a_program_that_sshd_would_not_run(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        program = pathlib.Path(folder.name) / 'nova-dmore-gateway'
        program.touch()
        os.chmod(program, 0o775)
        error = self.assertRaises(exception.ConfigurationError,
                                  installation._safe, program)
        self.assertIn('sshd would not run', str(error))

    def test_a_file_is_written_once(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path, said = pathlib.Path(folder.name) / 'a' / 'b', []
        for text, expected in (('x', True), ('x', False), ('y', True)):
            self.assertIs(expected, installation._write(
                path, text, 0o640, os.getgid(), said.append))
            self.assertEqual(text, path.read_text())
        self.assertEqual(0o640, path.stat().st_mode & 0o777)
        self.assertEqual([f'wrote {path}'] * 2, said)
        self.assertEqual(['b'], os.listdir(path.parent))
