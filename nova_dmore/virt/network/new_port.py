# SPDX-License-Identifier: Apache-2.0
"""Makes a port of a Domain R; called by
:mod:`nova_dmore.virt.network.address_book`."""

from typing import Any, TYPE_CHECKING

from neutronclient.common import exceptions as neutron_exceptions
if TYPE_CHECKING:
    from nova.network import neutron

    from nova_dmore.virt.network import port_security

#: HTTP status of what Neutron refuses for what is asked of the port.
_REFUSED = (400, 403, 409)


def create(client: 'neutron.ClientWrapper',
           security: 'port_security.PortSecurity', network: dict[str, Any],
           wanted: list[dict[str, Any]]) -> dict[str, Any]:
    """The first port of some that can be had.

    :param client: a client of Neutron.
    :param security: a
        :class:`nova_dmore.virt.network.port_security.PortSecurity`.
    :param network: the ports'.
    :param wanted: fields of each, without those of its security.
    :raises neutronclient.common.exceptions.NeutronClientException: the last
        one was refused, too.
    """
    for fields in wanted[:-1]:
        try:
            return _create_secured(client, security, network, fields)
        except neutron_exceptions.NeutronClientException as error:
            if error.status_code not in _REFUSED:
                raise
    return _create_secured(client, security, network, wanted[-1])


def _create_secured(client: 'neutron.ClientWrapper',
                    security: 'port_security.PortSecurity',
                    network: dict[str, Any], port: dict[str, Any]
                    ) -> dict[str, Any]:
    """Another nova-compute may have deleted the plug-in's security group,
    since it is one too many: then there is one that stays."""
    def create_once() -> dict[str, Any]:
        made: dict[str, Any] = client.create_port({'port': {
            **port, **security.of_new_port(client, network)}})['port']
        return made
    try:
        return create_once()
    except neutron_exceptions.NeutronClientException as error:
        if error.status_code != 404 or not security.forget_group():
            raise
    return create_once()
