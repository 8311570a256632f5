# SPDX-License-Identifier: Apache-2.0

import fixtures
from neutronclient.common import exceptions as neutron_exceptions

from nova_dmore import exception
from nova_dmore.virt.network import security_group
from tests.unit.virt import fake_neutron
from tests.unit.virt import fakes

IN = security_group.INGRESS
OUT = security_group.EGRESS


class RulesTest(fakes.TestCase):
    """What the configuration asks for."""

    def _wanted(self, with_vnc=True, **options):
        options.setdefault('replies_after_migration', False)
        self.config.config(group='dmore', **options)
        return {(rule.direction, rule.network, rule.first_port, rule.last_port)
                for rule in security_group.wanted(self.conf.dmore, with_vnc)}

    def test_ssh_from_everywhere_is_all_there_is_by_default(self):
        self.assertEqual({(IN, '0.0.0.0/0', 22, 22), (IN, '::/0', 22, 22)},
                         self._wanted())

    def test_each_port_from_its_clients(self):
        self.assertEqual({
            (IN, '192.0.2.0/24', 2222, 2222),
            (IN, '10.1.0.0/28', 7000, 7000),
            (IN, '10.2.0.0/28', 5901, 5901),
            (IN, '10.3.0.0/28', 5901, 5901),
        }, self._wanted(
            ssh_port=2222, ssh_networks=['192.0.2.0/24'],
            serial_port=7000, serial_proxy_networks=['10.1.0.0/28'],
            vnc_port=5901, vnc_proxy_networks=['10.2.0.0/28'],
            vnc_direct_networks=['10.3.0.0/28']))

    def test_without_vnc(self):
        self.assertEqual(set(), self._wanted(
            with_vnc=False, ssh_networks=[],
            vnc_proxy_networks=['10.2.0.0/28']))

    def test_networks_within_others_need_no_rule(self):
        self.assertEqual({(IN, '10.2.0.0/24', 5900, 5900)}, self._wanted(
            ssh_networks=[], vnc_proxy_networks=['10.2.0.7/32'],
            vnc_direct_networks=['10.2.0.0/24']))

    def test_replies_after_a_migration(self):
        rules = self._wanted(
            replies_after_migration=True, ssh_networks=['2001:db8::/64'],
            vnc_proxy_networks=['10.2.0.0/28'])
        self.assertEqual({
            (OUT, network, first, last)
            for network in ('2001:db8::/64', '10.2.0.0/28')
            for first, last in ((32768, 49151), (49216, 65535))
        }, {rule for rule in rules if rule[0] == OUT})

    def _passes_out(self, port, **options):
        return any(rule[0] == OUT and rule[2] <= port <= rule[3]
                   for rule in self._wanted(
                       replies_after_migration=True, **options))

    def test_never_to_another_domain_r(self):
        ports = {'ssh_port': 32768, 'serial_port': 65535, 'vnc_port': 49215}
        for port in ports.values():
            self.assertFalse(self._passes_out(port, **ports))
        for port in (32769, 65534, 49151, 49216):
            self.assertTrue(self._passes_out(port, **ports))
        for port in (22, 6083, 5900, 32767):
            self.assertFalse(self._passes_out(
                port, ssh_port=22, serial_port=6083, vnc_port=5900))

    def test_ports_of_servers_next_to_each_other(self):
        ports = {'ssh_port': 40000, 'serial_port': 40001, 'vnc_port': 49216}
        for port in ports.values():
            self.assertFalse(self._passes_out(port, **ports))
        for port in (39999, 40002, 49217):
            self.assertTrue(self._passes_out(port, **ports))

    def test_a_network_that_is_none(self):
        error = self.assertRaises(
            exception.ConfigurationError, self._wanted,
            ssh_networks=['192.0.2.1/24'])
        self.assertIn('[dmore] ssh_networks', str(error))


class GroupTestCase(fakes.TestCase):

    def setUp(self):
        super().setUp()
        self.neutron = fake_neutron.Neutron()
        self.client = self.neutron.client
        self.log = self.useFixture(fixtures.FakeLogger())
        self.rules = frozenset({
            security_group.Rule(IN, '0.0.0.0/0', 22, 22),
            security_group.Rule(IN, '2001:db8::/64', 5900, 5900)})

    def _new(self, rules=None):
        """As a nova-compute that starts."""
        return security_group.OwnGroup(
            lambda: self.rules if rules is None else rules)

    def _rules_of(self, group_id):
        return {(rule['direction'], rule['ethertype'], rule['protocol'],
                 rule['remote_ip_prefix'], rule['port_range_min'],
                 rule['port_range_max'])
                for rule in self.neutron.groups[group_id][
                    'security_group_rules']}

    def _assert_rules(self, group_id):
        self.assertEqual({
            (IN, 'IPv4', 'tcp', '0.0.0.0/0', 22, 22),
            (IN, 'IPv6', 'tcp', '2001:db8::/64', 5900, 5900),
        }, self._rules_of(group_id))

    def _ours(self):
        return [group['id'] for group in self.neutron.groups.values()
                if group['name'] == security_group.NAME]


class GroupTest(GroupTestCase):

    def test_made_with_its_rules_alone(self):
        made = self._new().id(self.client)
        self.assertEqual([made], self._ours())
        # Also the two are gone that allow everything out.
        self._assert_rules(made)

    def test_asked_for_once(self):
        group = self._new()
        made = group.id(self.client)
        self.client.list_security_groups.reset_mock()
        self.assertEqual(made, group.id(self.client))
        self.client.list_security_groups.assert_not_called()

    def test_found_again(self):
        made = self._new().id(self.client)
        self.client.create_security_group_rule.reset_mock()
        self.client.delete_security_group_rule.reset_mock()
        self.assertEqual(made, self._new().id(self.client))
        self.client.create_security_group.assert_called_once()
        self.client.create_security_group_rule.assert_not_called()
        self.client.delete_security_group_rule.assert_not_called()

    def test_everywhere_by_another_name(self):
        made = self._new().id(self.client)
        for rule in self.neutron.groups[made]['security_group_rules']:
            if rule['remote_ip_prefix'] == '0.0.0.0/0':
                rule.update(remote_ip_prefix=None, protocol='6')
        self.client.create_security_group_rule.reset_mock()
        self._new().id(self.client)
        self.client.create_security_group_rule.assert_not_called()

    def test_configuration_has_changed(self):
        made = self._new().id(self.client)
        self.assertEqual(made, self._new(frozenset({
            security_group.Rule(IN, '192.0.2.0/24', 22, 22),
        })).id(self.client))
        self.assertEqual({(IN, 'IPv4', 'tcp', '192.0.2.0/24', 22, 22)},
                         self._rules_of(made))
        self.assertIn('192.0.2.0/24 tcp 22-22', self.log.output)

    def test_the_host_that_started_last_counts_and_nobody_undoes_it(self):
        first, second = self._new(), self._new(frozenset())
        made = first.id(self.client)
        second.id(self.client)
        for _time in range(2):
            for group in (first, second):
                group.id(self.client)
        self.assertEqual(set(), self._rules_of(made))

    def test_what_somebody_has_added(self):
        made = self._new().id(self.client)
        group = self.neutron.groups[made]
        for rule in (
                {'remote_group_id': made, 'protocol': 'tcp',
                 'port_range_min': 22, 'port_range_max': 22},
                {'remote_address_group_id': 'x', 'protocol': 'tcp',
                 'port_range_min': 22, 'port_range_max': 22},
                {'protocol': 'udp', 'port_range_min': 22,
                 'port_range_max': 22},
                {'protocol': 'tcp'}, {}):
            self.neutron._add_rule(group, {
                'direction': IN, 'ethertype': 'IPv4', **rule})
        self._new().id(self.client)
        self._assert_rules(made)

    def test_a_users_group_of_that_name(self):
        for project in ('p-user', 'p-other'):
            self.neutron.add_group(
                id=f'a-{project}', project_id=project,
                name=security_group.NAME, created_at='2000-01-01T00:00:00Z')
        # Whatever this Neutron makes of the filter.
        listed = self.client.list_security_groups
        answer = listed.side_effect
        listed.side_effect = lambda **wanted: answer(name=wanted['name'])
        made = self._new().id(self.client)
        self.assertEqual(fake_neutron.PROJECT,
                         self.neutron.groups[made]['project_id'])
        self._assert_rules(made)
        self.client.delete_security_group.assert_not_called()

    def test_deleted_by_somebody(self):
        group = self._new()
        del self.neutron.groups[group.id(self.client)]
        group.forget()
        self._assert_rules(group.id(self.client))

    def test_no_security_groups_in_this_neutron(self):
        self.client.list_security_groups.side_effect = (
            neutron_exceptions.NotFound())
        self.assertIsNone(self._new().id(self.client))


class AtOnceTest(GroupTestCase):
    """Several nova-computes start at the same time."""

    def _meanwhile(self, call, action):
        """Another nova-compute acts before a call of this one, once."""
        method = getattr(self.client, call)
        answer = method.side_effect

        def meanwhile(*arguments, **keywords):
            method.side_effect = answer
            action()
            return answer(*arguments, **keywords)

        method.side_effect = meanwhile

    def test_both_make_one(self):
        theirs = []
        self._meanwhile('create_security_group', lambda: theirs.append(
            self._new().id(self.client)))
        self.assertEqual(theirs, [self._new().id(self.client)])
        self.assertEqual(theirs, self._ours())
        self._assert_rules(theirs[0])

    def test_in_the_same_second(self):
        for name in ('sg-y', 'sg-x', 'sg-z'):
            self.neutron.add_group(id=name, name=security_group.NAME,
                                   created_at='2026-01-01T00:00:00Z')
        self.assertEqual('sg-x', self._new().id(self.client))
        self.assertEqual(['sg-x'], self._ours())

    def test_one_too_many_that_is_in_use(self):
        for name in ('sg-x', 'sg-y'):
            self.neutron.add_group(id=name, name=security_group.NAME,
                                   created_at='2026-01-01T00:00:00Z')
        self.neutron.ports['p'] = {'security_groups': ['sg-y']}
        self.assertEqual('sg-x', self._new().id(self.client))
        self.assertEqual(['sg-x', 'sg-y'], self._ours())
        self.assertIn('sg-y', self.log.output)

    def test_one_too_many_that_another_deletes(self):
        for name in ('sg-x', 'sg-y'):
            self.neutron.add_group(id=name, name=security_group.NAME)
        self._meanwhile('delete_security_group', lambda: self.neutron
                        .groups.pop('sg-y'))
        self.assertEqual('sg-x', self._new().id(self.client))

    def test_that_which_this_one_was_about_to_take(self):
        self._meanwhile(
            'create_security_group_rule', lambda: (
                self.neutron.groups.pop(self._ours()[0]),
                self.neutron.add_group(id='sg-x', name=security_group.NAME)))
        self.assertEqual('sg-x', self._new().id(self.client))
        self._assert_rules('sg-x')

    def test_the_same_rules(self):
        made = self.neutron.add_group(name=security_group.NAME)['id']
        for call in ('create_security_group_rule',
                     'delete_security_group_rule'):
            self._meanwhile(call, lambda: self._new().id(self.client))
        self._new().id(self.client)
        self._assert_rules(made)


class ErrorTest(GroupTestCase):

    def _fails(self, *texts):
        error = self.assertRaises(
            exception.AddressError, self._new().id, self.client)
        for text in texts:
            self.assertIn(text, str(error))

    def test_quota_of_groups(self):
        self.neutron.quota['groups'] = 1
        self._fails(fake_neutron.PROJECT, 'openstack quota set --secgroups',
                    '[dmore] security_groups')

    def test_quota_of_rules(self):
        self.neutron.quota['rules'] = 4
        self._fails(fake_neutron.PROJECT,
                    'openstack quota set --secgroup-rules')
        # What allowed everything out is gone all the same, and so there is
        # room when it is tried again.
        (made,) = self._ours()
        self.assertEqual(set(), self._rules_of(made))
        self._assert_rules(self._new().id(self.client))

    def test_credentials_without_a_project(self):
        self.neutron.project = None
        self._fails('[neutron]', '[dmore] security_groups')

    def test_what_fails_is_tried_again(self):
        group = self._new()
        self.client.create_security_group_rule.side_effect = (
            neutron_exceptions.ConnectionFailed(reason='refused'))
        self.assertRaises(neutron_exceptions.ConnectionFailed, group.id,
                          self.client)
        self.client.create_security_group_rule.side_effect = (
            self.neutron._create_security_group_rule)
        self._assert_rules(group.id(self.client))

    def test_it_does_not_stay(self):
        self.client.create_security_group.side_effect = lambda body: {
            'security_group': {}}
        self._fails(security_group.NAME, 'is not there')
