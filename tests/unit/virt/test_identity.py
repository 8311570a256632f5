# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

import os

from cryptography.hazmat.primitives import serialization

from nova_dmore import exception
from nova_dmore.virt import identity
from tests.unit.virt import fakes

KEY = ('ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okW'
       'i0dh2l9GKJl operator')


class SecretTest(fakes.TestCase):

    def _file(self, content, mode=0o600):
        path = self.create_tempfiles([('secret', content)], ext='')[0]
        os.chmod(path, mode)
        return path

    def _assert_refused(self, path, text):
        error = self.assertRaises(
            exception.ConfigurationError, identity.read_secret, path)
        self.assertIn('[dmore] secret_file', str(error))
        self.assertIn(path, str(error))
        self.assertIn(text, str(error))

    def test_read(self):
        path = self._file(' ' + 'f' * 64 + '\n')
        self.assertEqual(b'f' * 64, identity.read_secret(path))

    def test_missing(self):
        self._assert_refused('/nonexistent/secret', 'No such file')

    def test_readable_by_others(self):
        for mode in (0o640, 0o604, 0o620):
            self._assert_refused(self._file('f' * 64, mode), '0600')

    def test_short(self):
        self._assert_refused(self._file('f' * 31), '31 bytes')

    def test_shortest_and_longest(self):
        for size in (32, 4096):
            self.assertEqual(
                size, len(identity.read_secret(self._file('f' * size))))

    def test_long(self):
        self._assert_refused(self._file('f' * 4097), '4097 bytes')


class HostKeyTest(fakes.TestCase):

    def _public(self, secret, instance_uuid):
        key = serialization.load_pem_private_key(
            identity.host_key(secret, instance_uuid).encode(), None)
        return key.public_key().public_bytes(
            serialization.Encoding.OpenSSH,
            serialization.PublicFormat.OpenSSH).decode()

    def test_stays_what_it_was_in_earlier_releases(self):
        # A change would make every client warn of an impostor.
        self.assertEqual(
            'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAID/4xZbtqxEjXY0/aoTEqxqpZn1'
            'srjkKDEyrsbHIs623', self._public(b's' * 32, fakes.UUID))

    def test_text_is_the_same_each_time(self):
        # A repeated configuration must change nothing in Domain R.
        self.assertEqual(identity.host_key(b's' * 32, fakes.UUID),
                         identity.host_key(b's' * 32, fakes.UUID))

    def test_depends_on_instance_and_secret(self):
        keys = {self._public(b's' * 32, fakes.UUID),
                self._public(b's' * 32, fakes.UUID[::-1]),
                self._public(b't' * 32, fakes.UUID)}
        self.assertEqual(3, len(keys))


class AuthorizedKeysTest(fakes.TestCase):

    def _read(self, content):
        return identity.read_authorized_keys(
            self.create_tempfiles([('keys', content)], ext='')[0])

    def test_none(self):
        self.assertEqual([], identity.read_authorized_keys(None))

    def test_comments_and_empty_lines_are_left_out(self):
        self.assertEqual([KEY], self._read(f'# ours\n\n  {KEY}\n'))

    def test_missing_file(self):
        error = self.assertRaises(
            exception.ConfigurationError,
            identity.read_authorized_keys, '/nonexistent/keys')
        self.assertIn('[dmore] console_authorized_keys', str(error))
        self.assertIn('/nonexistent/keys', str(error))

    def test_unreadable_bytes(self):
        error = self.assertRaises(
            exception.ConfigurationError, self._read, b'\xff\xfe\x00')
        self.assertIn('[dmore] console_authorized_keys', str(error))

    def test_a_line_that_is_no_key(self):
        for line in ('ssh-ed25519 AAAA', 'hello', f'command="id" {KEY}',
                     'ssh-foo AAAAB3NzaC1yc2E='):
            error = self.assertRaises(
                exception.ConfigurationError, self._read, f'{KEY}\n{line}\n')
            self.assertIn('key 2', str(error))

    def test_is_public_key(self):
        self.assertTrue(identity.is_public_key(KEY))
        self.assertFalse(identity.is_public_key('\udcff'))
        self.assertFalse(identity.is_public_key(''))
