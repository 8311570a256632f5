# SPDX-License-Identifier: Apache-2.0
"""The certificates of Domain Rs, as issued and as OpenSSL takes them."""

import datetime
import functools
import os
import pathlib
import ssl

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric import x25519
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization
from cryptography import x509
import fixtures

from nova_dmore.domr import config as domr_config
from nova_dmore.domr.servers.vnc import tls as domr_tls
from nova_dmore import exception
from nova_dmore.virt.config import certificate
from tests.unit.virt import fakes

_PEM = serialization.Encoding.PEM
_DAY = datetime.timedelta(days=1)


@functools.cache
def make_key(name, kind='ec'):
    """A private key; the same one for the same name."""
    return {'ec': lambda: ec.generate_private_key(ec.SECP256R1()),
            'rsa': lambda: rsa.generate_private_key(65537, 2048),
            'ed25519': ed25519.Ed25519PrivateKey.generate,
            'x25519': x25519.X25519PrivateKey.generate}[kind]()


def _name(text):
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def make_certificate(name, issuer=None, kind='ec', ca=True, usage=None,
                     days=3650, extended=None):
    """A certificate for the key of that name, as text.

    :param issuer: name; None: its own
    :param usage: of ``x509.KeyUsage``, the bits that are set
    :param days: until it ends
    """
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(
        _name(issuer or name), _name(name), make_key(name, kind).public_key(),
        x509.random_serial_number(), min(now, now + days * _DAY) - _DAY,
        now + days * _DAY)
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca, None), True)
    if usage is not None:
        builder = builder.add_extension(certificate._usage(**usage), True)
    if extended is not None:
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([extended]), False)
    signer = make_key(issuer or name, kind)
    return builder.sign(
        signer, None if kind == 'ed25519' else hashes.SHA256()
    ).public_bytes(_PEM).decode()


def make_key_text(name, passphrase=None, kind='ec'):
    """The private key of that name, as text."""
    encryption = (serialization.BestAvailableEncryption(passphrase)
                  if passphrase else serialization.NoEncryption())
    return make_key(name, kind).private_bytes(
        _PEM, serialization.PrivateFormat.PKCS8, encryption).decode()


def load(text):
    """The first certificate of a text."""
    return x509.load_pem_x509_certificates(text.encode())[0]


def names(leaf):
    """Uuid and address that a certificate is for."""
    found = leaf.extensions.get_extension_for_class(
        x509.SubjectAlternativeName).value
    (uri,) = found.get_values_for_type(x509.UniformResourceIdentifier)
    (address,) = found.get_values_for_type(x509.IPAddress)
    return uri.removeprefix('urn:uuid:'), str(address)


class FilesTestCase(fakes.TestCase):

    def setUp(self):
        super().setUp()
        self.directory = self.useFixture(fixtures.TempDir()).path

    def write(self, name, content, mode=0o600):
        path = pathlib.Path(self.directory, name)
        path.write_bytes(content if isinstance(content, bytes)
                         else content.encode())
        path.chmod(mode)
        return str(path)

    def write_authorities(self, kind='ec'):
        """What ``[dmore] vnc_tls_dir`` has to have."""
        self.config.config(group='dmore', vnc_tls_dir=self.directory)
        self.write(certificate.SERVER_CA_FILE,
                   make_certificate('servers', kind=kind), 0o644)
        self.write(certificate.SERVER_CA_KEY_FILE,
                   make_key_text('servers', kind=kind))
        self.write(certificate.CLIENT_CA_FILE, make_certificate('proxies'),
                   0o644)


class IssueTest(FilesTestCase):

    def setUp(self):
        super().setUp()
        self.write_authorities()

    def _issue(self, **arguments):
        return certificate.read(self.directory).issue(
            fakes.UUID, '10.0.0.5', **arguments)

    def test_what_it_says(self):
        for kind in ('ec', 'rsa', 'ed25519'):
            self.write_authorities(kind)
            leaf = load(self._issue()['certificate'])
            leaf.verify_directly_issued_by(
                load(make_certificate('servers', kind=kind)))
            self.assertEqual((fakes.UUID, '10.0.0.5'), names(leaf))
            get = leaf.extensions.get_extension_for_class
            self.assertEqual([x509.ExtendedKeyUsageOID.SERVER_AUTH],
                             list(get(x509.ExtendedKeyUsage).value))
            self.assertFalse(get(x509.BasicConstraints).value.ca)
            self.assertFalse(get(x509.KeyUsage).value.key_cert_sign)

    def test_an_address_of_version_6(self):
        leaf = load(certificate.read(self.directory).issue(
            fakes.UUID, '2001:db8::5')['certificate'])
        self.assertEqual((fakes.UUID, '2001:db8::5'), names(leaf))

    def test_how_long_it_is_good_for(self):
        now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
        leaf = load(self._issue(now=now)['certificate'])
        self.assertEqual(now + 30 * _DAY, leaf.not_valid_after_utc)
        self.assertLess(leaf.not_valid_before_utc, now)
        self.assertLess(certificate.RENEWED_AFTER, certificate.LIFETIME / 2)

    def test_not_longer_than_its_authority(self):
        authority = make_certificate('servers', days=5)
        self.write(certificate.SERVER_CA_FILE, authority)
        self.assertEqual(load(authority).not_valid_after_utc, load(
            self._issue()['certificate']).not_valid_after_utc)

    def test_an_authority_that_has_ended(self):
        self.write(certificate.SERVER_CA_FILE,
                   make_certificate('servers', days=-1))
        error = self.assertRaises(certificate.EndedError, self._issue)
        self.assertIn('[dmore] vnc_tls_dir', str(error))
        self.assertIn(certificate.SERVER_CA_FILE, str(error))

    def test_one_that_is_not_good_yet(self):
        now = datetime.datetime.now(datetime.UTC) - 3 * _DAY
        error = self.assertRaises(exception.ConfigurationError, self._issue,
                                  now=now)
        self.assertNotIsInstance(error, certificate.EndedError)

    def test_each_has_a_key_of_its_own(self):
        issued = [self._issue() for _ in range(3)]
        self.assertEqual(3, len({each['key'] for each in issued}))
        self.assertEqual(3, len({
            load(each['certificate']).serial_number for each in issued}))

    def test_no_file_is_made(self):
        before = os.listdir(self.directory)
        self._issue()
        self.assertEqual(before, os.listdir(self.directory))

    def test_the_key_of_the_authority_is_shown_to_nobody(self):
        authorities = certificate.read(self.directory)
        self.assertNotIn('key=', repr(authorities))
        for text in self._issue().values():
            self.assertNotIn(make_key_text('servers').split('\n')[1], text)


def shake_hands(server, client):
    """A handshake in memory; -> what the server knows of the client.

    :raises ssl.SSLError: one of them refuses
    """
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [client.wrap_bio(to_client, to_server),
            server.wrap_bio(to_server, to_client, server_side=True)]
    for _ in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                pass
    # With TLS 1.3 a client learns later that it is refused.
    return ends[1].getpeercert()


class HandshakeTest(FilesTestCase):
    """nova-novncproxy's context and Domain R's, both as they make it."""

    def setUp(self):
        super().setUp()
        self.write_authorities()

    def _domain_r(self):
        return domr_tls.server_context(domr_config.Tls(
            **certificate.read(self.directory).issue(
                fakes.UUID, '10.0.0.5')))

    def _proxy(self, chain, key):
        # nova/console/rfb/authvencrypt.py
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_cert_chain(self.write('chain', chain),
                                self.write('key', key))
        context.load_verify_locations(
            pathlib.Path(self.directory, certificate.SERVER_CA_FILE))
        context.verify_mode = ssl.CERT_REQUIRED
        context.check_hostname = False
        return context

    def _of_a_proxy(self, **changes):
        return self._proxy(
            make_certificate('proxy', 'proxies', ca=False, **changes),
            make_key_text('proxy'))

    def test_a_proxy(self):
        for extended in (None, x509.ExtendedKeyUsageOID.CLIENT_AUTH):
            found = shake_hands(self._domain_r(),
                                self._of_a_proxy(extended=extended))
            self.assertIn('proxy', str(found['subject']))

    def test_an_authority_below_another(self):
        self.write(certificate.SERVER_CA_FILE,
                   make_certificate('servers', 'root')
                   + make_certificate('root'))
        domain_r = self._domain_r()
        self.write(certificate.SERVER_CA_FILE, make_certificate('root'))
        self.assertIn('subject', shake_hands(domain_r, self._of_a_proxy()))

    def test_a_domain_r_does_not_pass_for_a_proxy(self):
        stolen = certificate.read(self.directory).issue(
            fakes.UUID, '10.0.0.5')
        self.assertRaises(ssl.SSLError, shake_hands, self._domain_r(),
                          self._proxy(stolen['certificate'], stolen['key']))

    def test_nor_if_somebody_mixes_up_the_authorities(self):
        # It is refused when it is read; each Domain R refuses it, too.
        stolen = certificate.read(self.directory).issue(
            fakes.UUID, '10.0.0.5')
        domain_r = domr_tls.server_context(domr_config.Tls(**{
            **stolen, 'ca': make_certificate('servers')}))
        self.assertRaises(ssl.SSLError, shake_hands, domain_r,
                          self._proxy(stolen['certificate'], stolen['key']))


class ReadTest(FilesTestCase):

    def setUp(self):
        super().setUp()
        self.write_authorities()

    def _assert_refused(self, *texts):
        error = self.assertRaises(
            exception.ConfigurationError, certificate.read, self.directory)
        for text in ('[dmore] vnc_tls_dir', *texts):
            self.assertIn(text, str(error))

    def test_what_else_stands_in_the_files(self):
        self.write(certificate.CLIENT_CA_FILE, 'Certificate: of ours\n' +
                   make_certificate('proxies'))
        text = certificate.read(self.directory).issue(
            fakes.UUID, '10.0.0.5')['ca']
        self.assertTrue(text.startswith('-----BEGIN '))

    def test_missing_file(self):
        for name in (certificate.SERVER_CA_FILE, certificate.CLIENT_CA_FILE,
                     certificate.SERVER_CA_KEY_FILE):
            path = pathlib.Path(self.directory, name)
            content = path.read_bytes()
            path.unlink()
            self._assert_refused(str(path), 'No such file')
            self.write(name, content)

    def test_files_of_the_release_before(self):
        for name in os.listdir(self.directory):
            os.unlink(pathlib.Path(self.directory, name))
        for name in ('ca-cert.pem', 'server-cert.pem', 'server-key.pem'):
            self.write(name, make_certificate('shared'))
        self._assert_refused(certificate.SERVER_CA_FILE,
                             certificate.SERVER_CA_KEY_FILE,
                             certificate.CLIENT_CA_FILE)

    def test_key_is_readable_by_others(self):
        for mode in (0o640, 0o644, 0o660):
            os.chmod(pathlib.Path(
                self.directory, certificate.SERVER_CA_KEY_FILE), mode)
            self._assert_refused(certificate.SERVER_CA_KEY_FILE, '0600')

    def test_no_certificate(self):
        for name in (certificate.SERVER_CA_FILE, certificate.CLIENT_CA_FILE):
            content = pathlib.Path(self.directory, name).read_bytes()
            for wrong in ('', 'hello', content[:-50],
                          make_key_text('servers')):
                self.write(name, wrong)
                self._assert_refused(name, 'no certificate')
            self.write(name, content)

    def test_no_key(self):
        for wrong in ('', 'hello', make_certificate('servers'),
                      make_key_text('servers', passphrase=b'x')):
            self.write(certificate.SERVER_CA_KEY_FILE, wrong)
            self._assert_refused(certificate.SERVER_CA_KEY_FILE,
                                 'no private key')
        self.write(certificate.SERVER_CA_KEY_FILE,
                   make_key_text('exchange', kind='x25519'))
        self._assert_refused(certificate.SERVER_CA_KEY_FILE, 'Ed25519')

    def test_another_key(self):
        self.write(certificate.SERVER_CA_KEY_FILE, make_key_text('other'))
        self._assert_refused(certificate.SERVER_CA_KEY_FILE, 'not the key')

    def test_no_authority(self):
        for changes in ({'ca': False}, {'ca': None},
                        {'usage': {'digital_signature': True}}):
            self.write(certificate.SERVER_CA_FILE,
                       make_certificate('servers', **changes))
            self._assert_refused(certificate.SERVER_CA_FILE, 'CA:TRUE')
        self.write(certificate.SERVER_CA_FILE, make_certificate(
            'servers', usage={'key_cert_sign': True}))
        certificate.read(self.directory)

    def test_one_authority_for_both(self):
        proxies = make_certificate('proxies')
        for servers, clients in (
                # The same, or the same key under another certificate.
                (make_certificate('servers'), make_certificate('servers')),
                # One that the proxies' has made, or both below one.
                (make_certificate('servers', 'proxies'), proxies),
                (make_certificate('servers', 'root')
                 + make_certificate('root'),
                 make_certificate('proxies', 'root')
                 + make_certificate('root'))):
            self.write(certificate.SERVER_CA_FILE, servers)
            self.write(certificate.CLIENT_CA_FILE, clients)
            self._assert_refused(certificate.SERVER_CA_FILE,
                                 certificate.CLIENT_CA_FILE, 'two')
