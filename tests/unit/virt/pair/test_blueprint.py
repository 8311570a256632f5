# SPDX-License-Identifier: Apache-2.0

import nova.conf
from oslo_config import cfg

from nova_dmore import conf as dmore_conf
from nova_dmore import exception
from nova_dmore.virt.network import plug
from nova_dmore.virt.pair import blueprint
from tests.unit.virt import fake_host
from tests.unit.virt import fakes

KEY = ('ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okW'
       'i0dh2l9GKJl web')


class ConfigTest(fake_host.HostTestCase):

    def setUp(self):
        super().setUp()
        self.blueprint = blueprint.Blueprint(
            self.conf, plug.Plug(self.vif_driver, 'qemu'), self.images,
            self.pairs.records)

    def test_keys_and_address(self):
        path = self.create_tempfiles([('keys', f'# ops\n{KEY}\n')], ext='')[0]
        self.config.config(
            group='dmore', console_authorized_keys=path, ssh_port=2222,
            serial_proxy_networks=['10.1.0.0/24'], scrollback_kib=64)
        other = KEY.replace(' web', ' mine')
        config = self.blueprint.config(fakes.make_record(key_data=other))
        self.assertEqual([KEY, other], config['authorized_keys'])
        self.assertIn('PRIVATE KEY', config['host_key'])
        self.assertEqual(
            ('10.0.0.5/24', '10.0.0.1', 'fa:16:3e:00:00:01', 1450),
            (config['address'], config['gateway'], config['mac'],
             config['mtu']))
        self.assertEqual((2222, 6083, ['10.1.0.0/24'], 65536, 5000), (
            config['ssh_port'], config['serial_port'],
            config['serial_networks'], config['scrollback_bytes'],
            config['stall_ms']))

    def test_an_option_that_cannot_be_since_a_reload(self):
        path = self.create_tempfiles([('nova', '[dmore]\n')])[0]
        conf = cfg.ConfigOpts()
        dmore_conf.register(conf)
        nova.conf.vnc.register_opts(conf)
        conf([], default_config_files=[path])
        made = blueprint.Blueprint(
            conf, plug.Plug(self.vif_driver, 'qemu'), self.images,
            self.pairs.records)
        before = made.sources()
        with open(path, 'a') as file:
            file.write('ssh_port = 99999\n')
        conf.mutate_config_files()
        error = self.assertRaises(exception.ConfigurationError, made.sources)
        self.assertIn('[dmore] ssh_port: ', str(error))
        with open(path, 'w') as file:
            file.write('[dmore]\n')
        conf.mutate_config_files()
        self.assertEqual(before, made.sources())

    def test_a_key_pair_that_is_no_ssh_key_is_left_out(self):
        # Nova has x509 key pairs too.
        config = self.blueprint.config(fakes.make_record(
            key_data='-----BEGIN CERTIFICATE-----'))
        self.assertEqual([], config['authorized_keys'])
