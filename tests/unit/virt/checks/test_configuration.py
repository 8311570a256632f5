# SPDX-License-Identifier: Apache-2.0

import fixtures
from oslo_config import cfg

from nova_dmore import exception
from nova_dmore.virt.checks import configuration
from nova_dmore.virt.checks import result
from nova_dmore.virt.config import certificate
from tests.unit.virt.config import test_certificate
from tests.unit.virt import fakes


class ProxiesTest(fakes.TestCase):

    def setUp(self):
        super().setUp()
        self.config.config(group='vnc', enabled=True)
        self.config.config(group='serial_console', enabled=True)
        self.config.config(group='dmore',
                           vnc_proxy_networks=['192.0.2.0/28'],
                           serial_proxy_networks=['192.0.2.0/28'])

    def test_both_are_let_in(self):
        self.assertEqual(result.GOOD, configuration.proxies(self.conf))

    def test_one_is_not(self):
        for option, group, text in (
                ('vnc_proxy_networks', 'vnc', 'Horizon'),
                ('serial_proxy_networks', 'serial_console', '--serial')):
            self.config.config(group='dmore', **{option: []})
            found = configuration.proxies(self.conf)
            self.assertEqual(result.Level.FAILURE, found.level)
            self.assertIn(f'[dmore] {option} is empty', found.text)
            self.assertIn(text, found.text)
            self.config.config(group=group, enabled=False)
            self.assertEqual(result.GOOD, configuration.proxies(self.conf))


class DriverTest(fakes.TestCase):

    def test_it_is_ours(self):
        self.config.config(compute_driver='dmore.DMoreDriver')
        self.assertEqual(result.GOOD, configuration.driver(self.conf))

    def test_it_is_another(self):
        for name in ('libvirt.LibvirtDriver', None):
            self.config.config(compute_driver=name)
            found = configuration.driver(self.conf)
            self.assertEqual(result.Level.FAILURE, found.level)
            self.assertIn(f'[DEFAULT] compute_driver is {name}', found.text)
            self.assertIn('--config-file', found.text)


class ThreadsTest(fakes.TestCase):

    def test_native(self):
        self.assertEqual(result.GOOD, configuration.threads(self.conf))

    def test_a_nova_without_the_option(self):
        self.assertEqual(result.GOOD, configuration.threads(cfg.ConfigOpts()))

    def test_configured_otherwise(self):
        if 'concurrency_backend' not in self.conf:
            self.skipTest('Nova 2026.1 has no such option')
        self.config.config(concurrency_backend='eventlet')
        self.assertEqual(result.Level.FAILURE,
                         configuration.threads(self.conf).level)

    def test_forced_otherwise(self):
        self.useFixture(fixtures.MockPatch(
            'nova.utils.concurrency_mode_threading', return_value=False))
        self.assertIn('OS_NOVA_DISABLE_EVENTLET_PATCHING',
                      configuration.threads(self.conf).text)


class KeysOfOperatorsTest(fakes.TestCase):

    def test_none(self):
        self.assertEqual(result.GOOD,
                         configuration.authorized_keys(self.conf))

    def test_no_such_file(self):
        self.config.config(group='dmore',
                           console_authorized_keys='/nonexistent')
        self.assertRaises(exception.ConfigurationError,
                          configuration.authorized_keys, self.conf)


class AuthoritiesTest(test_certificate.FilesTestCase, fakes.TestCase):

    def _found(self, **server):
        self.write_authorities()
        self.write(certificate.SERVER_CA_FILE,
                   test_certificate.make_certificate('servers', **server))
        return configuration.authorities(self.conf)

    def test_it_ends(self):
        self.assertEqual(result.GOOD, self._found(days=61))
        found = self._found(days=59)
        self.assertEqual(result.Level.WARNING, found.level)
        self.assertIn(certificate.SERVER_CA_FILE, found.text)
        self.assertRaises(exception.ConfigurationError, self._found, days=-1)
