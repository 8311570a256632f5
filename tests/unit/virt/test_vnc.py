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

import datetime
import functools
import os
import pathlib

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization
from cryptography import x509
from cryptography.x509 import oid
import fixtures

from nova_dmore import exception
from nova_dmore.virt import vnc
from tests.unit.virt import fakes

_PEM = serialization.Encoding.PEM


@functools.cache
def make_key(name):
    """A private key; the same one for the same name."""
    return ec.generate_private_key(ec.SECP256R1())


def make_certificate(name='domr'):
    """A certificate for the key of that name, as text."""
    key = make_key(name)
    subject = x509.Name([x509.NameAttribute(oid.NameOID.COMMON_NAME, name)])
    start = datetime.datetime(2026, 1, 1)
    certificate = x509.CertificateBuilder(
        subject, subject, key.public_key(), 1, start,
        start + datetime.timedelta(days=1)).sign(key, hashes.SHA256())
    return certificate.public_bytes(_PEM).decode()


def make_key_text(name='domr', passphrase=None):
    """The private key of that name, as text."""
    encryption = (serialization.BestAvailableEncryption(passphrase)
                  if passphrase else serialization.NoEncryption())
    return make_key(name).private_bytes(
        _PEM, serialization.PrivateFormat.PKCS8, encryption).decode()


class VncTestCase(fakes.TestCase):

    def setUp(self):
        super().setUp()
        self.directory = self.useFixture(fixtures.TempDir()).path

    def write(self, name, content, mode=0o600):
        path = pathlib.Path(self.directory, name)
        path.write_bytes(content if isinstance(content, bytes)
                         else content.encode())
        path.chmod(mode)
        return str(path)

    def assert_refused(self, option, *texts):
        error = self.assertRaises(exception.ConfigurationError,
                                  vnc.build, self.conf.dmore)
        self.assertIn(f'[dmore] {option}', str(error))
        for text in texts:
            self.assertIn(text, str(error))


class PlainTest(VncTestCase):

    def test_defaults(self):
        self.assertEqual(
            {'port': 5900, 'proxy_networks': [], 'direct_networks': [],
             'password': None, 'view_only_password': None, 'tls': None},
            vnc.build(self.conf.dmore))

    def test_proxies(self):
        self.config.config(group='dmore', vnc_port=5911, vnc_proxy_networks=[
            '192.0.2.0/28', '2001:db8::/64'])
        built = vnc.build(self.conf.dmore)
        self.assertEqual(5911, built['port'])
        self.assertEqual(['192.0.2.0/28', '2001:db8::/64'],
                         built['proxy_networks'])


class PasswordTest(VncTestCase):

    def setUp(self):
        super().setUp()
        self.config.config(group='dmore',
                           vnc_direct_networks=['198.51.100.0/24'])

    def _built(self, content, mode=0o600):
        self.config.config(group='dmore', vnc_password_file=self.write(
            'password', content, mode))
        built = vnc.build(self.conf.dmore)
        return built['password'], built['view_only_password']

    def test_read(self):
        for content, expected in {
                'secret': ('secret', None),
                'secret\n': ('secret', None),
                'secret\r\nlook\r\n': ('secret', 'look'),
                'x\n12345678\n': ('x', '12345678')}.items():
            self.assertEqual(expected, self._built(content))

    def test_not_read_if_nobody_needs_it(self):
        self.config.config(group='dmore', vnc_direct_networks=[],
                           vnc_password_file='/nonexistent/password')
        self.assertIsNone(vnc.build(self.conf.dmore)['password'])

    def _assert_refused(self, content, *texts, mode=0o600):
        self.config.config(group='dmore', vnc_password_file=self.write(
            'password', content, mode))
        self.assert_refused('vnc_password_file', *texts)

    def test_not_set(self):
        self.assert_refused('vnc_password_file', 'not set',
                            'vnc_direct_networks')

    def test_missing(self):
        self.config.config(group='dmore',
                           vnc_password_file='/nonexistent/password')
        self.assert_refused('vnc_password_file', '/nonexistent/password',
                            'No such file', '0600')

    def test_readable_by_others(self):
        for mode in (0o640, 0o604):
            self._assert_refused('secret', self.directory, '0600', mode=mode)

    def test_what_is_no_password(self):
        for content in ('', '\n', 'secret\n\n', '123456789', 'a b',
                        'p\xe4ss', 'a\tb', b'\xff\xfe', 'x' * 5000):
            self._assert_refused(content, 'line', '1 to 8')
        for content in ('123456789', 'a\0b'):
            # What was found is a secret, or half of one.
            error = self.assertRaises(
                exception.ConfigurationError, self._built, content)
            self.assertNotIn(content[:3], str(error))

    def test_too_many_lines(self):
        self._assert_refused('a\nb\nc\n', 'two lines')

    def test_both_the_same(self):
        self._assert_refused('a\na\n', 'the same')


class TlsTest(VncTestCase):

    def setUp(self):
        super().setUp()
        self.config.config(group='dmore', vnc_tls_dir=self.directory)
        self.write(vnc.CA_FILE, make_certificate('ca'), 0o644)
        self.write(vnc.CERTIFICATE_FILE, make_certificate(), 0o644)
        self.write(vnc.KEY_FILE, make_key_text())

    def test_read(self):
        self.write(vnc.CA_FILE, 'Certificate: of ours\n' +
                   make_certificate('ca'))
        # Readable by the group of QEMU.
        self.write(vnc.KEY_FILE, make_key_text(), 0o640)
        tls = vnc.build(self.conf.dmore)['tls']
        self.assertEqual({'ca', 'certificate', 'key'}, set(tls))
        self.assertEqual(make_key_text(), tls['key'])
        for name, text in tls.items():
            # What else stands in the files is left behind.
            self.assertTrue(text.startswith('-----BEGIN '), name)

    def test_a_chain(self):
        chain = make_certificate() + make_certificate('ca')
        self.write(vnc.CERTIFICATE_FILE, chain)
        self.assertEqual(2, vnc.build(self.conf.dmore)['tls'][
            'certificate'].count('BEGIN CERTIFICATE'))

    def _assert_refused(self, *texts):
        self.assert_refused('vnc_tls_dir', *texts)

    def test_missing_file(self):
        for name in (vnc.CA_FILE, vnc.CERTIFICATE_FILE, vnc.KEY_FILE):
            path = pathlib.Path(self.directory, name)
            content = path.read_bytes()
            path.unlink()
            self._assert_refused(str(path), 'No such file')
            self.write(name, content)

    def test_missing_directory(self):
        self.config.config(group='dmore', vnc_tls_dir='/nonexistent')
        self._assert_refused('/nonexistent/ca-cert.pem')

    def test_key_is_readable_by_others(self):
        os.chmod(pathlib.Path(self.directory, vnc.KEY_FILE), 0o644)
        self._assert_refused(vnc.KEY_FILE, '0640')

    def test_no_certificate(self):
        for name in (vnc.CA_FILE, vnc.CERTIFICATE_FILE):
            content = pathlib.Path(self.directory, name).read_bytes()
            for wrong in ('', 'hello', content[:-50], make_key_text()):
                self.write(name, wrong)
                self._assert_refused(name, 'no certificate')
            self.write(name, content)

    def test_no_key(self):
        for wrong in ('', 'hello', make_certificate(),
                      make_key_text(passphrase=b'x')):
            self.write(vnc.KEY_FILE, wrong)
            self._assert_refused(vnc.KEY_FILE, 'no private key')

    def test_another_key(self):
        self.write(vnc.KEY_FILE, make_key_text('other'))
        self._assert_refused(vnc.KEY_FILE, 'not the key')
