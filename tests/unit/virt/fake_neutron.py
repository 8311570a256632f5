# SPDX-License-Identifier: Apache-2.0
"""A Neutron in memory: the part of it that a Domain R's port needs."""

import copy
import functools
import types
from unittest import mock

from neutronclient.common import exceptions as neutron_exceptions
from neutronclient.v2_0 import client as neutron_client

from tests.unit.virt import fakes


def _not_found(what: str):
    return neutron_exceptions.NotFound(message=f'{what} was not found')


_CALLS = ('list_ports', 'list_networks', 'create_port', 'update_port',
          'delete_port', 'show_port', 'show_subnet', 'show_network',
          'create_port_binding', 'show_port_binding',
          'activate_port_binding', 'delete_port_binding',
          'list_security_groups', 'create_security_group',
          'delete_security_group', 'create_security_group_rule',
          'delete_security_group_rule', 'list_subnets',
          'show_quota_details')


@functools.cache
def _neutron_client():
    """One for all tests: a mock with signatures takes long to be made, and
    the real client has hundreds of methods."""
    return mock.create_autospec(type('Client', (), {
        name: getattr(neutron_client.Client, name) for name in _CALLS}),
        instance=True)


#: A group that nobody has made (:attr:`Neutron.groups`).
DEFAULT_GROUP = 'sg-default'
PROJECT = 'p-service'


class Neutron:
    """Ports, networks, bindings and security groups in memory, behind the
    real client's signatures (:attr:`client`)."""

    def __init__(self):
        self._made = 0
        self._rules = 0
        self.project = PROJECT
        #: Security groups by their ids.
        self.groups: dict[str, dict] = {}
        self.add_group(id=DEFAULT_GROUP, name='default')
        self.quota = {'groups': 10, 'rules': 100, 'ports': 500}
        self.ports: dict[str, dict] = {}
        #: Bindings by port and host; the active one is that of the port too.
        self.bindings: dict[tuple[str, str], dict] = {}
        self.networks = [{'id': fakes.NETWORK, 'name': 'consoles', 'mtu': 1450,
                          'port_security_enabled': True}]
        self.subnet = {'id': fakes.SUBNET, 'cidr': '10.0.0.0/24',
                       'gateway_ip': '10.0.0.1'}
        #: Of an IPv6 subnet that is added later.
        self.other_subnet = {'id': fakes.OTHER_SUBNET, 'cidr': '2001:db8::/64',
                             'gateway_ip': 'fe80::1'}
        self.free_addresses = ['10.0.0.5', '10.0.0.6']
        self.vif_type = 'ovs'
        self.client = _neutron_client()
        self.client.reset_mock(side_effect=True)
        self.client.httpclient = types.SimpleNamespace(
            session=types.SimpleNamespace(timeout=None),
            get_project_id=lambda: self.project)
        for name in _CALLS:
            getattr(self.client, name).side_effect = getattr(self, '_' + name)

    def _list_ports(self, **wanted):
        return {'ports': [
            dict(port) for port in self.ports.values()
            if wanted.items() <= port.items()]}

    def _list_networks(self, **wanted):
        return {'networks': [
            network for network in self.networks
            if wanted.items() <= network.items()]}

    def _list_subnets(self, **wanted):
        return {'subnets': [self.subnet]}

    def _show_quota_details(self, project_id):
        return {'quota': {'port': {
            'limit': self.quota['ports'], 'used': len(self.ports),
            'reserved': 0}}}

    def _create_port(self, body):
        asked = body['port'].get('fixed_ips', [{}])[0].get('ip_address')
        used = {port['fixed_ips'][0]['ip_address']
                for port in self.ports.values()}
        if asked in used:
            raise neutron_exceptions.IpAddressInUseClient(
                message=f'IP address {asked} already allocated in subnet.')
        if asked is None and not self.free_addresses:
            raise neutron_exceptions.IpAddressGenerationFailureClient(
                message='No more IP addresses available on network net-1.')
        self._check_quota('ports', len(self.ports))
        self._made += 1
        number = self._made
        port = {
            **self._secured(body['port'], body['port']['network_id']),
            'id': f'00000000-0000-4000-8003-{number:012}',
            'mac_address': body['port'].get(
                'mac_address', f'fa:16:3e:00:00:{number:02x}'),
            'fixed_ips': [{'subnet_id': fakes.SUBNET,
                           'ip_address': asked or self.free_addresses.pop(
                               0)}],
            'binding:vif_type': self.vif_type,
            'binding:vif_details': {'bridge_name': 'br-int'},
            'binding:profile': {}}
        self.ports[port['id']] = port
        self._bind(port['id'], port['binding:host_id'], 'ACTIVE')
        return {'port': dict(port)}

    def _secured(self, port, network_id):
        """What a port has that names nothing; checked."""
        network = self._show_network(network_id)['network']
        on = port.get('port_security_enabled',
                      network.get('port_security_enabled', True))
        result = dict(port)
        if 'port_security_enabled' in network:
            result['port_security_enabled'] = on
        if not on and port.get('security_groups'):
            raise neutron_exceptions.BadRequest(
                message='Port security must be enabled and port must have an '
                        'IP address in order to use security groups.')
        result.setdefault('security_groups', [DEFAULT_GROUP] if on else [])
        for group in result['security_groups']:
            if group not in self.groups:
                raise _not_found(f'security group {group}')
        return result

    def _check_quota(self, what, used):
        if used >= self.quota[what]:
            raise neutron_exceptions.OverQuotaClient(
                message=f'Quota exceeded for resources: {what}.')

    def add_group(self, project=None, **values):
        """A security group as it is when it was made, with the two rules
        that Neutron gives it."""
        group = {
            'id': f'sg-{len(self.groups)}', 'security_group_rules': [],
            'project_id': project or self.project,
            'created_at': f'2026-01-01T00:00:{len(self.groups):02}Z',
            **values}
        self.groups[group['id']] = group
        for ethertype in ('IPv4', 'IPv6'):
            self._add_rule(group, {
                'direction': 'egress', 'ethertype': ethertype})
        return group

    def _add_rule(self, group, rule):
        self._rules += 1
        group['security_group_rules'].append({
            'protocol': None, 'port_range_min': None, 'port_range_max': None,
            'remote_ip_prefix': None, 'remote_group_id': None,
            'remote_address_group_id': None, **rule,
            'id': f'rule-{self._rules}'})

    def _list_security_groups(self, **wanted):
        return {'security_groups': [
            copy.deepcopy(group) for group in self.groups.values()
            if wanted.items() <= group.items()]}

    def _create_security_group(self, body):
        self._check_quota('groups', sum(
            group['project_id'] == self.project
            for group in self.groups.values()))
        return {'security_group': copy.deepcopy(self.add_group(
            **body['security_group']))}

    def _delete_security_group(self, security_group):
        if any(security_group in port['security_groups']
               for port in self.ports.values()):
            raise neutron_exceptions.Conflict(
                message=f'Security Group {security_group} in use.')
        if self.groups.pop(security_group, None) is None:
            raise _not_found(f'security group {security_group}')

    def _create_security_group_rule(self, body):
        rule = dict(body['security_group_rule'])
        group = self.groups.get(rule.pop('security_group_id'))
        if group is None:
            raise _not_found('the security group')
        self._check_quota('rules', sum(
            len(group['security_group_rules'])
            for group in self.groups.values()))
        if any(rule.items() <= other.items()
               for other in group['security_group_rules']):
            raise neutron_exceptions.Conflict(
                message='Security group rule already exists.')
        self._add_rule(group, rule)

    def _delete_security_group_rule(self, security_group_rule):
        for group in self.groups.values():
            for rule in group['security_group_rules']:
                if rule['id'] == security_group_rule:
                    group['security_group_rules'].remove(rule)
                    return
        raise _not_found(f'rule {security_group_rule}')

    def _bind(self, port_id, host, status):
        self.bindings[port_id, host] = {
            'host': host, 'status': status, 'vif_type': self.vif_type,
            'vif_details': {'bridge_name': 'br-int'}, 'profile': {}}
        return self.bindings[port_id, host]

    def active_host(self, port_id):
        """The one host that has the port's traffic."""
        (host,) = [host for (port, host), binding in self.bindings.items()
                   if (port, binding['status']) == (port_id, 'ACTIVE')]
        return host

    def _update_port(self, port, body):
        if port not in self.ports:
            raise _not_found(f'port {port}')
        host = body['port'].get('binding:host_id')
        before = self.active_host(port)
        if host not in (None, before):
            if (port, host) in self.bindings:
                raise neutron_exceptions.Conflict()
            del self.bindings[port, before]
            self._bind(port, host, 'ACTIVE')
            self.ports[port]['binding:vif_type'] = self.vif_type
        elif self.bindings[port, before]['vif_type'] in (
                'unbound', 'binding_failed'):
            # Whatever is updated.
            self.bind_again(port)
        self._secured({**self.ports[port], **body['port']},
                      self.ports[port]['network_id'])
        self.ports[port].update(body['port'])
        if 'binding:profile' in body['port']:
            self.bindings[port, self.active_host(port)]['profile'] = (
                body['port']['binding:profile'])
        return {'port': dict(self.ports[port])}

    def bind_again(self, port_id):
        """Neutron tries to bind a port where it is."""
        host = self.active_host(port_id)
        self.bindings[port_id, host]['vif_type'] = self.vif_type
        self.ports[port_id]['binding:vif_type'] = self.vif_type

    def _delete_port(self, port):
        del self.ports[port]
        self.bindings = {key: binding
                         for key, binding in self.bindings.items()
                         if key[0] != port}

    def _show_port(self, port):
        if port not in self.ports:
            raise _not_found(f'port {port}')
        return {'port': dict(self.ports[port])}

    def _show_subnet(self, subnet):
        return {'subnet': {fakes.SUBNET: self.subnet,
                           fakes.OTHER_SUBNET: self.other_subnet}[subnet]}

    def add_subnet(self):
        """Neutron gives each port an address in it, too; of a port's
        addresses the first is that which comes first as a text."""
        for port in self.ports.values():
            port['fixed_ips'] = [
                {'subnet_id': fakes.OTHER_SUBNET, 'ip_address': '2001:db8::5'},
                *port['fixed_ips']]

    def _show_network(self, network):
        return {'network': next(
            item for item in self.networks if item['id'] == network)}

    def _create_port_binding(self, port_id, body):
        if (port_id, body['binding']['host']) in self.bindings:
            raise neutron_exceptions.Conflict()
        binding = self._bind(port_id, body['binding']['host'], 'INACTIVE')
        binding['vif_details'] = {'bridge_name': 'br-there'}
        return {'binding': dict(binding)}

    def _show_port_binding(self, port_id, host_id):
        try:
            return {'binding': dict(self.bindings[port_id, host_id])}
        except KeyError:
            raise _not_found('the binding')

    def _activate_port_binding(self, port_id, host_id):
        try:
            binding = self.bindings[port_id, host_id]
        except KeyError:
            raise _not_found('the binding')
        if binding['status'] == 'ACTIVE':
            raise neutron_exceptions.Conflict()
        self.bindings[port_id, self.active_host(port_id)]['status'] = (
            'INACTIVE')
        binding['status'] = 'ACTIVE'
        self.ports[port_id].update({
            'binding:host_id': host_id,
            'binding:profile': binding['profile'],
            'binding:vif_type': binding['vif_type'],
            'binding:vif_details': binding['vif_details']})

    def _delete_port_binding(self, port_id, host_id):
        if self.bindings.pop((port_id, host_id), None) is None:
            raise _not_found('the binding')
