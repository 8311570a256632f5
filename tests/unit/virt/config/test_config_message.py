# SPDX-License-Identifier: Apache-2.0

import pathlib
import time
import uuid

import fixtures

from nova_dmore.channel import control
from nova_dmore.domr import config as domr_config
from nova_dmore.domr import supervisor
from nova_dmore import exception
from nova_dmore.virt.config import certificate
from nova_dmore.virt.config import config_message
from nova_dmore.virt.config import host_keys
from nova_dmore.virt.config import identity
from nova_dmore.virt.config import vnc
from nova_dmore.virt.network import security_group
from nova_dmore import wire
from tests.unit.virt import fakes
from tests.unit.virt.pair import test_blueprint
from tests.unit.virt.config import test_certificate
from tests.unit.virt.config import test_identity


class ConfigMessageTest(fakes.TestCase):

    def setUp(self):
        super().setUp()
        self.directory = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path)
        self.config.config(group='dmore', secret_file=self._write(
            'secret', 's' * 64))

    def _write(self, name, content):
        path = self.directory / name
        path.write_text(content)
        path.chmod(0o600)
        return str(path)

    def _build(self, with_vnc=True, **record):
        return config_message.build(
            self.conf.dmore, fakes.make_record(**record), with_vnc)

    def test_key_of_the_user(self):
        self.assertEqual(
            [test_identity.KEY],
            self._build(key_data=test_identity.KEY)['authorized_keys'])
        for useless in (None, '', '-----BEGIN CERTIFICATE-----',
                        f'{test_identity.KEY} {"x" * 100000}'):
            self.assertEqual(
                [], self._build(key_data=useless)['authorized_keys'])

    def test_a_host_that_was_lost(self):
        self.assertIsNone(self._build()['evacuated_at'])
        for at in 0, wire.SECONDS_MAX:
            self.assertEqual(at, domr_config.parse(
                self._build(evacuated_at=at)).evacuated_at)
        for wrong in '1', -1, wire.SECONDS_MAX + 1:
            self.assertRaises(
                domr_config.ConfigError, domr_config.parse,
                {**self._build(), 'evacuated_at': wrong})

    def test_keys_of_the_user(self):
        """Nova takes all of a file whose first line is a key."""
        authority = f'cert-authority {test_identity.KEY}'
        self.assertEqual(
            [test_identity.KEY, authority],
            self._build(key_data=f'{test_identity.KEY}\r\n\r\n# mine\n'
                        f'command="id" {test_identity.KEY}\n'
                        f'{authority}\n')['authorized_keys'])

    def test_host_keys(self):
        keys = host_keys._RsaKeys()
        self.addCleanup(keys._thread.shutdown)
        self.useFixture(fixtures.MockPatchObject(
            host_keys, '_RSA_KEYS', keys))
        record = fakes.make_record(instance_uuid=str(uuid.uuid4()))
        before = time.monotonic()

        def build():
            return config_message.build(self.conf.dmore, record, False)
        first = build()['host_keys']
        self.assertEqual(1, len(first))
        keys._thread.submit(int).result()
        self.assertEqual(2, len(build()['host_keys']))
        self.assertEqual(first, build()['host_keys'][:1])
        self.assertTrue(config_message.is_outdated(
            self.conf.dmore, record, before))
        other = fakes.make_record(instance_uuid=str(uuid.uuid4()))
        for each, when in ((record, time.monotonic()), (other, before)):
            self.assertFalse(config_message.is_outdated(
                self.conf.dmore, each, when))

    def test_host_keys_are_the_first_to_be_left_out(self):
        self._write_tls(3)
        count = 1
        while self._build()['host_keys']:
            count += 1      # a key is shorter than what is left out
            self._write_keys(count)
        self.assertEqual(count, len(self._build()['authorized_keys']))

    def test_vnc(self):
        self.config.config(group='dmore',
                           vnc_direct_networks=['198.51.100.0/24'])
        self.assertEqual(
            vnc.build(self.conf.dmore, fakes.make_record(), b's' * 64),
            self._build()['vnc'])

    def test_keymap(self):
        self.config.config(group='dmore', vnc_keymap='de')
        self.assertEqual('de', self._build()['vnc']['keymap'])
        self.assertEqual('fr', self._build(keymap='fr')['vnc']['keymap'])

    def test_domain_r_takes_what_is_said_of_vnc(self):
        self.config.config(group='dmore', vnc_paste='at-once',
                           vnc_exclusive='refuse', vnc_state_banner=False)
        said = domr_config.parse(self._build(keymap='fr')).vnc
        self.assertEqual(('fr', 'at-once', 'refuse', False), (
            said.keymap, said.paste, said.exclusive, said.banner))

    def test_recording(self):
        self.assertFalse(domr_config.parse(self._build()).recorded)
        self.config.config(group='dmore', record_serial=True)
        self.assertTrue(domr_config.parse(self._build()).recorded)

    def test_the_secret_of_the_pair(self):
        before = self._build()['host_key']
        self.config.config(group='dmore', secret_file=self._write(
            'secrets', f'0:{"s" * 64}\n1:{"t" * 64}\n'),
            vnc_direct_networks=['198.51.100.0/24'])
        self.assertEqual(before, self._build()['host_key'])
        other = self._build(secret_id=1)
        self.assertEqual(identity.host_key(b't' * 64, fakes.UUID),
                         other['host_key'])
        self.assertEqual(identity.vnc_password(b't' * 64, fakes.UUID),
                         other['vnc']['password'])
        error = self.assertRaises(exception.ConfigurationError, self._build,
                                  secret_id=2)
        self.assertIn('[dmore] secret_file', str(error))

    def test_no_vnc(self):
        # What is wrong with it does not matter then.
        self.config.config(group='dmore', vnc_tls_dir='/nonexistent')
        self.assertIsNone(self._build(with_vnc=False)['vnc'])

    def test_networks(self):
        for option in ('ssh_networks', 'serial_proxy_networks',
                       'vnc_proxy_networks', 'vnc_direct_networks'):
            for wrong in ('192.0.2.1/28', 'proxies', '::/129', ''):
                self.config.config(group='dmore', **{option: [wrong]})
                error = self.assertRaises(
                    exception.ConfigurationError, self._build)
                self.assertIn(f'[dmore] {option}', str(error))
                self.assertIn('192.0.2.0/28', str(error))
            self.config.config(group='dmore', **{option: []})

    def test_as_many_networks_as_domain_r_takes(self):
        networks = [f'10.{high}.{low}.0/24' for high in range(2)
                    for low in range(128)]
        options = ('ssh_networks', 'serial_proxy_networks',
                   'vnc_proxy_networks', 'vnc_direct_networks')
        for name in options:
            rest = dict.fromkeys(options, [])
            # What is named twice counts once.
            self.config.config(group='dmore', **{
                **rest, name: networks + networks[:1]})
            message = self._build()
            supervisor.network_request(domr_config.parse(message))
            self.config.config(group='dmore', **{
                **rest, name: networks + ['192.0.2.0/28']})
            for call in (self._build, lambda: security_group.wanted(
                    self.conf.dmore, True)):
                error = self.assertRaises(
                    exception.ConfigurationError, call)
                for text in ('257', '256', *options):
                    self.assertIn(text, str(error))
        # Those of a console that is switched off do not count.
        self._build(with_vnc=False)

    def test_too_many_networks_of_all_consoles_together(self):
        networks = [f'10.0.{low}.0/24' for low in range(129)]
        for first, second in (
                ('ssh_networks', 'serial_proxy_networks'),
                ('serial_proxy_networks', 'vnc_direct_networks'),
                ('vnc_direct_networks', 'ssh_networks')):
            self.config.config(group='dmore', **{
                'ssh_networks': [], 'serial_proxy_networks': [],
                'vnc_direct_networks': [], first: networks,
                second: networks})
            self.assertRaises(exception.ConfigurationError, self._build)

    def test_ssh_networks(self):
        self.assertEqual(['0.0.0.0/0', '::/0'],
                         self._build()['ssh_networks'])
        self.config.config(group='dmore', ssh_networks=['192.0.2.0/28'])
        self.assertEqual(['192.0.2.0/28'], self._build()['ssh_networks'])

    def test_escapes(self):
        for key, byte in (('ctrl-]', 0x1d), ('ctrl-a', 1), ('ctrl-^', 0x1e),
                          ('ctrl-_', 0x1f), ('ctrl-\\', 0x1c), ('none', None)):
            self.config.config(group='dmore', console_escape=key)
            self.assertEqual(byte, self._build()['escape'])
        for key in ('ctrl-m', 'ctrl-j', 'ctrl-1', '~', 'ctrl-[', 'Ctrl-]x'):
            self.assertRaises(ValueError, self.config.config, group='dmore',
                              console_escape=key)
        self.assertIs(False, self._build()['serial_escape'])

    def test_ports(self):
        for first, second in (('ssh_port', 'vnc_port'),
                              ('serial_port', 'vnc_port'),
                              ('ssh_port', 'serial_port')):
            self.config.config(group='dmore', **{first: 7000, second: 7000})
            error = self.assertRaises(
                exception.ConfigurationError, self._build)
            self.assertIn(f'[dmore] {second}: 7000 is {first}', str(error))
            self.config.config(group='dmore', ssh_port=22, serial_port=6083,
                               vnc_port=5900)

    def test_limits_are_those_of_domain_r(self):
        self.config.config(group='dmore', scrollback_kib=4096,
                           serial_stall_ms=600000)
        self.assertEqual((4096 * 1024, 600000), (
            self._build()['scrollback_bytes'], self._build()['stall_ms']))
        self.assertRaises(ValueError, self.config.config, group='dmore',
                          scrollback_kib=4097)

    def _write_tls(self, certificates):
        self.config.config(group='dmore', vnc_tls_dir=str(self.directory))
        self._write(certificate.SERVER_CA_FILE,
                    test_certificate.make_certificate('servers'))
        self._write(certificate.SERVER_CA_KEY_FILE,
                    test_certificate.make_key_text('servers'))
        self._write(certificate.CLIENT_CA_FILE,
                    test_certificate.make_certificate('proxies')
                    * certificates)

    def _write_keys(self, count):
        self.config.config(group='dmore', console_authorized_keys=self._write(
            'keys', (test_blueprint.KEY + '\n') * count))

    def test_what_is_usual_fits(self):
        self._write_tls(3)
        self._write_keys(50)
        line = control.encode({'type': wire.CONFIG, **self._build()})
        self.assertLess(len(line), wire.CONTROL_LINE_MAX)

    def test_domain_r_takes_it(self):
        self._write_tls(2)
        self.config.config(
            group='dmore', serial_proxy_networks=['192.0.2.0/28'],
            vnc_proxy_networks=['192.0.2.0/28'],
            vnc_direct_networks=['2001:db8::/32'])
        message = self._build()
        parsed = domr_config.parse(message)
        self.assertEqual(
            (message['vnc']['password'], message['vnc']['view_only_password']),
            (parsed.vnc.password, parsed.vnc.view_only_password))
        self.assertIn('BEGIN CERTIFICATE', parsed.vnc.tls.ca)
        self.assertIsNone(domr_config.parse(
            self._build(with_vnc=False)).vnc)

    def test_too_long_certificates(self):
        self._write_tls(90)
        error = self.assertRaises(exception.ConfigurationError, self._build)
        self.assertIn('[dmore] vnc_tls_dir', str(error))
        self.assertIn(str(wire.CONTROL_LINE_MAX), str(error))

    def test_too_many_keys(self):
        self._write_tls(1)
        self._write_keys(500)
        error = self.assertRaises(exception.ConfigurationError, self._build)
        self.assertIn('[dmore] console_authorized_keys', str(error))
