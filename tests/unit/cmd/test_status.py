# SPDX-License-Identifier: Apache-2.0

import io
import json
import pathlib
from contextlib import redirect_stderr
from contextlib import redirect_stdout

import fixtures
from neutronclient.common import exceptions as neutron_exceptions
import nova.conf
from oslo_upgradecheck import upgradecheck

from nova_dmore.client import host_service
from nova_dmore.cmd import status
from nova_dmore import conf as dmore_conf
from nova_dmore import exception
from nova_dmore.virt.config import certificate
from tests.unit.virt.config import test_certificate
from tests.unit.virt import fake_host
from tests.unit.virt import fakes

GOOD = upgradecheck.Code.SUCCESS
WARNING = upgradecheck.Code.WARNING
FAILURE = upgradecheck.Code.FAILURE


class StatusTest(fake_host.HostTestCase):

    def setUp(self):
        super().setUp()
        self.opened = self.useFixture(fixtures.MockPatch(
            'libvirt.open', autospec=True, return_value=self.libvirt)).mock
        self.useFixture(fixtures.MockPatch(
            'nova_dmore.virt.pair.factory.make_pairs',
            autospec=True, side_effect=lambda *_: self.make_pairs()))
        self.hosts = self.useFixture(fixtures.MockPatchObject(
            status, '_ask_hosts', return_value={})).mock
        self.useFixture(fixtures.MockPatchObject(
            host_service.HostService, 'qemu_group'))
        self.images.newest.return_value = fakes.DIGEST
        self.secret = pathlib.Path(self.conf.dmore.secret_file)
        self.config.config(group='dmore',
                           vnc_proxy_networks=['192.0.2.0/28'])
        self.config.config(group='libvirt', virt_type='qemu',
                           live_migration_with_native_tls=True)
        self.config.config(compute_driver='dmore.DMoreDriver')

    def _results(self):
        checks = status.Checks()
        return {name: function(checks)
                for name, function in checks._upgrade_checks}

    def _check(self, check, code, *texts):
        """One check says something, the others do not."""
        results = self._results()
        found = results.pop(check)
        self.assertEqual({GOOD}, {
            result.code for result in results.values()})
        self.assertEqual(code, found.code)
        for text in texts:
            self.assertIn(text, found.details)

    def test_all_is_well(self):
        with redirect_stdout(io.StringIO()):
            self.assertEqual(GOOD, status.Checks().check())

    def test_another_driver(self):
        self.config.config(compute_driver='libvirt.LibvirtDriver')
        self._check('Driver of nova-compute', FAILURE,
                    '[DEFAULT] compute_driver is libvirt.LibvirtDriver')

    def test_migrations_in_clear(self):
        self.config.config(group='libvirt',
                           live_migration_with_native_tls=False)
        self._check('Encrypted live migrations', WARNING,
                    '[libvirt] live_migration_with_native_tls')

    def test_the_proxies_are_not_let_in(self):
        self.config.config(group='dmore', vnc_proxy_networks=[])
        self._check('Reachability from the proxies', FAILURE,
                    '[dmore] vnc_proxy_networks is empty', 'Horizon')

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

    def test_libvirt_is_away(self):
        self.opened.side_effect = fake_host.libvirt_error(text='away')
        for title in ('Device of Domain R', 'Versions of libvirt and QEMU',
                      'Group of QEMU', 'AppArmor'):
            found = self._results()[title]
            self.assertEqual(WARNING, found.code)
            self.assertIn('away', found.details)

    def test_networks(self):
        self.config.config(group='dmore', ssh_networks=['192.0.2.1/24'])
        self._check('Networks of the clients', FAILURE,
                    '[dmore] ssh_networks')

    def test_port_security_is_off(self):
        self.neutron.networks[0]['port_security_enabled'] = False
        self._check('Port security of the management network', WARNING,
                    'consoles', '--enable-port-security')

    def test_no_management_network(self):
        self.neutron.networks[0]['name'] = 'other'
        results = self._results()
        for title, code in (
                ('Management network', FAILURE),
                ('Port security of the management network', WARNING)):
            self.assertEqual(code, results[title].code)
            self.assertIn('[dmore] management_network',
                          results[title].details)

    def test_no_way_back(self):
        self.neutron.subnet['gateway_ip'] = None
        self._check('Management network', FAILURE, '192.0.2.0/28')

    def test_quota(self):
        self.neutron.quota['ports'] = 0
        self._check('Quota of ports', FAILURE, 'openstack quota set',
                    self.neutron.project)

    def test_neutron_is_away(self):
        for name in ('list_networks', 'show_quota_details'):
            getattr(self.neutron.client, name).side_effect = (
                neutron_exceptions.ConnectionFailed(reason='refused'))
        results = self._results()
        for title in ('Management network', 'Quota of ports',
                      'Port security of the management network'):
            self.assertEqual(WARNING, results[title].code)
            self.assertIn('refused', results[title].details)

    def test_another_host_differs(self):
        self.hosts.return_value = {'c2': None}
        self._check('Other compute hosts', WARNING, 'c2')

    def test_nothing_is_made(self):
        with redirect_stdout(io.StringIO()):
            status.Checks().check()
        self.neutron.client.create_security_group.assert_not_called()

    def test_no_image(self):
        self.images.newest.side_effect = exception.ImageError(
            '[dmore] image: no image')
        self._check('Image of Domain R', FAILURE, '[dmore] image')

    def test_glance_is_away(self):
        self.images.newest.side_effect = exception.GlanceAwayError('refused')
        self._check('Image of Domain R', WARNING, 'Not checked', 'refused')

    def _command(self, *arguments):
        """As nova-dmore-status runs it, with a configuration of its own: exit
        status, and the result of each check."""
        # What is overridden would be so in every configuration.
        for name, group in (('compute_driver', None),
                            ('live_migration_with_native_tls', 'libvirt'),
                            ('secret_file', 'dmore'),
                            ('management_network', 'dmore'),
                            ('vnc_proxy_networks', 'dmore')):
            self.conf.clear_override(name, group)
        options = nova.conf.cfg.ConfigOpts()
        nova.conf.libvirt.register_opts(options)
        nova.conf.vnc.register_opts(options)
        nova.conf.compute.register_opts(options)
        nova.conf.base.register_opts(options)
        nova.conf.serial_console.register_opts(options)
        dmore_conf.register(options)
        self.useFixture(fixtures.MockPatchObject(status, 'CONF', options))
        output = io.StringIO()
        with redirect_stdout(output):
            code = status.main([*arguments, 'upgrade', 'check', '--json'])
        return code, {check['check']: check['result'] for check in
                      json.loads(output.getvalue())['checks']}

    def test_command(self):
        file = pathlib.Path(self.secret.parent, 'nova.conf')
        file.write_text(
            '[DEFAULT]\ncompute_driver = dmore.DMoreDriver\n'
            f'[dmore]\nmanagement_network = consoles\n'
            f'secret_file = {self.secret}\n'
            'vnc_proxy_networks = 192.0.2.0/28\n')
        code, results = self._command('--config-file', str(file))
        self.assertEqual(WARNING, code, results)
        self.assertEqual({'Encrypted live migrations'}, {
            name for name, result in results.items() if result != GOOD})

    def test_what_nobody_foresaw(self):
        self.images.newest.side_effect = RuntimeError('oh')
        results = self._results()
        for title in ('Image of Domain R', 'Other compute hosts'):
            found = results.pop(title)
            self.assertEqual(WARNING, found.code)
            self.assertIn('Not checked', found.details)
            self.assertIn('RuntimeError: oh', found.details)
        self.assertEqual({GOOD}, {
            result.code for result in results.values()})

    def _refused(self, file):
        """What it says, instead of checking, of a file of configuration."""
        options = nova.conf.cfg.ConfigOpts()
        self.useFixture(fixtures.MockPatchObject(status, 'CONF', options))
        output, errors = io.StringIO(), io.StringIO()
        with redirect_stdout(output), redirect_stderr(errors):
            code = status.main(
                ['--config-file', file, 'upgrade', 'check', '--json'])
        self.assertEqual((255, ''), (code, output.getvalue()))
        (line,) = errors.getvalue().splitlines()
        return line

    def test_what_cannot_be_read(self):
        folder = self.secret.parent
        for file in (folder, folder / 'missing.conf'):
            self.assertIn(str(file), self._refused(str(file)))
        file = folder / 'nova.conf'
        file.write_text('[dmore]\nssh_port = 99999\n')
        line = self._refused(str(file))
        self.assertIn('nova-dmore-status: [dmore] ssh_port: ', line)
        self.assertIn(str(file), line)

    def test_the_files_of_nova_compute(self):
        home = pathlib.Path(self.useFixture(fixtures.TempHomeDir()).path)
        (home / '.nova').mkdir()
        (home / '.nova/nova.conf').write_text(
            '[DEFAULT]\ncompute_driver = dmore.DMoreDriver\n'
            '[dmore]\nmanagement_network = consoles\n'
            'vnc_proxy_networks = 192.0.2.0/28\n')
        (home / '.nova/nova-compute.conf').write_text(
            f'[dmore]\nsecret_file = {self.secret}\n'
            '[libvirt]\nlive_migration_with_native_tls = true\n')
        code, results = self._command()
        self.assertEqual(GOOD, code, results)
