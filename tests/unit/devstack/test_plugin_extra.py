# SPDX-License-Identifier: Apache-2.0
"""The phase *extra* of the DevStack plugin: the network and the image."""

from tests.unit.devstack import plugin_case
from tests.unit.devstack import stack


class ExtraTest(plugin_case.PluginCase):

    def test_network(self) -> None:
        calls = self.run_phases('stack extra').of(
            'openstack', 'OS_USERNAME=', '--os-cloud', 'devstack-admin')
        made = {call[0]: call for call in calls if 'create' in call}
        self.assertEqual({'network', 'subnet', 'security', 'port'}, set(made))
        subnet = ' '.join(made['subnet'])
        self.assertIn('--gateway none --no-dhcp', subnet)
        self.assertIn('start=172.31.250.10,end=172.31.250.254', subnet)
        self.assertNotIn('--share', made['network'])
        port = ' '.join(made['port'])
        self.assertIn('--fixed-ip subnet=dmore-mgmt,ip-address=172.31.250.2',
                      port)
        self.assertIn('--security-group dmore-proxy', port)
        self.assertRegex(port, r'--host \S+ dmore-proxy-\S+$')

    def test_interface_is_that_port(self) -> None:
        done = self.run_phases('stack extra')
        switch = ' '.join(done.of('sudo', 'ovs-vsctl')[0])
        self.assertIn('--may-exist add-port br-int dmore0', switch)
        self.assertIn('type=internal', switch)
        self.assertIn('external_ids:iface-id=11111111-2222', switch)
        self.assertIn('external_ids:skip_cleanup=true', switch)
        self.assertEqual(
            ['link set dev dmore0 address fa:16:3e:00:00:01 mtu 1442 up',
             'address replace 172.31.250.2/24 dev dmore0'],
            [' '.join(call) for call in done.of('sudo', 'ip')])

    def test_image_is_built_and_uploaded_where_glance_is(self) -> None:
        done = self.run_phases('stack extra')
        self.assertEqual(
            [['--output', '/opt/stack/data/nova-dmore', '--suite',
              'bookworm']],
            done.of('sudo', f'{stack.BIN}/nova-dmore-image', 'build'))
        self.assertEqual([['upload', '/image/of/the/build.tar']],
                         done.of(f'{stack.BIN}/nova-dmore-image'))

    def test_image_from_a_mirror(self) -> None:
        done = self.run_phases('stack extra', DMORE_IMAGE_SUITE='trixie',
                               DMORE_IMAGE_MIRROR='http://x/debian')
        self.assertEqual(
            ['--suite', 'trixie', '--mirror', 'http://x/debian'],
            done.of('sudo', f'{stack.BIN}/nova-dmore-image', 'build')[0][2:])

    def test_image_that_is_given(self) -> None:
        done = self.run_phases('stack extra', DMORE_IMAGE_FILE='/given.tar')
        self.assertEqual(
            [], done.of('sudo', f'{stack.BIN}/nova-dmore-image'))
        self.assertEqual([['upload', '/given.tar']],
                         done.of(f'{stack.BIN}/nova-dmore-image'))

    def test_a_compute_node_makes_nothing_of_this(self) -> None:
        done = self.run_phases('stack extra', services=stack.COMPUTE_ONLY)
        self.assertEqual([], done.of('openstack'))
        self.assertEqual([], done.of('sudo'))
        self.assertEqual([], done.of(f'{stack.BIN}/nova-dmore-image'))
