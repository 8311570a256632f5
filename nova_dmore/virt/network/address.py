# SPDX-License-Identifier: Apache-2.0
"""Domain R's address, and which of Neutron's ports is one of a Domain R's.

Of use to all of nova-compute that meets such a port; it is made, bound and
deleted by :mod:`nova_dmore.virt.network.address_book`.

The port's ``device_id`` is no uuid on purpose: Nova takes every port whose
``device_id`` is an instance's uuid for a port of that instance, and Neutron
sends Nova events about it.
"""

import contextlib
import dataclasses
import ipaddress
import uuid
from collections.abc import Iterator
from typing import Any, TYPE_CHECKING

from nova_dmore import exception
from nova_dmore.virt import service_errors
if TYPE_CHECKING:
    from nova.network import neutron

#: ``compute:`` makes Neutron's agents treat a migration of the port as that
#: of an instance's port.
DEVICE_OWNER = 'compute:dmore'
_DEVICE_PREFIX = 'domr-'


@dataclasses.dataclass(frozen=True)
class Address:
    """A Domain R port, and how the host that it is bound to plugs it."""

    port_id: str
    network_id: str
    mac: str
    #: Interface address, for instance ``10.0.0.5/24``.
    interface: str
    gateway: str | None
    mtu: int
    vif_type: str
    vif_details: dict[str, Any]

    @property
    def ip(self) -> str:
        """The address alone."""
        return str(ipaddress.ip_interface(self.interface).ip)


def device_id(instance_uuid: str) -> str:
    """The ``device_id`` of an instance's Domain R port."""
    return _DEVICE_PREFIX + instance_uuid


def instance_of(port: dict[str, Any]) -> str | None:
    """The uuid of the instance of a Domain R's port, as Neutron lists it.

    :returns: None if it is none. Users may write any text there.
    """
    named: str = port['device_id']
    text = named.removeprefix(_DEVICE_PREFIX)
    try:
        return text if device_id(str(uuid.UUID(text))) == named else None
    except ValueError:
        return None


def of_port(client: 'neutron.ClientWrapper', port: dict[str, Any],
            network: dict[str, Any] | None = None, ip: str | None = None
            ) -> Address:
    """The address that a port gives to its Domain R.

    :param port: as Neutron has it, and which host it is bound to.
    :param network: the port's, if it is at hand.
    :param ip: which of its addresses it is, if it has this one: Neutron
        gives a port another one when a subnet is added whose addresses
        are made by the hosts themselves (SLAAC), and sorts them as text.
    :raises nova_dmore.exception.AddressError: it has none.
    """
    if not port['fixed_ips']:
        raise exception.AddressError(
            f'port {port["id"]} has no address; the network of [dmore] '
            'management_network needs a subnet with free addresses')
    fixed_ip = next((each for each in port['fixed_ips']
                     if each['ip_address'] == ip), port['fixed_ips'][0])
    subnet = client.show_subnet(fixed_ip['subnet_id'])['subnet']
    if network is None:
        network = client.show_network(port['network_id'])['network']
    prefix = ipaddress.ip_network(subnet['cidr']).prefixlen
    return Address(
        port_id=port['id'], network_id=port['network_id'],
        mac=port['mac_address'],
        interface=f'{fixed_ip["ip_address"]}/{prefix}',
        gateway=subnet.get('gateway_ip'), mtu=network.get('mtu') or 1500,
        vif_type=port['binding:vif_type'],
        vif_details=port['binding:vif_details'])


@contextlib.contextmanager
def neutron_errors(what: str) -> Iterator[None]:
    """Turn errors of Neutron's client and of Nova's into AddressError."""
    try:
        yield
    except service_errors.NEUTRON as error:
        kind = (exception.NeutronAwayError if service_errors.is_away(error)
                else exception.AddressError)
        raise kind(f'{what}: Neutron says: {error}') from error
