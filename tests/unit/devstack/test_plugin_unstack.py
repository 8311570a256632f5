# SPDX-License-Identifier: Apache-2.0
"""The phase *unstack* of the DevStack plugin."""

from tests.unit.devstack import plugin_case
from tests.unit.devstack import stack


class UnstackTest(plugin_case.PluginCase):

    def test_pairs_end_after_nova_compute(self) -> None:
        done = self.unstacked()
        order = [done.calls.index(call) for call in (
            ['stop_process', 'n-cpu'],
            ['sudo', 'virsh', 'domiflist', f'domr-{stack.INSTANCE}'],
            ['sudo', 'virsh', 'destroy', f'domr-{stack.INSTANCE}'],
            ['sudo', 'virsh', 'undefine', f'domr-{stack.INSTANCE}'],
            ['sudo', 'ovs-vsctl', '--if-exists', 'del-port',
             'tap01234567-89'],
            # It outlives the domain, and its port.
            ['sudo', 'ip', 'link', 'delete', 'dev', 'tap01234567-89'],
            ['sudo', 'systemctl', 'kill', 'nova-dmore-hostd.service'],
            ['sudo', 'systemctl', 'disable', '--now',
             'nova-dmore-hostd.service'])]
        self.assertEqual(sorted(order), order)
        # unstack.sh ends the instances itself.
        self.assertNotIn('instance-00000001', ' '.join(
            word for call in done.of('sudo', 'virsh') for word in call))

    def test_next_stack_without_the_plugin_is_plain(self) -> None:
        self.stacked()
        self.unstacked()
        self.assertNotIn(stack.DROP_IN, self.host.files())

    def test_ports(self) -> None:
        done = self.unstacked(OS_USERNAME='demo')
        calls = done.of('openstack', 'OS_USERNAME=', '--os-cloud',
                        'devstack-admin', 'port')
        self.assertIn('--host', calls[0])
        self.assertEqual([['delete', 'port-1'], ['delete', 'port-2']],
                         calls[1:])
        self.assertIn(['--if-exists', 'del-port', 'dmore0'],
                      done.of('sudo', 'ovs-vsctl'))

    def test_without_nova_compute(self) -> None:
        done = self.unstacked(services=('n-novnc',))
        self.assertEqual([], done.of('sudo', 'virsh'))
        self.assertEqual([], done.of('sudo', 'systemctl'))
