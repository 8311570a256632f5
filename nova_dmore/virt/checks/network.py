# SPDX-License-Identifier: Apache-2.0
"""Checks of the management network: what Neutron says is checked here.

``table.py`` asks Neutron.
"""

import ipaddress
from collections.abc import Iterable
from typing import Any, TYPE_CHECKING

from nova_dmore.virt.checks import result
from nova_dmore.virt.config import config_message
from nova_dmore.virt.network import ports
if TYPE_CHECKING:
    from oslo_config import cfg

#: So many ports should be left, or a tenth of those that there are.
_LEFT_MIN = 10


def port_security(network: dict[str, Any]) -> result.Result:
    """Whether a network has port security.

    Where Neutron knows no ``port_security_enabled``, all ports have it.

    :param network: the management network, as Neutron has it.
    """
    if network.get('port_security_enabled') is not False:
        return result.GOOD
    return result.warning(
        f'port security of network {network.get("name")} '
        f'({network["id"]}), which is [dmore] management_network, is '
        'switched off: nothing but Domain R itself decides who may '
        'connect to it, and nothing keeps a Domain R that was broken '
        'into from using the addresses of others; "openstack network set '
        f'--enable-port-security {network["id"]}" switches it on for new '
        'ports')


def quota(found: ports.Quota) -> result.Result:
    """Whether there is room for more Domain Rs.

    :param found: that of the project of nova-compute's credentials.
    """
    project_id, used, limit = found.project_id, found.used, found.limit
    if limit is None or limit - used >= max(_LEFT_MIN, used // 10):
        return result.GOOD
    text = (f'{used} of the {limit} ports of project {project_id} are used, '
            'and each Domain R needs one of them: raise the quota to the '
            'number of instances that the cloud may have ("openstack quota '
            f'set --ports N {project_id}")')
    if used < limit:
        return result.warning(text)
    return result.failure(f'No instance gets a Domain R any more: {text}')


def way_back(subnets: Iterable[dict[str, Any]], conf: 'cfg.ConfigOpts'
             ) -> result.Result:
    """Whether what Domain R answers comes to the proxies: it has a route to
    its own subnet, and to all others if that has a gateway.

    :param subnets: of the management network, as Neutron has them.
    :param conf: Nova's configuration.
    :raises nova_dmore.exception.ConfigurationError: an option names no
        network.
    """
    subnets = list(subnets)
    if not subnets:
        return result.failure(
            '[dmore] management_network has no subnet: no Domain R gets an '
            'address. Make one')
    if any(subnet.get('gateway_ip') for subnet in subnets):
        return result.GOOD
    near = [ipaddress.ip_network(subnet['cidr']) for subnet in subnets]
    far = [
        f'{option} ({network})'
        for option, served in (
            ('vnc_proxy_networks', conf.vnc.enabled),
            ('serial_proxy_networks', conf.serial_console.enabled))
        for network in config_message.networks(conf.dmore, option)
        if served and not any(
            network.version == each.version and
            network.network_address in each and
            network.broadcast_address in each for each in near)]
    if not far:
        return result.GOOD
    return result.failure(
        f'no answer of a Domain R comes to [dmore] {", ".join(far)}: no '
        'subnet of the management network has a gateway, or contains it. '
        'Give the subnet a gateway, or the hosts of the proxies an address '
        'in it')
