# SPDX-License-Identifier: Apache-2.0

import dataclasses

import fixtures
from keystoneauth1 import exceptions as keystone_exceptions
from neutronclient.common import exceptions as neutron_exceptions
from nova import context
from nova import exception as nova_exception

from nova_dmore import exception
from nova_dmore.virt.network import address
from nova_dmore.virt.network import address_book
from nova_dmore.virt.network import key_mark
from tests.unit.virt import fake_neutron
from tests.unit.virt import fakes


class BookTestCase(fakes.TestCase):

    def setUp(self):
        super().setUp()
        self.neutron = fake_neutron.Neutron()
        self.get_client = self.useFixture(fixtures.MockPatch(
            'nova.network.neutron.get_client', autospec=True,
            return_value=self.neutron.client)).mock
        self.admin = context.get_admin_context()
        self.book = self._book()

    def _book(self, network='consoles', security_groups=()):
        return address_book.AddressBook(network, fakes.make_port_security(
            self.conf.dmore, security_groups), self.admin)

    def _port(self):
        (port,) = self.neutron.ports.values()
        return port


class EnsureTest(BookTestCase):

    def test_created(self):
        made = self.book.ensure(fakes.UUID, 'c1')
        self.assertEqual(address.Address(
            port_id=fakes.PORT, network_id=fakes.NETWORK,
            mac='fa:16:3e:00:00:01',
            interface='10.0.0.5/24', gateway='10.0.0.1', mtu=1450,
            vif_type='ovs', vif_details={'bridge_name': 'br-int'}), made)
        self.assertEqual('10.0.0.5', made.ip)
        port = self._port()
        self.assertEqual('c1', port['binding:host_id'])
        self.assertEqual('compute:dmore', port['device_owner'])
        self.get_client.assert_called_with(self.admin, admin=True)

    def test_nova_takes_it_for_no_port_of_the_instance(self):
        self.book.ensure(fakes.UUID, 'c1')
        self.assertNotEqual(fakes.UUID, self._port()['device_id'])

    def test_a_name(self):
        self.book.ensure(fakes.UUID, 'c1')
        self.assertNotIn('dns_name', self._port())
        self.neutron.ports.clear()
        self.neutron.networks[0]['dns_domain'] = 'consoles.example.org.'
        self.book.ensure(fakes.UUID, 'c1')
        self.assertEqual(f'domr-{fakes.UUID}', self._port()['dns_name'])

    def test_found_again(self):
        made = self.book.ensure(fakes.UUID, 'c1')
        self.assertEqual(made, self.book.ensure(fakes.UUID, 'c1'))
        self.neutron.client.create_port.assert_called_once()
        self.neutron.client.update_port.assert_not_called()

    def test_which_key_it_lets_in(self):
        self.book.ensure(fakes.UUID, 'c1', mark=key_mark.of('a key'))
        self.assertEqual(key_mark.of('a key'), self._port()['description'])
        self.book.ensure(fakes.UUID, 'c1', mark=key_mark.of('a key'))
        self.book.ensure(fakes.UUID, 'c1')
        self.neutron.client.update_port.assert_not_called()
        self.book.ensure(fakes.UUID, 'c1', mark=key_mark.of('another'))
        self.assertEqual(key_mark.of('another'), self._port()['description'])
        self.book.ensure(fakes.UUID, 'c1', mark=key_mark.of(None))
        self.assertEqual('', self._port()['description'])

    def test_which_key_it_lets_in_cannot_be_written(self):
        made = self.book.ensure(fakes.UUID, 'c1')
        self.neutron.client.update_port.side_effect = (
            neutron_exceptions.Forbidden)
        self.assertEqual(made, self.book.ensure(
            fakes.UUID, 'c1', mark=key_mark.of('a key')))

    def test_bound_to_another_host(self):
        self.book.ensure(fakes.UUID, 'c1')
        self.assertEqual('10.0.0.5', self.book.ensure(fakes.UUID, 'c2').ip)
        self.assertEqual('c2', self._port()['binding:host_id'])

    def test_bound_to_another_host_by_a_migration_that_did_not_end(self):
        made = self.book.ensure(fakes.UUID, 'c1')
        self.book.add_binding(made, 'c2')
        self.assertEqual({'bridge_name': 'br-there'},
                         self.book.ensure(fakes.UUID, 'c2').vif_details)
        self.assertEqual('c2', self._port()['binding:host_id'])

    def test_it_could_not_be_bound_before(self):
        """The agent of the host was away, say. Neutron tries it again when
        the port is updated, and not by itself."""
        made = self.book.ensure(fakes.UUID, 'c1')
        for vif_type in ('binding_failed', 'unbound'):
            self.neutron.vif_type = vif_type
            self.neutron.bind_again(fakes.PORT)
            self.assertRaises(exception.AddressError, self.book.ensure,
                              fakes.UUID, 'c1')
            self.neutron.vif_type = 'ovs'
            self.assertEqual(made, self.book.ensure(fakes.UUID, 'c1'))
            self.assertEqual('c1', self.neutron.active_host(fakes.PORT))

    def test_a_subnet_was_added(self):
        made = self.book.ensure(fakes.UUID, 'c1')
        self.neutron.add_subnet()
        other = dataclasses.replace(
            made, interface='2001:db8::5/64', gateway='fe80::1')
        self.assertEqual(other, self.book.ensure(fakes.UUID, 'c1'))
        for same in (self.book.ensure(fakes.UUID, 'c1', like=made),
                     self.book.ensure(fakes.UUID, 'c1', ip=made.ip),
                     self.book.of_port(fakes.UUID, made.port_id, made.ip)):
            self.assertEqual(made, same)
        # Which it has lost since.
        self.assertEqual(other, self.book.of_port(
            fakes.UUID, made.port_id, '10.0.0.77'))

    def test_exists(self):
        self.assertFalse(self.book.exists(fakes.UUID))
        self.book.ensure(fakes.UUID, 'c1')
        self.assertTrue(self.book.exists(fakes.UUID))

    def test_delete(self):
        self.book.delete(fakes.UUID)
        self.book.ensure(fakes.UUID, 'c1')
        self.book.delete(fakes.UUID)
        self.assertEqual({}, self.neutron.ports)

    def test_delete_what_is_bound_to_one_host(self):
        self.book.ensure(fakes.UUID, 'c1')
        self.book.delete(fakes.UUID, 'c2')
        self.assertEqual('c1', self._port()['binding:host_id'])
        self.book.delete(fakes.UUID, 'c1')
        self.assertEqual({}, self.neutron.ports)

    def test_a_users_port_of_that_name_cannot_be_deleted(self):
        """It is the parent of a trunk, say."""
        self.book.ensure(fakes.UUID, 'c1')
        theirs = {**self._port(), 'id': 'a-users', 'network_id': 'a-users'}
        self.neutron.ports = {'a-users': theirs, **self.neutron.ports}
        delete = self.neutron.client.delete_port.side_effect

        def refuse(port):
            if port == 'a-users':
                raise neutron_exceptions.Conflict()
            delete(port)
        self.neutron.client.delete_port.side_effect = refuse
        self.assertRaises(
            exception.AddressError, self.book.delete, fakes.UUID)
        self.assertEqual(['a-users'], list(self.neutron.ports))

    def test_somebody_is_quicker_to_delete_it(self):
        self.book.ensure(fakes.UUID, 'c1')
        self.neutron.client.delete_port.side_effect = (
            neutron_exceptions.PortNotFoundClient())
        self.book.delete(fakes.UUID)

    def test_a_users_port_of_that_name(self):
        made = self.book.ensure(fakes.UUID, 'c1')
        port = self._port()
        theirs = {**port, 'id': 'a-users', 'network_id': 'a-users'}
        self.neutron.ports = {'a-users': theirs, port['id']: port}
        self.assertEqual(made, self.book.find(fakes.UUID))
        del self.neutron.ports[port['id']]
        self.assertFalse(self.book.exists(fakes.UUID))

    def test_a_network_that_was_made_anew_under_its_name(self):
        self.book.ensure(fakes.UUID, 'c1')
        self.neutron.ports.clear()
        self.neutron.networks[0] = {
            **self.neutron.networks[0],
            'id': '11111111-0000-4000-8000-000000000001'}
        made = self.book.ensure(fakes.UUID, 'c1')
        self.assertEqual(self.neutron.networks[0]['id'], made.network_id)
        self.assertEqual(made, self.book.ensure(fakes.UUID, 'c1'))
        self.assertTrue(self.book.exists(fakes.UUID))
        self._port()

    def test_the_port_that_another_host_names(self):
        made = self.book.ensure(fakes.UUID, 'c1')
        self.assertEqual(made, self.book.of_port(fakes.UUID, made.port_id))
        other = '9b0b0c52-59c1-4b0e-8f58-0a5a4c3d2b10'
        for uuid, port_id in ((other, made.port_id), (fakes.UUID, other)):
            error = self.assertRaises(
                exception.AddressError, self.book.of_port, uuid, port_id)
            self.assertIn(port_id, str(error))

    def test_the_port_on_a_network_that_was_the_management_network(self):
        made = self.book.ensure(fakes.UUID, 'c1')
        self.assertEqual(made, self._book('another').of_port(
            fakes.UUID, made.port_id))

    def test_ipv6_and_no_gateway(self):
        self.neutron.subnet.update(cidr='2001:db8::/64', gateway_ip=None)
        self.neutron.free_addresses[0] = '2001:db8::5'
        made = self.book.ensure(fakes.UUID, 'c1')
        self.assertEqual(('2001:db8::5/64', None),
                         (made.interface, made.gateway))


class LeftOverTest(BookTestCase):

    def test_an_inactive_binding(self):
        made = self.book.ensure(fakes.UUID, 'c1')
        self.book.add_binding(made, 'c2')
        for _time in range(2):
            self.book.drop_inactive_binding(made.port_id, 'c2')
            self.assertEqual([(made.port_id, 'c1')],
                             list(self.neutron.bindings))

    def test_is_bound(self):
        made = self.book.ensure(fakes.UUID, 'c1')
        self.book.add_binding(made, 'c2')
        self.assertEqual(
            [True, False, False],
            [self.book.is_bound(made.port_id, host)
             for host in ('c1', 'c2', 'c3')])

    def test_an_active_binding(self):
        made = self.book.ensure(fakes.UUID, 'c1')
        self.book.drop_inactive_binding(made.port_id, 'c1')
        self.assertEqual('c1', self.neutron.active_host(made.port_id))

    def test_instances_on(self):
        self.book.ensure(fakes.UUID, 'c1')
        self.assertEqual([fakes.UUID], self.book.instances_on('c1'))
        self.assertEqual([], self.book.instances_on('c2'))
        (port,) = self.neutron.ports.values()
        # Somebody else's.
        for changes in ({'device_owner': 'compute:nova'},
                        {'device_owner': 'compute:dmore',
                         'device_id': fakes.UUID},
                        {'device_id': 'domr-'},
                        {'device_id': f'domr-{fakes.UUID.upper()}'},
                        {'device_id': f'domr-../{fakes.UUID}'},
                        {'device_id': 'domr-\n\0'}):
            port.update(changes)
            self.assertEqual([], self.book.instances_on('c1'))
            self.assertEqual(set(), self.book.ports_on('c1'))


class ErrorTest(BookTestCase):

    def _assert_fails(self, book, kind, *texts):
        error = self.assertRaises(kind, book.ensure, fakes.UUID, 'c1')
        for text in texts:
            self.assertIn(text, str(error))

    def test_no_network_configured(self):
        self._assert_fails(
            self._book(None), exception.ConfigurationError,
            '[dmore] management_network is not set')

    def test_no_network_configured_and_nobody_to_ask(self):
        self.useFixture(fixtures.MockPatchObject(
            address_book.AddressBook, '_client',
            side_effect=neutron_exceptions.ConnectionFailed(reason='no')))
        error = self.assertRaises(exception.ConfigurationError,
                                  self._book(None).management_network)
        self.assertIn('[dmore] management_network is not set', str(error))

    def test_no_such_network(self):
        self._assert_fails(
            self._book('other'), exception.ConfigurationError,
            '[dmore] management_network', "'other'")

    def test_network_by_id(self):
        self._book(fakes.NETWORK).ensure(fakes.UUID, 'c1')
        self.assertEqual(fakes.NETWORK, self._port()['network_id'])

    def test_two_networks_of_the_name(self):
        self.neutron.networks.append({'id': 'net-2', 'name': 'consoles'})
        self._assert_fails(
            self.book, exception.ConfigurationError,
            '[dmore] management_network', '2 networks', 'give the id')

    def test_no_free_address(self):
        self.neutron.free_addresses.clear()
        self._assert_fails(
            self.book, exception.AddressError,
            '[dmore] management_network', 'No more IP addresses')

    def test_no_subnet(self):
        self.neutron.client.create_port.side_effect = lambda body: {
            'port': {**body['port'], 'id': fakes.PORT, 'fixed_ips': [],
                     'binding:vif_type': 'ovs'}}
        self._assert_fails(
            self.book, exception.AddressError,
            '[dmore] management_network', 'no address')

    def test_not_bound(self):
        for vif_type in ('binding_failed', 'unbound'):
            self.neutron.ports.clear()
            self.neutron.vif_type = vif_type
            self._assert_fails(
                self.book, exception.AddressError, 'cannot be bound',
                'host c1')

    def test_neutron_is_away(self):
        for error in (
                neutron_exceptions.ConnectionFailed(reason='refused'),
                keystone_exceptions.EndpointNotFound('no endpoint'),
                nova_exception.NeutronAdminCredentialConfigurationInvalid()):
            self.neutron.client.list_ports.side_effect = error
            for call in (lambda: self.book.ensure(fakes.UUID, 'c1'),
                         lambda: self.book.exists(fakes.UUID),
                         lambda: self.book.delete(fakes.UUID)):
                raised = self.assertRaises(exception.AddressError, call)
                self.assertIn(f'domr-{fakes.UUID}', str(raised))
            self.assertRaises(exception.AddressError,
                              self.book.instances_on, 'c1')


class BindingTest(BookTestCase):

    def setUp(self):
        super().setUp()
        self.address = self.book.ensure(fakes.UUID, 'c1')

    def test_add(self):
        there = self.book.add_binding(self.address, 'c2')
        self.assertEqual({'bridge_name': 'br-there'}, there.vif_details)
        self.assertEqual(self.address.mac, there.mac)
        self.assertEqual(
            'INACTIVE', self.neutron.bindings[fakes.PORT, 'c2']['status'])
        self.assertEqual('c1', self._port()['binding:host_id'])

    def test_add_what_an_earlier_try_has_left(self):
        self.assertEqual(self.book.add_binding(self.address, 'c2'),
                         self.book.add_binding(self.address, 'c2'))

    def test_announce_and_stay(self):
        self.book.add_binding(self.address, 'c2')
        self.book.announce(fakes.PORT, 'c2')
        self.assertEqual({'migrating_to': 'c2'},
                         self._port()['binding:profile'])
        self.book.delete_binding(fakes.PORT, 'c2')
        self.assertEqual({}, self._port()['binding:profile'])

    def test_announce_and_go(self):
        self.book.add_binding(self.address, 'c2')
        self.book.announce(fakes.PORT, 'c2')
        self.book.activate_binding(fakes.PORT, 'c2')
        self.neutron.client.update_port.reset_mock()
        self.book.delete_binding(fakes.PORT, 'c1')
        self.assertEqual({}, self._port()['binding:profile'])
        # The agent there is told.
        self.neutron.client.update_port.assert_called_once()

    def test_add_fails(self):
        self.neutron.vif_type = 'binding_failed'
        error = self.assertRaises(
            exception.AddressError, self.book.add_binding, self.address, 'c2')
        self.assertIn('c2', str(error))

    def test_activate(self):
        self.book.add_binding(self.address, 'c2')
        # The other host may do so, too.
        for _time in range(2):
            self.book.activate_binding(fakes.PORT, 'c2')
            self.assertEqual('c2', self.neutron.active_host(fakes.PORT))

    def test_activate_what_is_not_there(self):
        self.book.activate_binding(fakes.PORT, 'c3')
        self.assertEqual([(fakes.PORT, 'c3')], list(self.neutron.bindings))
        self.assertEqual('c3', self.neutron.active_host(fakes.PORT))

    def test_delete(self):
        self.book.add_binding(self.address, 'c2')
        self.book.delete_binding(fakes.PORT, 'c2')
        self.assertEqual([(fakes.PORT, 'c1')], list(self.neutron.bindings))
        self.assertEqual({}, self._port()['binding:profile'])

    def test_delete_what_is_not_there(self):
        self.book.delete_binding(fakes.PORT, 'c3')
        self.assertEqual({}, self._port()['binding:profile'])

    def test_what_has_the_traffic_is_not_deleted(self):
        self.book.delete_binding(fakes.PORT, 'c1')
        self.assertEqual([(fakes.PORT, 'c1')], list(self.neutron.bindings))

    def test_delete_fails(self):
        self.book.add_binding(self.address, 'c2')
        self.neutron.client.delete_port_binding.side_effect = (
            neutron_exceptions.Conflict())
        self.assertRaises(exception.AddressError,
                          self.book.delete_binding, fakes.PORT, 'c2')
