# SPDX-License-Identifier: Apache-2.0
"""The ports of the Domain Rs of all hosts, and how many there may be."""

import dataclasses
from typing import TYPE_CHECKING

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


@dataclasses.dataclass(frozen=True)
class Quota:
    """The ports that a project may have."""

    project_id: str
    #: With those that are about to be made.
    used: int
    #: None: there is no limit.
    limit: int | None


def quota_of_project(context: 'nova_context.RequestContext') -> Quota | None:
    """The quota of the project of ``[neutron]``, whose the ports are; None:
    these credentials have no project.

    :param context: an admin ``RequestContext``.
    :raises nova_dmore.exception.AddressError: Neutron does not tell.
    """
    with address.neutron_errors('the quota of ports'):
        client = limited.neutron_of(context)
        project = client.httpclient.get_project_id()
        if not project:
            return None
        ports = client.show_quota_details(project)['quota']['port']
    limit = int(ports['limit'])
    return Quota(project, int(ports['used']) + int(ports.get('reserved', 0)),
                 limit if limit >= 0 else None)


def of_all_hosts(context: 'nova_context.RequestContext') -> list[BoundPort]:
    """All of them; also what users have named like one.

    :param context: an admin ``RequestContext``.
    :raises nova_dmore.exception.AddressError: Neutron does not tell.
    """
    with address.neutron_errors('the ports of all hosts'):
        ports = limited.neutron_of(context).list_ports(
            device_owner=address.DEVICE_OWNER)['ports']
    found = []
    for port in ports:
        uuid = address.instance_of(port)
        if uuid is not None:
            addresses = [each['ip_address'] for each in port['fixed_ips']]
            found.append(BoundPort(
                uuid, port['id'], port.get('binding:host_id') or '',
                addresses[0] if addresses else None))
    return found
