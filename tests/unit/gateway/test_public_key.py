# SPDX-License-Identifier: Apache-2.0
"""Public keys as text."""

from oslotest import base

from nova_dmore.gateway import public_key
from tests.unit.gateway import fakes

KEY = fakes.key(1)
KIND, DATA = KEY.split()


class PublicKeyTest(base.BaseTestCase):

    def test_comments_are_left_out(self):
        self.assertEqual(KEY, public_key.of_line(KEY))
        self.assertEqual(KEY, public_key.of_line(f' {KEY}  "a" \\\n b\n'))
        self.assertEqual(KEY, public_key.normal(KIND, DATA))

    def test_several_lines(self):
        keys = [fakes.key(number) for number in range(20)]
        self.assertEqual(keys[:2], public_key.of_text(
            f'\n{keys[0]} ü\r\n# {keys[3]}\n{keys[1]}\n{keys[0]}\nx'))
        self.assertEqual(keys[:public_key.KEYS_MAX],
                         public_key.of_text('\n'.join(keys)))
        self.assertEqual([], public_key.of_text('\n' * (1 << 24)))

    def test_of_a_hardware_token(self):
        key = fakes.key(1, 'sk-ssh-ed25519@openssh.com')
        self.assertEqual(key, public_key.of_line(key))

    def test_what_is_none(self):
        for line in ('', KIND, f'{KIND} ', f'{KIND} x{DATA}', f'{KIND} ====',
                     f'ssh-rsa {DATA}', f'restrict {KEY}', f'a"b {DATA}',
                     f'{KIND} {DATA[:20]}', f'{KIND.upper()} {DATA}',
                     f'{KIND} ünicode', '-----BEGIN CERTIFICATE-----\nMIIC',
                     f'{KIND} {DATA}{"A" * 8192}'):
            self.assertRaises(ValueError, public_key.of_line, line)

    def test_a_long_line_takes_no_time(self):
        self.assertRaises(ValueError, public_key.of_line, ' ' * (1 << 24))
