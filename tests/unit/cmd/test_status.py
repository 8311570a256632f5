# SPDX-License-Identifier: Apache-2.0

import io
import json
import pathlib
from contextlib import redirect_stdout

import fixtures
from neutronclient.common import exceptions as neutron_exceptions
import nova.conf
from nova import exception as nova_exception
from oslo_upgradecheck import upgradecheck

from nova_dmore.cmd import status
from nova_dmore import conf as dmore_conf
from nova_dmore.virt.config import certificate
from tests.unit.virt.config import test_certificate
from tests.unit.virt import fake_host
from tests.unit.virt import fakes

GOOD = upgradecheck.Code.SUCCESS
WARNING = upgradecheck.Code.WARNING
FAILURE = upgradecheck.Code.FAILURE


class StatusTest(fakes.TestCase):

    def setUp(self):
        super().setUp()
        self.libvirt = fake_host.Libvirt()
        self.opened = self.useFixture(fixtures.MockPatch(
            'libvirt.open', autospec=True, return_value=self.libvirt)).mock
        self.neutron = fakes.Neutron()
        self.useFixture(fixtures.MockPatch(
            'nova.network.neutron.get_client', autospec=True,
            return_value=self.neutron.client))
        self.useFixture(fixtures.MockPatch(
            'nova_dmore.virt.images.credentials.service_context',
            autospec=True))
        glance = self.useFixture(fixtures.MockPatch(
            'nova.image.glance.API', autospec=True)).mock.return_value
        self.get, self.get_all = glance.get, glance.get_all
        self.get_all.return_value = [{'status': 'active'}]
        self.secret = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path, 'secret')
        self.secret.write_text('s' * 64)
        self.secret.chmod(0o600)
        self.config.config(group='dmore', secret_file=str(self.secret),
                           management_network='consoles')
        self.config.config(group='libvirt',
                           live_migration_with_native_tls=True)

    def _check(self, check, code, *texts):
        """One check says something, the others do not."""
        checks = status.Checks()
        results = {name: function(checks)
                   for name, function in checks._upgrade_checks}
        found = results.pop(check)
        self.assertEqual({GOOD}, {
            result.code for result in results.values()})
        self.assertEqual(code, found.code)
        for text in texts:
            self.assertIn(text, found.details)

    def test_all_is_well(self):
        with redirect_stdout(io.StringIO()):
            self.assertEqual(GOOD, status.Checks().check())

    def test_migrations_in_clear(self):
        self.config.config(group='libvirt',
                           live_migration_with_native_tls=False)
        self._check('Encrypted live migrations', WARNING,
                    '[libvirt] live_migration_with_native_tls')

    def test_a_secret_that_others_may_read(self):
        self.secret.chmod(0o644)
        self._check('Secret of the host keys', FAILURE,
                    '[dmore] secret_file', str(self.secret))

    def test_no_secret(self):
        self.secret.unlink()
        self._check('Secret of the host keys', FAILURE,
                    '[dmore] secret_file', 'openssl rand')

    def _write_authorities(self, **server):
        for name, content, mode in (
                (certificate.SERVER_CA_FILE,
                 test_certificate.make_certificate('servers', **server),
                 0o644),
                (certificate.SERVER_CA_KEY_FILE,
                 test_certificate.make_key_text('servers'), 0o600),
                (certificate.CLIENT_CA_FILE,
                 test_certificate.make_certificate('proxies'), 0o644)):
            path = self.secret.parent / name
            path.write_text(content)
            path.chmod(mode)
        self.config.config(group='dmore', vnc_tls_dir=str(self.secret.parent))

    def test_authorities(self):
        self._write_authorities()
        self._check('Authorities of VNC', GOOD)
        for name, change in (
                (certificate.SERVER_CA_KEY_FILE,
                 lambda path: path.chmod(0o644)),
                (certificate.CLIENT_CA_FILE, pathlib.Path.unlink)):
            self._write_authorities()
            change(self.secret.parent / name)
            self._check('Authorities of VNC', FAILURE,
                        '[dmore] vnc_tls_dir', name)
        self.config.config(group='vnc', enabled=False)
        self._check('Authorities of VNC', GOOD)

    def test_an_authority_that_ends(self):
        for days, code in ((61, GOOD), (59, WARNING), (-1, FAILURE)):
            self._write_authorities(days=days)
            self._check('Authorities of VNC', code, *(
                () if code == GOOD else (
                    '[dmore] vnc_tls_dir', certificate.SERVER_CA_FILE)))

    def test_device(self):
        self._check('Device of Domain R', GOOD)
        self.libvirt.refuse_device()
        self._check('Device of Domain R', FAILURE,
                    'device not available: ivshmem-doorbell')

    def test_device_where_libvirt_is_away(self):
        self.opened.side_effect = fake_host.libvirt_error(text='away')
        self._check('Device of Domain R', WARNING, 'away')

    def test_networks(self):
        self.config.config(group='dmore', ssh_networks=['192.0.2.1/24'])
        self._check('Networks of the clients', FAILURE,
                    '[dmore] ssh_networks')

    def test_port_security_is_off(self):
        self.neutron.networks[0]['port_security_enabled'] = False
        self._check('Port security of the management network', WARNING,
                    'consoles', '--enable-port-security')

    def test_no_management_network(self):
        for name in (None, 'other'):
            self.config.config(group='dmore', management_network=name)
            self._check('Port security of the management network', FAILURE,
                        '[dmore] management_network')

    def test_neutron_is_away(self):
        self.neutron.client.list_networks.side_effect = (
            neutron_exceptions.ConnectionFailed(reason='refused'))
        self._check('Port security of the management network', WARNING,
                    'Not checked', 'refused')

    def test_nothing_is_made(self):
        with redirect_stdout(io.StringIO()):
            status.Checks().check()
        self.neutron.client.create_security_group.assert_not_called()

    def test_no_image(self):
        for images in ([], [{'status': 'queued'}]):
            self.get_all.return_value = images
            self._check('Image of Domain R', FAILURE, '[dmore] image',
                        'nova-dmore-image upload')

    def test_image_by_id(self):
        self.config.config(group='dmore', image=fakes.UUID)
        self._check('Image of Domain R', GOOD)
        self.get.side_effect = nova_exception.ImageNotFound(
            image_id=fakes.UUID)
        self._check('Image of Domain R', FAILURE, fakes.UUID)

    def test_glance_is_away(self):
        self.get_all.side_effect = nova_exception.GlanceConnectionFailed(
            server='glance', reason='refused')
        self._check('Image of Domain R', WARNING, 'Not checked', 'refused')

    def test_command(self):
        """As nova-dmore-status runs it, with a configuration of its own."""
        # What is overridden would be so in every configuration.
        for name, group in (('live_migration_with_native_tls', 'libvirt'),
                            ('secret_file', 'dmore'),
                            ('management_network', 'dmore')):
            self.conf.clear_override(name, group)
        options = nova.conf.cfg.ConfigOpts()
        nova.conf.libvirt.register_opts(options)
        nova.conf.vnc.register_opts(options)
        dmore_conf.register(options)
        self.useFixture(fixtures.MockPatchObject(status, 'CONF', options))
        file = pathlib.Path(self.secret.parent, 'nova.conf')
        file.write_text(
            f'[dmore]\nmanagement_network = consoles\n'
            f'secret_file = {self.secret}\n')
        output = io.StringIO()
        with redirect_stdout(output):
            code = status.main(
                ['--config-file', str(file), 'upgrade', 'check', '--json'])
        self.assertEqual(WARNING, code)
        results = {check['check']: check['result'] for check in
                   json.loads(output.getvalue())['checks']}
        self.assertEqual({'Encrypted live migrations'}, {
            name for name, result in results.items() if result != GOOD})
