# SPDX-License-Identifier: Apache-2.0
"""What consoles are opened with, and how the command as a whole answers."""

import contextlib
import errno
import io
import json
import os
import pathlib
import pwd
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

from cryptography.hazmat.primitives import serialization

import nova_dmore
from nova_dmore.cmd import manage
from nova_dmore.virt.config import identity
from nova_dmore.virt.pair import record as record_module
from tests.unit.virt import fakes

OTHER_UUID = '9b0b0c52-59c1-4b0e-8f58-0a5a4c3d2b10'
FIRST, SECOND = 's' * 64, 't' * 64


class ManageTest(unittest.TestCase):

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.secrets = self.folder / 'secret'
        self.secrets.write_text(f'0:{FIRST}\n1:{SECOND}\n')
        self.secrets.chmod(0o600)
        self.records = record_module.Records(
            str(self.folder / 'records'), str(self.folder / 'run'))
        self.records.save(fakes.make_record(secret_id=1))
        self.write_conf()

    def write_conf(self, *lines):
        (self.folder / 'nova.conf').write_text('\n'.join([
            '[DEFAULT]', 'transport_url = rabbit://', '[dmore]',
            f'secret_file = {self.secrets}',
            f'record_dir = {self.folder}/records',
            *lines]))

    def run_command(self, *arguments):
        """Status, output, errors."""
        output, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(output), \
                contextlib.redirect_stderr(errors):
            try:
                status = manage.main([
                    '--config-file', str(self.folder / 'nova.conf'),
                    *arguments])
            except SystemExit as error:
                status = error.code
        return status, output.getvalue(), errors.getvalue()

    def test_another_user(self):
        owner = os.geteuid() + 1
        with mock.patch.object(os, 'geteuid', return_value=owner):
            status, output, errors = self.run_command(
                'host-key', fakes.UUID)
        self.assertEqual((1, ''), (status, output))
        self.assertIn(f'{self.folder}/records belongs to the user '
                      f'{pwd.getpwuid(owner - 1).pw_name}: run it', errors)

    def test_records_that_cannot_be_read(self):
        with mock.patch.object(os, 'listdir', side_effect=PermissionError(
                errno.EACCES, 'Permission denied')):
            self.assert_refused(
                ['secrets'], '[dmore] record_dir', 'Permission denied; run it '
                'as the user of nova-compute')

    def answer(self, *arguments):
        status, output, errors = self.run_command(*arguments)
        self.assertEqual((0, ''), (status, errors))
        return output

    def assert_refused(self, arguments, *texts):
        status, output, errors = self.run_command(*arguments)
        self.assertNotEqual(0, status)
        self.assertEqual('', output)
        for text in texts:
            self.assertIn(text, errors)

    def test_password(self):
        for view_only in (False, True):
            options = ['--view-only'] if view_only else []
            self.assertEqual(
                identity.vnc_password(SECOND.encode(), fakes.UUID,
                                      view_only) + '\n',
                self.answer('vnc-password', *options, fakes.UUID.upper()))

    def test_password_of_an_instance_that_is_elsewhere(self):
        self.assert_refused(['vnc-password', OTHER_UUID], OTHER_UUID,
                            '--secret-id', str(self.secrets))
        expected = identity.vnc_password(FIRST.encode(), OTHER_UUID) + '\n'
        self.assertEqual(expected, self.answer(
            'vnc-password', '--secret-id', '0', OTHER_UUID))
        self.secrets.write_text(FIRST)
        self.assertEqual(expected, self.answer('vnc-password', OTHER_UUID))

    def test_host_key(self):
        key = serialization.load_pem_private_key(identity.host_key(
            SECOND.encode(), fakes.UUID).encode(), None).public_key()
        text = key.public_bytes(
            serialization.Encoding.OpenSSH,
            serialization.PublicFormat.OpenSSH).decode()
        lines = self.answer('host-key', fakes.UUID).splitlines()
        self.assertEqual(f'10.0.0.5 {text}', lines[0])
        self.assertEqual(
            ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'ssh-rsa'],
            [line.split()[1] for line in lines])
        self.write_conf('ssh_port = 2222')
        for line in self.answer('host-key', fakes.UUID).splitlines():
            self.assertTrue(line.startswith('[10.0.0.5]:2222 '))
        self.assertTrue(self.answer(
            'host-key', '--address', '10.0.0.7', fakes.UUID).startswith(
                f'[10.0.0.7]:2222 {text}\n'))

    def test_ssh_reads_it(self):
        known = self.folder / 'known_hosts'
        known.write_text(self.answer('host-key', fakes.UUID))
        found = subprocess.run(
            ['ssh-keygen', '-F', '10.0.0.5', '-f', known],
            stdout=subprocess.PIPE, text=True, check=True).stdout
        for algorithm in ('ssh-ed25519', 'ecdsa-sha2-nistp256', 'ssh-rsa'):
            self.assertIn(algorithm, found)

    def test_host_key_without_an_address(self):
        self.assert_refused(
            ['host-key', '--secret-id', '0', OTHER_UUID], '--address')
        self.assert_refused(
            ['host-key', '--address', 'c2', OTHER_UUID], 'c2')

    def test_secrets(self):
        self.records.save(fakes.make_record(
            instance_uuid=OTHER_UUID, secret_id=7))
        self.assertEqual('0 0 pairs\n1 1 pairs, newest\n7 1 pairs, missing\n',
                         self.answer('secrets'))
        self.assertNotIn(FIRST, self.answer('secrets'))

    def test_for_programs(self):
        self.assertEqual(
            [{'id': 0, 'pairs': 0, 'missing': False, 'newest': False},
             {'id': 1, 'pairs': 1, 'missing': False, 'newest': True}],
            json.loads(self.answer('secrets', '--json')))
        self.assertEqual(
            {'password': identity.vnc_password(SECOND.encode(), fakes.UUID)},
            json.loads(self.answer('vnc-password', '--json', fakes.UUID)))
        told = json.loads(self.answer('host-key', '--json', fakes.UUID))
        self.assertEqual(
            self.answer('host-key', fakes.UUID).splitlines(),
            [f'{told["host"]} {key}' for key in told['keys']])

    def test_what_is_wrong(self):
        self.assert_refused(['vnc-password', '--secret-id', '5', OTHER_UUID],
                            '[dmore] secret_file', '5')
        self.assert_refused(['vnc-password', 'web'], 'web')
        self.secrets.chmod(0o644)
        self.assert_refused(['secrets'], '[dmore] secret_file', '0600')
        (self.folder / 'nova.conf').unlink()
        self.assert_refused(['secrets'], 'nova.conf')

    def test_a_host_that_has_the_plug_in(self):
        # In a process of its own: Nova's configuration is one for each.
        with (self.folder / 'nova.conf').open('a') as conf:
            conf.write('\n[DEFAULT]\ncompute_driver = dmore.DMoreDriver\n')
        done = subprocess.run(
            [sys.executable, '-W', 'ignore', '-m', 'nova_dmore.cmd.manage',
             '--config-file', self.folder / 'nova.conf', 'host', 'clean'],
            capture_output=True, text=True,
            cwd=pathlib.Path(nova_dmore.__file__).parents[1])
        self.assertEqual((1, ''), (done.returncode, done.stdout))
        self.assertIn('dmore.DMoreDriver', done.stderr)
        self.assertNotIn('Traceback', done.stderr)

    def test_as_a_program(self):
        done = subprocess.run(
            [sys.executable, '-W', 'ignore', '-m', 'nova_dmore.cmd.manage',
             '--config-file', self.folder / 'nova.conf', 'vnc-password',
             fakes.UUID], check=True, capture_output=True, text=True,
            cwd=pathlib.Path(nova_dmore.__file__).parents[1])
        self.assertEqual(
            identity.vnc_password(SECOND.encode(), fakes.UUID) + '\n',
            done.stdout)


if __name__ == '__main__':
    unittest.main()
