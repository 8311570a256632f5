# SPDX-License-Identifier: Apache-2.0

from neutronclient.common import exceptions as neutron_exceptions

from nova_dmore import exception
from nova_dmore.virt.network import binding
from tests.unit.virt import fake_neutron
from tests.unit.virt import fakes


class BindingTest(fakes.TestCase):

    def setUp(self):
        super().setUp()
        self.neutron = fake_neutron.Neutron()
        self.client = self.neutron.client
        self.client.create_port({'port': {
            'network_id': fakes.NETWORK, 'binding:host_id': 'c1'}})

    def _bind_to_c2_too(self):
        self.client.create_port_binding(
            fakes.PORT, {'binding': {'host': 'c2'}})

    def _status(self, host):
        return binding.status(self.client, fakes.PORT, host)

    def test_status(self):
        self._bind_to_c2_too()
        self.assertEqual(
            ['ACTIVE', 'INACTIVE', None],
            [self._status(host) for host in ('c1', 'c2', 'c3')])

    def test_status_that_neutron_does_not_tell(self):
        self.client.show_port_binding.side_effect = (
            neutron_exceptions.ServiceUnavailable())
        self.assertRaises(neutron_exceptions.ServiceUnavailable,
                          self._status, 'c1')

    def test_check_bound(self):
        port = {'id': fakes.PORT, 'binding:vif_type': 'ovs'}
        binding.check_bound(port, 'c1')
        for vif_type in ('binding_failed', 'unbound'):
            error = self.assertRaises(
                exception.AddressError, binding.check_bound,
                {**port, 'binding:vif_type': vif_type}, 'c1')
            self.assertIn('host c1', str(error))

    def test_activate(self):
        self._bind_to_c2_too()
        for _time in range(2):
            binding.activate(self.client, fakes.PORT, 'c2')
            self.assertEqual('ACTIVE', self._status('c2'))

    def test_activate_what_is_not_there(self):
        binding.activate(self.client, fakes.PORT, 'c3')
        self.assertEqual([(fakes.PORT, 'c3')], list(self.neutron.bindings))

    def test_activate_what_cannot_be(self):
        self.neutron.vif_type = 'binding_failed'
        self.assertRaises(exception.AddressError, binding.activate,
                          self.client, fakes.PORT, 'c3')

    def test_drop_inactive(self):
        self._bind_to_c2_too()
        for host in ('c1', 'c2', 'c2', 'c3'):
            binding.drop_inactive(self.client, fakes.PORT, host)
        self.assertEqual([(fakes.PORT, 'c1')], list(self.neutron.bindings))
