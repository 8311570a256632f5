# SPDX-License-Identifier: Apache-2.0
"""The ``vnc`` object of CONFIG."""

import logging

import fixtures

from nova_dmore.domr import config as domr_config
from nova_dmore import exception
from nova_dmore.virt.config import certificate
from nova_dmore.virt.config import config_message
from nova_dmore.virt.config import identity
from nova_dmore.virt.config import vnc
from tests.unit.virt import fakes
from tests.unit.virt.config import test_certificate

SECRET = b's' * 32
OTHER_UUID = '9b0b0c52-59c1-4b0e-8f58-0a5a4c3d2b10'


class VncTest(test_certificate.FilesTestCase):

    def _build(self, **changes):
        return vnc.build(self.conf.dmore, fakes.make_record(**changes),
                         SECRET)

    def test_defaults(self):
        self.assertEqual(
            {'port': 5900, 'proxy_networks': [], 'direct_networks': [],
             'password': None, 'view_only_password': None, 'tls': None,
             'keymap': 'en-us', 'paste': 'key', 'exclusive': 'share',
             'banner': True}, self._build())

    def test_proxies(self):
        self.config.config(group='dmore', vnc_port=5911, vnc_proxy_networks=[
            '192.0.2.0/28', '2001:db8::/64'])
        built = self._build()
        self.assertEqual(5911, built['port'])
        self.assertEqual(['192.0.2.0/28', '2001:db8::/64'],
                         built['proxy_networks'])

    def test_passwords(self):
        self.config.config(group='dmore',
                           vnc_direct_networks=['198.51.100.0/24'])
        built = self._build()
        self.assertEqual(identity.vnc_password(SECRET, fakes.UUID),
                         built['password'])
        self.assertEqual(identity.vnc_password(SECRET, fakes.UUID, True),
                         built['view_only_password'])
        other = self._build(instance_uuid=OTHER_UUID)
        self.assertEqual(4, len({
            each[name] for each in (built, other)
            for name in ('password', 'view_only_password')}))

    def test_what_opened_all_consoles_is_ignored(self):
        self.config.config(group='dmore',
                           vnc_direct_networks=['198.51.100.0/24'])
        before = self._build()
        self.config.config(group='dmore', vnc_password_file=self.write(
            'password', 'shared\n'))
        self.assertEqual(before, self._build())

    def test_certificates(self):
        self.write_authorities()
        built = self._build()['tls']
        self.assertEqual({'ca', 'certificate', 'key'}, set(built))
        for name in ('certificate', 'key'):
            self.assertNotEqual(built[name], self._build()['tls'][name])
        leaf = test_certificate.load(built['certificate'])
        self.assertEqual((fakes.UUID, '10.0.0.5'),
                         test_certificate.names(leaf))

    def _let_the_authority_end(self):
        self.write_authorities()
        self.write(certificate.SERVER_CA_FILE,
                   test_certificate.make_certificate('servers', days=-1))

    def test_an_authority_that_has_ended_closes_vnc_for_the_proxies(self):
        self.config.config(group='dmore',
                           vnc_proxy_networks=['192.0.2.0/28'],
                           vnc_direct_networks=['198.51.100.0/24'])
        before = self._build()
        log = self.useFixture(fixtures.FakeLogger(level=logging.ERROR))
        self._let_the_authority_end()
        self.assertEqual({**before, 'proxy_networks': []}, self._build())
        for text in (fakes.UUID, '[dmore] vnc_tls_dir',
                     certificate.SERVER_CA_FILE):
            self.assertIn(text, log.output)

    def test_the_other_consoles_go_on(self):
        self.config.config(group='dmore', secret_file=self.write(
            'secret', 's' * 64), vnc_proxy_networks=['192.0.2.0/28'])
        self._let_the_authority_end()
        message = domr_config.parse(config_message.build(
            self.conf.dmore, fakes.make_record(), True))
        self.assertTrue(message.ssh_networks)
        self.assertEqual((), message.vnc.proxy_networks)
        self.assertIsNone(message.vnc.tls)

    def test_files_that_are_wrong_are_an_error_all_the_same(self):
        self._let_the_authority_end()
        self.write(certificate.CLIENT_CA_FILE, 'no certificate')
        self.assertRaises(exception.ConfigurationError, self._build)
