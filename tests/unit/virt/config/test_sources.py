# SPDX-License-Identifier: Apache-2.0

import pathlib

import fixtures

from nova_dmore.virt.config import certificate
from nova_dmore.virt.config import config_message
from nova_dmore.virt.config import sources
from tests.unit.virt import fakes


class SourcesTest(fakes.TestCase):

    def setUp(self):
        super().setUp()
        self.directory = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path)
        for name in ('secret', 'keys', certificate.SERVER_CA_FILE):
            (self.directory / name).write_text('1')
        self.config.config(
            group='dmore', secret_file=str(self.directory / 'secret'),
            console_authorized_keys=str(self.directory / 'keys'),
            vnc_tls_dir=str(self.directory))

    def _digest(self, with_vnc=True):
        return sources.digest(self.conf.dmore, with_vnc)

    def test_nothing_changes(self):
        self.assertEqual(self._digest(), self._digest())

    def test_an_option(self):
        for name, value in (('ssh_port', 23), ('vnc_tls_dir', None),
                            ('ssh_networks', ['10.0.0.0/8']),
                            ('scrollback_kib', 100),
                            ('console_authorized_keys', None)):
            before = self._digest()
            self.config.config(group='dmore', **{name: value})
            self.assertNotEqual(before, self._digest(), name)
        self.assertNotEqual(self._digest(), self._digest(with_vnc=False))

    def test_a_file(self):
        for name in ('secret', 'keys', certificate.SERVER_CA_FILE,
                     certificate.SERVER_CA_KEY_FILE,
                     certificate.CLIENT_CA_FILE):
            before = self._digest()
            (self.directory / name).write_text('2')
            changed = self._digest()
            self.assertNotEqual(before, changed, name)
            (self.directory / name).unlink()
            self.assertNotEqual(changed, self._digest(), name)

    def test_no_option_of_the_message_is_forgotten(self):
        """What CONFIG is made from is read from these options alone."""
        class Noted:
            read = set()

            def __getattr__(noted, name):
                noted.read.add(name)
                return getattr(self.conf.dmore, name)

        (self.directory / 'secret').write_text('s' * 64)
        (self.directory / 'secret').chmod(0o600)
        self.config.config(
            group='dmore', vnc_tls_dir=None, console_authorized_keys=None,
            vnc_direct_networks=['10.0.0.0/8'])
        options = Noted()
        config_message.build(options, fakes.make_record(), True)
        self.assertEqual(set(sources.OPTIONS), options.read)
