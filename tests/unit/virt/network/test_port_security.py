# SPDX-License-Identifier: Apache-2.0

import fixtures
from neutronclient.common import exceptions as neutron_exceptions
from nova import context

from nova_dmore import exception
from nova_dmore.virt.network import address_book
from nova_dmore.virt.network import security_group
from tests.unit.virt import fake_neutron
from tests.unit.virt import fakes

OTHER_UUID = '9b0b0c52-59c1-4b0e-8f58-0a5a4c3d2b10'


class PortSecurityTestCase(fakes.TestCase):

    def setUp(self):
        super().setUp()
        self.neutron = fake_neutron.Neutron()
        self.client = self.neutron.client
        self.useFixture(fixtures.MockPatch(
            'nova.network.neutron.get_client', autospec=True,
            return_value=self.client))
        for name in ('sg-a', 'sg-b'):
            self.neutron.add_group(id=name, name=name)
        self.log = self.useFixture(fixtures.FakeLogger())
        self.book = self.make_book()

    def make_book(self, security_groups=(), network='consoles'):
        return address_book.AddressBook(
            network, fakes.make_port_security(
                self.conf.dmore, security_groups), context.get_admin_context())

    def ensure(self, uuid=fakes.UUID, host='c1'):
        made = self.book.ensure(uuid, host)
        return self.neutron.ports[made.port_id]

    def own(self):
        (group,) = [group['id'] for group in self.neutron.groups.values()
                    if group['name'] == security_group.NAME]
        return group

    def old_port(self, **arguments):
        """As the release before made it."""
        port = self.ensure(**arguments)
        port.update(port_security_enabled=False, security_groups=[])
        self.client.update_port.reset_mock()
        return port

    def switch_off(self):
        self.neutron.networks[0]['port_security_enabled'] = False


class NewPortTest(PortSecurityTestCase):

    def test_with_the_plug_ins_group(self):
        port = self.ensure()
        self.assertIs(True, port['port_security_enabled'])
        self.assertEqual([self.own()], port['security_groups'])

    def test_all_have_the_same(self):
        self.assertEqual(self.ensure()['security_groups'],
                         self.ensure(OTHER_UUID)['security_groups'])

    def test_with_configured_groups(self):
        self.book = self.make_book(['sg-a', 'sg-b'])
        port = self.ensure()
        self.assertIs(True, port['port_security_enabled'])
        self.assertEqual(['sg-a', 'sg-b'], port['security_groups'])
        self.client.create_security_group.assert_not_called()

    def test_port_security_is_never_touched(self):
        for key in (True, False, None):
            self.neutron.ports.clear()
            self.neutron.free_addresses = ['10.0.0.5']
            self.neutron.networks[0]['port_security_enabled'] = key
            if key is None:
                del self.neutron.networks[0]['port_security_enabled']
            self.ensure()
            self.assertNotIn('port_security_enabled',
                             self.client.create_port.call_args.args[0]['port'])

    def test_neutron_that_cannot_switch_it_off(self):
        del self.neutron.networks[0]['port_security_enabled']
        groups = self.ensure()['security_groups']
        self.assertEqual([self.own()], groups)

    def test_network_without(self):
        self.switch_off()
        self.assertEqual([], self.ensure()['security_groups'])
        self.client.create_security_group.assert_not_called()

    def test_network_without_and_configured_groups(self):
        self.switch_off()
        self.book = self.make_book(['sg-a'])
        error = self.assertRaises(exception.AddressError, self.ensure)
        self.assertIn('Port security must be enabled', str(error))

    def test_neutron_without_security_groups(self):
        self.client.list_security_groups.side_effect = (
            neutron_exceptions.NotFound())
        self.assertIs(True, self.ensure()['port_security_enabled'])
        self.assertIn('enable_security_group', self.log.output)

    def test_the_group_is_gone(self):
        self.client.delete_port(self.ensure()['id'])
        del self.neutron.groups[self.own()]
        groups = self.ensure()['security_groups']
        self.assertEqual([self.own()], groups)

    def test_a_configured_group_that_is_not_there(self):
        self.book = self.make_book(['sg-none'])
        error = self.assertRaises(exception.AddressError, self.ensure)
        self.assertIn('sg-none', str(error))
        self.client.create_port.assert_called_once()

    def test_quota_of_ports(self):
        self.neutron.quota['ports'] = 0
        error = self.assertRaises(exception.AddressError, self.ensure)
        self.assertIn('openstack quota set --ports', str(error))

    def test_no_port_without_its_group(self):
        """It would have that which lets all ports of the project talk."""
        self.neutron.quota['groups'] = 0
        error = self.assertRaises(exception.AddressError, self.ensure)
        self.assertIn('openstack quota set --secgroups', str(error))
        self.assertEqual({}, self.neutron.ports)


class OldPortTest(PortSecurityTestCase):
    """Ports of pairs that an earlier release made."""

    def test_mended_at_the_start(self):
        port = self.old_port()
        self.book.secure('c1')
        self.assertEqual((True, [self.own()]), (
            port['port_security_enabled'], port['security_groups']))
        # Never without the group: that would cut what is open.
        self.client.update_port.assert_called_once()
        self.client.update_port.reset_mock()
        self.book.secure('c1')
        self.client.update_port.assert_not_called()

    def test_with_configured_groups(self):
        port = self.old_port()
        self.book = self.make_book(['sg-a'])
        self.book.secure('c1')
        self.assertEqual((True, ['sg-a']), (
            port['port_security_enabled'], port['security_groups']))

    def test_the_configuration_has_changed(self):
        port = self.ensure()
        for groups in (['sg-a', 'sg-b'], []):
            self.book = self.make_book(groups)
            self.book.secure('c1')
            self.assertEqual(groups or [self.own()], port['security_groups'])

    def test_the_order_of_groups_does_not_matter(self):
        self.book = self.make_book(['sg-a', 'sg-b'])
        port = self.ensure()
        port['security_groups'] = ['sg-b', 'sg-a']
        self.book.secure('c1')
        self.client.update_port.assert_not_called()

    def test_of_another_host_it_is_that_hosts_business(self):
        port = self.old_port(host='c2')
        self.book.secure('c1')
        self.assertIs(False, port['port_security_enabled'])

    def test_mended_when_its_pair_is_built_again(self):
        port = self.old_port()
        self.ensure()
        self.assertEqual((True, [self.own()]), (
            port['port_security_enabled'], port['security_groups']))

    def test_its_pair_does_not_need_that(self):
        port = self.old_port()
        self.client.update_port.side_effect = (
            neutron_exceptions.Forbidden(message='not allowed'))
        self.assertEqual(port, self.ensure())
        self.assertIn('not allowed', self.log.output)

    def test_deleted_meanwhile(self):
        self.old_port()
        self.client.update_port.side_effect = neutron_exceptions.NotFound()
        self.book.secure('c1')

    def test_a_users_port_that_cannot_be_mended(self):
        """It has no address, say."""
        port = self.old_port()
        theirs = {**port, 'id': 'a-users'}
        self.neutron.ports = {'a-users': theirs, **self.neutron.ports}
        update = self.client.update_port.side_effect

        def refuse(port_id, body):
            if port_id == 'a-users':
                raise neutron_exceptions.BadRequest(message='no address')
            return update(port_id, body)
        self.client.update_port.side_effect = refuse
        self.book.secure('c1')
        self.assertIs(True, port['port_security_enabled'])
        self.assertIn('no address', self.log.output)

    def test_neutron_is_away_meanwhile(self):
        self.old_port()
        self.client.update_port.side_effect = (
            neutron_exceptions.ConnectionFailed(reason='refused'))
        self.assertRaises(exception.AddressError, self.book.secure, 'c1')

    def test_on_a_network_without(self):
        port = self.old_port()
        self.switch_off()
        self.make_book().secure('c1')
        self.assertIs(False, port['port_security_enabled'])
        self.client.update_port.assert_not_called()

    def test_on_what_was_the_management_network(self):
        port = self.old_port()
        self.neutron.networks.append({
            'id': 'new', 'name': 'new', 'port_security_enabled': False})
        self.make_book(network='new').secure('c1')
        self.assertIs(True, port['port_security_enabled'])

    def test_neutron_without_port_security(self):
        port = self.ensure()
        del self.neutron.networks[0]['port_security_enabled']
        del port['port_security_enabled']
        self.make_book(['sg-a']).secure('c1')
        self.assertEqual(['sg-a'], port['security_groups'])
        self.assertNotIn('port_security_enabled', port)


class StartTest(PortSecurityTestCase):

    def test_the_group_is_there_before_the_first_port(self):
        self.book.secure('c1')
        self.own()

    def test_a_network_without_is_named_once(self):
        self.switch_off()
        for _time in range(2):
            self.book.secure('c1')
        self.assertEqual(1, self.log.output.count('is switched off'))
        self.assertIn(f'consoles ({fakes.NETWORK})', self.log.output)
        self.client.create_security_group.assert_not_called()

    def test_a_network_with_it_is_not_named(self):
        self.book.secure('c1')
        self.assertNotIn('switched off', self.log.output)

    def test_no_management_network(self):
        self.make_book(network=None).secure('c1')
        self.client.list_networks.assert_not_called()

    def test_neutron_is_away(self):
        self.client.list_networks.side_effect = (
            neutron_exceptions.ConnectionFailed(reason='refused'))
        error = self.assertRaises(exception.AddressError, self.book.secure,
                                  'c1')
        self.assertIn('refused', str(error))
