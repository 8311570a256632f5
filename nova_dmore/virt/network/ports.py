# SPDX-License-Identifier: Apache-2.0
"""The ports of the Domain Rs of all hosts."""

import dataclasses
from typing import TYPE_CHECKING

from oslo_utils import uuidutils

from nova_dmore.virt import limited
from nova_dmore.virt.network import address
if TYPE_CHECKING:
    from nova import context as nova_context


@dataclasses.dataclass(frozen=True)
class BoundPort:
    """A Domain R port, as it is listed."""

    instance_uuid: str
    port_id: str
    #: That it is bound to; empty: none.
    host: str
    ip: str | None


def of_all_hosts(context: 'nova_context.RequestContext') -> list[BoundPort]:
    """All of them; also what users have named like one.

    :param context: an admin ``RequestContext``.
    :raises nova_dmore.exception.AddressError: Neutron does not tell.
    """
    with address.neutron_errors('the ports of all hosts'):
        ports = limited.neutron_of(context).list_ports(
            device_owner=address.DEVICE_OWNER)['ports']
    prefix = address.device_id('')
    found = []
    for port in ports:
        uuid = port['device_id'].removeprefix(prefix)
        if (port['device_id'].startswith(prefix)
                and uuidutils.is_uuid_like(uuid)):
            addresses = [each['ip_address'] for each in port['fixed_ips']]
            found.append(BoundPort(
                uuid, port['id'], port.get('binding:host_id') or '',
                addresses[0] if addresses else None))
    return found
