# SPDX-License-Identifier: Apache-2.0
"""What keeps Domain R's port apart: security groups, and no false addresses.

Port security is never switched off. A port that an earlier release made
without is given it, and its groups, when nova-compute starts, every half hour,
and when its pair is built again.
"""

from collections.abc import Iterable
from typing import Any, TYPE_CHECKING

from oslo_log import log as logging

from nova_dmore.channel import text
from nova_dmore.virt.checks import network as network_checks
from nova_dmore.virt.checks import result
from nova_dmore.virt.network import security_group
from nova_dmore.virt import service_errors
if TYPE_CHECKING:
    from nova.network import neutron

LOG = logging.getLogger(__name__)


class PortSecurity:
    """Decides about the ports of one host; may be called from any thread.

    Raises Neutron's errors, and :class:`nova_dmore.exception.DMoreError`.

    :param configured: ids (``[dmore] security_groups``).
    :param own: the group that is used if those are none.
    """

    def __init__(self, configured: list[str], own: security_group.OwnGroup
                 ) -> None:
        self._configured = configured
        self._own = own
        #: What was warned of.
        self._warned: set[str] = set()

    def check(self, client: 'neutron.ClientWrapper', network: dict[str, Any]
              ) -> None:
        """Have the group, and say once what the network cannot do.

        :param client: a client of Neutron.
        :param network: the management network.
        """
        found = network_checks.port_security(network)
        if found.text:
            self._warn(found.text)
        else:
            self._groups(client)

    def of_new_port(self, client: 'neutron.ClientWrapper',
                    network: dict[str, Any]) -> dict[str, Any]:
        """The fields with which a port is created.

        They never name ``port_security_enabled``: it is as in the network.
        """
        if _is_off(network) and not self._configured:
            return {}
        groups = self._groups(client)
        return {} if groups is None else {'security_groups': groups}

    def forget_group(self) -> bool:
        """A group was not found. Whether another one may be tried."""
        self._own.forget()
        return not self._configured

    def mend_each(self, client: 'neutron.ClientWrapper',
                  ports: Iterable[dict[str, Any]]) -> None:
        """Give ports what they lack.

        A user's port may be called as those of Domain Rs are, and be one of
        which Neutron refuses that: it keeps none of the others.
        """
        networks: dict[str, dict[str, Any]] = {}
        for port in ports:
            network_id = port['network_id']
            try:
                with service_errors.perhaps_absent():   # deleted meanwhile
                    if network_id not in networks:
                        networks[network_id] = client.show_network(
                            network_id)['network']
                    self.mend(client, port, networks[network_id])
            except service_errors.NEUTRON as error:
                if service_errors.is_away(error):
                    raise
                LOG.warning('Port %(id)s of a Domain R keeps the security '
                            'groups that it has: %(error)s',
                            {'id': port['id'], 'error': text.printable(
                                error)})

    def mend(self, client: 'neutron.ClientWrapper', port: dict[str, Any],
             network: dict[str, Any]) -> None:
        """Give a port what it lacks, all of it in one request.

        :param network: the port's.
        """
        if _is_off(network):
            return
        fields: dict[str, Any] = {}
        if port.get('port_security_enabled') is False:
            fields['port_security_enabled'] = True
        groups = self._groups(client)
        if groups is not None and (
                set(groups) != set(port.get('security_groups', ()))):
            fields['security_groups'] = groups
        if fields:
            LOG.info('Port %(id)s of a Domain R is given %(fields)s',
                     {'id': port['id'], 'fields': fields})
            client.update_port(port['id'], {'port': fields})

    def _groups(self, client: 'neutron.ClientWrapper') -> list[str] | None:
        """Ids of the groups; None where Neutron has none at all."""
        if self._configured:
            return self._configured
        group = self._own.id(client)
        if group is not None:
            return [group]
        self._warn(
            'Neutron has no security groups: nothing but Domain R itself '
            'decides who may connect to it; see enable_security_group of its '
            'configuration')
        return None

    def _warn(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            LOG.warning('Domain R: %s', text)


def _is_off(network: dict[str, Any]) -> bool:
    """Whether ports of the network are made without port security."""
    return network_checks.port_security(network) != result.GOOD
