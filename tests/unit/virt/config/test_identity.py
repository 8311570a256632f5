# SPDX-License-Identifier: Apache-2.0

import os

from cryptography.hazmat.primitives import serialization
import fixtures

from nova_dmore import exception
from nova_dmore.virt.config import identity
from nova_dmore.virt.config import key_lines
from tests.unit.virt import fakes

KEY = ('ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okW'
       'i0dh2l9GKJl operator')


class SecretsTest(fakes.TestCase):

    def _file(self, content, mode=0o600):
        path = os.path.join(self.useFixture(fixtures.TempDir()).path, 'secret')
        with open(path, 'wb') as file:
            file.write(content if isinstance(content, bytes)
                       else content.encode())
        os.chmod(path, mode)
        return path

    def _assert_refused(self, path, *texts):
        error = self.assertRaises(
            exception.ConfigurationError, identity.read_secrets, path)
        for text in ('[dmore] secret_file', path, *texts):
            self.assertIn(text, str(error))
        return str(error)

    def test_one_without_an_id(self):
        for content, expected in {
                ' ' + 'f' * 64 + '\n': b'f' * 64,
                'a' * 20 + '\n' + 'b' * 20: b'a' * 20 + b'\n' + b'b' * 20,
                b'\xff:' + b'7:' * 40: b'\xff:' + b'7:' * 40,
                b'\0:' + b'7:' * 40: b'\0:' + b'7:' * 40}.items():
            secrets = identity.read_secrets(self._file(content))
            self.assertEqual({0: expected}, secrets.by_id)
            self.assertEqual(0, secrets.newest)

    def test_several(self):
        secrets = identity.read_secrets(self._file(
            f'# of 2026\n0:{"f" * 64}\n\n  7:hex:{"0A" * 32}\n'
            f'3:{"b" * 40}\n'))
        self.assertEqual(
            {0: b'f' * 64, 7: b'\n' * 32, 3: b'b' * 40}, secrets.by_id)
        self.assertEqual(3, secrets.newest)
        self.assertEqual(b'b' * 40, secrets.get(3))

    def test_the_first_one_stays_what_it_was(self):
        # Rotating changes no host key of a pair that there is.
        before = identity.read_secrets(self._file('f' * 64 + '\n')).get(0)
        after = identity.read_secrets(self._file(
            '0:' + 'f' * 64 + '\n1:' + 'e' * 64 + '\n')).get(0)
        self.assertEqual(before, after)

    def test_an_id_that_is_not_there(self):
        secrets = identity.read_secrets(self._file(
            f'0:{"f" * 64}\n2:{"e" * 64}\n'))
        error = self.assertRaises(
            exception.ConfigurationError, secrets.get, 5)
        for text in ('[dmore] secret_file', secrets.path, '5', '0, 2'):
            self.assertIn(text, str(error))

    def test_lines_that_are_wrong(self):
        good = f'0:{"f" * 64}\n'
        for wrong in ('1', ':' + 'e' * 64, 'one:' + 'e' * 64, '1: ' + 'e' * 64,
                      '-1:' + 'e' * 64, '65536:' + 'e' * 64,
                      '1:' + 'e' * 31, '1:hex:' + 'e' * 62,
                      '1:hex:' + 'x' * 64, '1:hex:' + 'e' * 65, 'e' * 64,
                      '1:' + 'e' * 4097,
                      '0:' + 'e' * 64, '1:' + 'e' * 40 + ':' + 'e' * 40):
            for content in (good + wrong, wrong + '\n' + good):
                text = self._assert_refused(self._file(content), 'line')
                self.assertNotIn('eee', text)
        self._assert_refused(self._file('# a: b'), '0 secrets')
        self._assert_refused(self._file(''.join(
            f'{each}:{"f" * 32}\n' for each in range(17))), '17 secrets')

    def test_one_secret_with_a_colon(self):
        # No typing error makes other keys of what the file has said.
        self._assert_refused(self._file('pass:' + 'f' * 64), '0:hex:')

    def test_what_is_shown_of_them(self):
        secrets = identity.read_secrets(self._file('f' * 64))
        self.assertNotIn('fff', repr(secrets))

    def test_missing(self):
        self._assert_refused('/nonexistent/secret', 'No such file')

    def test_readable_by_others(self):
        for mode in (0o640, 0o604, 0o620):
            self._assert_refused(self._file('f' * 64, mode), '0600')

    def test_short(self):
        self._assert_refused(self._file('f' * 31), '31 bytes')

    def test_shortest_and_longest(self):
        for size in (32, 4096):
            self.assertEqual(size, len(identity.read_secrets(
                self._file('f' * size)).get(0)))

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

    def test_the_public_half(self):
        self.assertEqual(self._public(b's' * 32, fakes.UUID),
                         identity.public_host_key(b's' * 32, fakes.UUID))

    def test_depends_on_instance_and_secret(self):
        keys = {self._public(b's' * 32, fakes.UUID),
                self._public(b's' * 32, fakes.UUID[::-1]),
                self._public(b't' * 32, fakes.UUID)}
        self.assertEqual(3, len(keys))


class VncPasswordTest(fakes.TestCase):

    def test_stays_what_it_was_in_earlier_releases(self):
        self.assertEqual(
            'sLN6gg1G', identity.vnc_password(b's' * 32, fakes.UUID))

    def test_is_one(self):
        for view_only in (False, True):
            password = identity.vnc_password(
                b's' * 32, fakes.UUID, view_only)
            self.assertEqual(8, len(password))
            self.assertTrue(password.isascii() and password.isalnum())

    def test_depends_on_instance_secret_and_purpose(self):
        passwords = {
            identity.vnc_password(secret, instance_uuid, view_only)
            for secret in (b's' * 32, b't' * 32)
            for instance_uuid in (fakes.UUID, fakes.UUID[::-1])
            for view_only in (False, True)}
        self.assertEqual(8, len(passwords))

    def test_any_character_may_be_in_it(self):
        seen = set()
        for number in range(300):
            seen.update(identity.vnc_password(b's' * 32, str(number)))
        self.assertEqual(62, len(seen))


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

    def test_a_comment_of_any_language(self):
        for comment in ('jürgen@büro', '田中@web'):
            line, = self._read(f'{KEY.rsplit(" ", 1)[0]} {comment}\r\n')
            self.assertTrue(line.isascii())
            self.assertTrue(line.startswith(KEY.rsplit(' ', 1)[0] + ' '))

    def test_options(self):
        lines = [f'cert-authority,principals="web,db" {KEY}',
                 f'from="10.0.0.0/8" {KEY}', f'restrict,pty  {KEY}',
                 f'environment="A=\\"b\\" c",no-pty\t{KEY}']
        self.assertEqual(lines, self._read('\r\n\r\n'.join(lines)))

    def test_a_line_that_is_no_key(self):
        for line in (f'expiry-time="20300101" {KEY}', f'from="10.* {KEY}',
                     f'no-such-option {KEY}', f'pty, {KEY}',
                     f'pty,command="id" {KEY}', f'pty pty {KEY}',
'ssh-ed25519 AAAA', 'hello', f'command="id" {KEY}',
                     'ssh-foo AAAAB3NzaC1yc2E='):
            error = self.assertRaises(
                exception.ConfigurationError, self._read, f'{KEY}\n{line}\n')
            self.assertIn('key 2', str(error))

    def test_is_public_key(self):
        self.assertTrue(key_lines.is_usable(KEY))
        self.assertFalse(key_lines.is_usable('\udcff'))
        self.assertFalse(key_lines.is_usable(''))
