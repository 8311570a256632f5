# SPDX-License-Identifier: Apache-2.0
"""The bindings of a port of a Domain R to hosts; called by
:mod:`nova_dmore.virt.network.address_book`.

Each function may raise what a client of Neutron does.
"""

from typing import Any, TYPE_CHECKING

from neutronclient.common import exceptions as neutron_exceptions
from nova.network import model as network_model
from oslo_log import log as logging

from nova_dmore import exception
from nova_dmore.virt import service_errors
if TYPE_CHECKING:
    from nova.network import neutron

LOG = logging.getLogger(__name__)


def status(client: 'neutron.ClientWrapper', port_id: str, host: str
           ) -> str | None:
    """``ACTIVE`` or ``INACTIVE``; None where there is no binding."""
    with service_errors.perhaps_absent():
        found: str = client.show_port_binding(
            port_id, host)['binding']['status']
        return found
    return None


def is_bound(port: dict[str, Any]) -> bool:
    """Whether the host can have the port that it is on.

    :param port: as Neutron has it.
    """
    return port['binding:vif_type'] not in (
        network_model.VIF_TYPE_UNBOUND,
        network_model.VIF_TYPE_BINDING_FAILED)


def check_bound(port: dict[str, Any], host: str) -> None:
    """Raise AddressError if the host cannot have the port.

    :param port: as Neutron has it, bound to ``host``.
    """
    if not is_bound(port):
        raise exception.AddressError(
            f'port {port["id"]} cannot be bound on host {host}; see '
            'neutron-server\'s log and the state of the agent on that host')


def activate(client: 'neutron.ClientWrapper', port_id: str, host: str) -> None:
    """Let the port's traffic go to ``host``.

    :raises nova_dmore.exception.AddressError: it cannot be bound there.
    """
    try:
        client.activate_port_binding(port_id, host)
    except neutron_exceptions.Conflict:
        LOG.debug('Port %s is bound to %s already', port_id, host)
    except neutron_exceptions.NeutronClientException as error:
        if error.status_code != 404:
            raise
        LOG.info('Port %s has no binding on %s: it is bound anew',
                 port_id, host)
        check_bound(bind(client, port_id, host), host)


def bind(client: 'neutron.ClientWrapper', port_id: str, host: str
         ) -> dict[str, Any]:
    """Move the binding with the traffic to ``host``, where there is none yet;
    or have Neutron try again what has failed there. By itself it does not, and
    it does whenever a port is updated (_bind_port_if_needed in
    neutron/plugins/ml2/plugin.py).

    :returns: the port; see :func:`is_bound`.
    """
    port: dict[str, Any] = client.update_port(port_id, {'port': {
        'binding:host_id': host}})['port']
    return port


def drop_inactive(client: 'neutron.ClientWrapper', port_id: str, host: str
                  ) -> None:
    """Delete the binding to ``host``, unless the port's traffic goes there."""
    if status(client, port_id, host) not in (None, 'ACTIVE'):
        with service_errors.perhaps_absent():
            client.delete_port_binding(port_id, host)
