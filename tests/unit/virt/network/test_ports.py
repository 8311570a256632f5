# SPDX-License-Identifier: Apache-2.0

from neutronclient.common import exceptions as neutron_exceptions

from nova_dmore import exception
from nova_dmore.virt.network import ports
from tests.unit.virt import fake_host
from tests.unit.virt import fake_neutron
from tests.unit.virt import fakes


class PortsTest(fake_host.HostTestCase):

    def test_of_all_hosts(self):
        self.pairs.ensure(fakes.make_instance())
        (port,) = ports.of_all_hosts(None)
        self.assertEqual(
            ports.BoundPort(fakes.UUID, fakes.PORT, fakes.HOST, '10.0.0.5'),
            port)

    def test_what_is_none(self):
        self.pairs.ensure(fakes.make_instance())
        (port,) = self.neutron.ports.values()
        for changes in ({'device_id': 'domr-../x'}, {'device_id': fakes.UUID},
                        {'device_owner': 'compute:nova'}):
            before = dict(port)
            port.update(changes)
            self.assertEqual([], ports.of_all_hosts(None), changes)
            port.update(before)

    def test_one_without_an_address(self):
        self.pairs.ensure(fakes.make_instance())
        (port,) = self.neutron.ports.values()
        port.update({'fixed_ips': [], 'binding:host_id': None})
        (found,) = ports.of_all_hosts(None)
        self.assertEqual(('', None), (found.host, found.ip))

    def test_quota(self):
        self.neutron.client.show_quota_details.side_effect = None
        self.neutron.client.show_quota_details.return_value = {
            'quota': {'port': {'limit': 500, 'used': 490, 'reserved': 3}}}
        self.assertEqual(ports.Quota(fake_neutron.PROJECT, 493, 500),
                         ports.quota_of_project(None))

    def test_neutron_does_not_tell(self):
        for error, kind in (
                (neutron_exceptions.ConnectionFailed(reason='refused'),
                 exception.NeutronAwayError),
                (neutron_exceptions.Forbidden(), exception.AddressError)):
            self.neutron.client.list_ports.side_effect = error
            self.assertRaises(kind, ports.of_all_hosts, None)
