# SPDX-License-Identifier: Apache-2.0
"""Creates, binds and deletes the ports of Domain Rs, for nova-compute.

A Domain R's port lives as long as its instance: it is created with the pair
and deleted with the instance. Which port is one, and what address it gives,
says :mod:`nova_dmore.virt.network.address`.

A live migration adds an inactive binding for the destination, which is
activated when Domain R arrives there (Neutron's ``binding-extended``).
"""

import dataclasses
from typing import Any, TYPE_CHECKING

from neutronclient.common import exceptions as neutron_exceptions
from oslo_log import log as logging

from nova_dmore import exception
from nova_dmore.virt import limited
from nova_dmore.virt.network import address as address_module
from nova_dmore.virt.network import binding
from nova_dmore.virt.network import key_mark
from nova_dmore.virt.network import management_network
from nova_dmore.virt.network import new_port
from nova_dmore.virt import service_errors
if TYPE_CHECKING:
    from nova import context as nova_context
    from nova.network import neutron

    from nova_dmore.virt.network import port_security

Address = address_module.Address
device_id = address_module.device_id
instance_of = address_module.instance_of
neutron_errors = address_module.neutron_errors

LOG = logging.getLogger(__name__)


class AddressBook:
    """Creates, binds and deletes Domain R ports.

    Called by nova-compute's own threads; every method talks to Neutron with
    the credentials of ``[neutron]`` and raises
    :class:`nova_dmore.exception.AddressError`.

    :param network: name or id (``[dmore] management_network``).
    :param security: a
        :class:`nova_dmore.virt.network.port_security.PortSecurity`.
    :param context: an admin ``RequestContext``.
    """

    def __init__(self, network: str | None,
                 security: 'port_security.PortSecurity',
                 context: 'nova_context.RequestContext') -> None:
        self._network = management_network.ManagementNetwork(network)
        self._security = security
        self._context = context
        self._network_id: str | None = None

    def management_network(self) -> dict[str, Any]:
        """The network, as Neutron has it.

        :raises nova_dmore.exception.ConfigurationError: there is none.
        """
        # Also where Neutron would not answer.
        self._network.check_named()
        with neutron_errors('[dmore] management_network'):
            return self._network.find(self._client())

    def ensure(self, instance_uuid: str, host: str,
               like: Address | None = None, ip: str | None = None,
               mark: str | None = None) -> Address:
        """The instance's port, bound to ``host``; created if there is none.

        Called when a pair is made or rebuilt on ``host``.

        :param like: what it had before; a new one is the same, if that can
            be had.
        :param ip: the address alone that it had before, where no more is
            known.
        :param mark: which key Domain R lets in
            (:func:`nova_dmore.virt.network.key_mark.of`); None: what the port
            says of it stays.
        """
        with neutron_errors(f'the port of {device_id(instance_uuid)}'):
            client = self._client()
            port = self._find(client, instance_uuid)
            is_new = port is None
            if port is None:
                port = self._create(
                    client, instance_uuid, host, like, mark or '')
            elif port['binding:host_id'] != host:
                port = self._move(client, port, host)
            elif not binding.is_bound(port):
                # The agent of this host was away, say.
                port = binding.bind(client, port['id'], host)
            network = client.show_network(port['network_id'])['network']
            if not is_new:
                self._mend_if_possible(client, port, network, mark)
            binding.check_bound(port, host)
            return address_module.of_port(
                client, port, network, ip if like is None else like.ip)

    def exists(self, instance_uuid: str) -> bool:
        """Whether the instance has a port already."""
        with neutron_errors(f'the port of {device_id(instance_uuid)}'):
            return self._find(self._client(), instance_uuid) is not None

    def is_lost(self, port_id: str) -> bool:
        """Whether somebody has deleted a port.

        Neutron does not tell Nova, for it takes ``device_id`` for none of an
        instance: so each port is searched for now and then.
        """
        return self.host_of(port_id) is None

    def ports_on(self, host: str) -> set[str]:
        """Ids of the ports that are bound to ``host``."""
        with neutron_errors(f'the ports of host {host}'):
            return {port['id'] for port in self._ports_on(
                self._client(), host)}

    def instances_on(self, host: str) -> list[str]:
        """Uuids of the instances whose ports are bound to ``host``."""
        with neutron_errors(f'the ports of host {host}'):
            return [named for named in map(instance_of, self._ports_on(
                self._client(), host)) if named is not None]

    def secure(self, host: str) -> None:
        """Have security groups as the configuration says, and the ports that
        are bound to ``host`` mended that an earlier release made.

        Called when nova-compute starts, and now and then.
        """
        if not self._network.name:
            return
        with neutron_errors('port security of Domain R'):
            client = self._client()
            self._security.check(client, self._network.find(client))
            self._security.mend_each(client, self._ports_on(client, host))

    def forget_group(self) -> None:
        """The options were read again: :meth:`secure` brings the plug-in's
        security group to them."""
        self._security.forget_group()

    def delete(self, instance_uuid: str, host: str | None = None) -> None:
        """Delete the instance's port, if there is one, also on a network that
        was the management network before.

        A user's port may be called so, too, and be in use: that keeps none of
        the others.

        :param host: only if it is bound to this one; None: wherever it is.
        """
        errors = []
        with neutron_errors(f'the port of {device_id(instance_uuid)}'):
            client = self._client()
            for port in self._all(client, instance_uuid):
                if host not in (None, port['binding:host_id']):
                    continue
                try:
                    with service_errors.perhaps_absent():
                        client.delete_port(port['id'])
                except neutron_exceptions.NeutronClientException as error:
                    if service_errors.is_away(error):
                        raise
                    errors.append(error)
            if errors:
                raise errors[0]

    def find(self, instance_uuid: str) -> Address:
        """The instance's port, as the host plugs it that it is bound to."""
        with neutron_errors(f'the port of {device_id(instance_uuid)}'):
            client = self._client()
            port = self._find(client, instance_uuid)
            if port is None:
                raise exception.AddressError(
                    f'there is no port of {device_id(instance_uuid)}')
            return address_module.of_port(client, port)

    def of_port(self, instance_uuid: str, port_id: str, ip: str | None = None
                ) -> Address:
        """As :meth:`find`, of a port that another host names; it may be on a
        network that was the management network before.

        :param ip: which of its addresses it is, if it has this one.
        """
        with neutron_errors(f'the port of {device_id(instance_uuid)}'):
            client = self._client()
            for port in self._all(client, instance_uuid):
                if port['id'] == port_id:
                    return address_module.of_port(client, port, ip=ip)
        raise exception.AddressError(
            f'port {port_id} is none of {device_id(instance_uuid)}')

    def add_binding(self, address: Address, host: str) -> Address:
        """Bind the port to a destination too, inactive for now.

        :returns: the address as ``host`` plugs it.
        """
        with neutron_errors(f'a binding of port {address.port_id} on {host}'):
            client = self._client()
            try:
                made = client.create_port_binding(address.port_id, {
                    'binding': {'host': host}})['binding']
            except neutron_exceptions.Conflict:
                # Of an earlier try.
                made = client.show_port_binding(
                    address.port_id, host)['binding']
            binding.check_bound(
                {'id': address.port_id,
                 'binding:vif_type': made['vif_type']}, host)
            return dataclasses.replace(
                address, vif_type=made['vif_type'],
                vif_details=made['vif_details'])

    def announce(self, port_id: str, host: str) -> None:
        """Have the port's tap on a destination wired before it is active.

        It takes Neutron up to seconds: nothing should wait for it.
        """
        with neutron_errors(f'port {port_id} on its way to {host}'):
            self._client().update_port(port_id, {'port': {
                'binding:profile': {'migrating_to': host}}})

    def activate_binding(self, port_id: str, host: str) -> None:
        """Let the port's traffic go to ``host``."""
        with neutron_errors(f'the binding of port {port_id} on {host}'):
            binding.activate(self._client(), port_id, host)

    def is_bound(self, port_id: str, host: str) -> bool:
        """Whether the port's traffic goes to ``host``."""
        with neutron_errors(f'the binding of port {port_id} on {host}'):
            return binding.status(self._client(), port_id, host) == 'ACTIVE'

    def host_of(self, port_id: str) -> str | None:
        """The host where the port's traffic goes; empty: to none, or Neutron
        does not say. None: there is no such port."""
        with neutron_errors(f'port {port_id}'):
            with service_errors.perhaps_absent():
                port = self._client().show_port(port_id)['port']
                return port.get('binding:host_id') or ''
            return None

    def has_binding(self, port_id: str, host: str) -> bool:
        """Whether the port is, or may come to be, on ``host``."""
        with neutron_errors(f'the binding of port {port_id} on {host}'):
            return binding.status(self._client(), port_id, host) is not None

    def delete_binding(self, port_id: str, host: str) -> None:
        """Forget that the port was, or might have been, on ``host``.

        Where its traffic goes there, it stays: Neutron would not find a port
        again that has no binding at all.
        """
        with neutron_errors(f'the binding of port {port_id} on {host}'):
            client = self._client()
            binding.drop_inactive(client, port_id, host)
            # Also where nothing was announced: an agent skips a port with two
            # bindings, and reads it again when it is updated.
            with service_errors.perhaps_absent():
                client.update_port(port_id, {'port': {'binding:profile': {}}})

    def drop_inactive_binding(self, port_id: str, host: str) -> None:
        """Forget that the port was to come to ``host``, unless it has."""
        with neutron_errors(f'the binding of port {port_id} on {host}'):
            binding.drop_inactive(self._client(), port_id, host)

    def _client(self) -> 'neutron.ClientWrapper':
        return limited.neutron_of(self._context)

    def _find(self, client: 'neutron.ClientWrapper', instance_uuid: str
              ) -> dict[str, Any] | None:
        """Any user may give a port on a network of his own this name; only
        one on the management network is meant."""
        by_network = {port['network_id']: port
                      for port in reversed(self._all(client, instance_uuid))}
        if self._network_id is None or (
                by_network and self._network_id not in by_network):
            # It may have been made anew under its name.
            self._network_id = self._network.find(client)['id']
        return by_network.get(self._network_id)

    @staticmethod
    def _all(client: 'neutron.ClientWrapper', instance_uuid: str
             ) -> list[dict[str, Any]]:
        ports: list[dict[str, Any]] = client.list_ports(
            device_id=device_id(instance_uuid),
            device_owner=address_module.DEVICE_OWNER)['ports']
        return ports

    @staticmethod
    def _ports_on(client: 'neutron.ClientWrapper', host: str
                  ) -> list[dict[str, Any]]:
        return [port for port in client.list_ports(**{
            'device_owner': address_module.DEVICE_OWNER,
            'binding:host_id': host})['ports']
            if port['binding:host_id'] == host
            and instance_of(port) is not None]

    def _mend_if_possible(self, client: 'neutron.ClientWrapper',
                          port: dict[str, Any], network: dict[str, Any],
                          mark: str | None) -> None:
        """Its pair does not wait for what can be done later."""
        try:
            self._security.mend(client, port, network)
        except (*service_errors.NEUTRON, exception.DMoreError) as error:
            LOG.warning('Port %(id)s of a Domain R keeps the security groups '
                        'that it has: %(error)s',
                        {'id': port['id'], 'error': error})
        if mark is not None:
            key_mark.write(client, port, mark)

    def _create(self, client: 'neutron.ClientWrapper', instance_uuid: str,
                host: str, like: Address | None, mark: str
                ) -> dict[str, Any]:
        network = self._network.find(client)
        port = {
            'network_id': network['id'],
            'name': device_id(instance_uuid),
            'device_id': device_id(instance_uuid),
            'device_owner': address_module.DEVICE_OWNER,
            'admin_state_up': True,
            'binding:host_id': host,
            'description': mark,
        }
        if network.get('dns_domain'):
            # Where users find a console whose address nobody tells them.
            port['dns_name'] = device_id(instance_uuid)
        wanted: list[dict[str, Any]] = [{}]
        if like is not None and like.network_id == network['id']:
            # Somebody else may have them by now.
            address = {'fixed_ips': [{'ip_address': like.ip}]}
            wanted = [{**address, 'mac_address': like.mac}, address, {}]
        try:
            return new_port.create(
                client, self._security, network,
                [{**port, **fields} for fields in wanted])
        except neutron_exceptions.OverQuotaClient as error:
            raise exception.AddressError(
                'the quota of ports of the project of [neutron] is used up, '
                'each Domain R needs one; raise it ("openstack quota set '
                f'--ports N PROJECT"): {error}') from error
        except neutron_exceptions.NeutronClientException as error:
            raise exception.AddressError(
                f'[dmore] management_network: {self._network.name!r} gives '
                f'Domain R no port: {error}') from error

    def _move(self, client: 'neutron.ClientWrapper', port: dict[str, Any],
              host: str) -> dict[str, Any]:
        """Bind a port to another host, on which it may have a binding that a
        migration left inactive."""
        binding.activate(client, port['id'], host)
        moved: dict[str, Any] = client.show_port(port['id'])['port']
        return moved
