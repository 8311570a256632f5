# SPDX-License-Identifier: Apache-2.0
"""The network on which each Domain R gets its port; used by
:mod:`nova_dmore.virt.network.address_book`."""

from typing import Any, TYPE_CHECKING

from nova_dmore import exception
if TYPE_CHECKING:
    from nova.network import neutron


class ManagementNetwork:
    """``[dmore] management_network``.

    :param name: of the network, or its id; None: it is not set.
    """

    def __init__(self, name: str | None) -> None:
        self.name = name

    def check_named(self) -> None:
        """:raises nova_dmore.exception.ConfigurationError: it is not set."""
        if not self.name:
            raise exception.ConfigurationError(
                '[dmore] management_network is not set; name the Neutron '
                'network on which each Domain R gets its port')

    def find(self, client: 'neutron.ClientWrapper') -> dict[str, Any]:
        """The network, as Neutron has it.

        :param client: a client of Neutron; what that raises is raised.
        :raises nova_dmore.exception.ConfigurationError: there is none, or
            several have the name.
        """
        self.check_named()
        for key in ('name', 'id'):
            networks = client.list_networks(**{key: self.name})['networks']
            if len(networks) == 1:
                network: dict[str, Any] = networks[0]
                return network
            if networks:
                raise exception.ConfigurationError(
                    f'[dmore] management_network: {len(networks)} networks '
                    f'are named {self.name!r}; give the id')
        raise exception.ConfigurationError(
            f'[dmore] management_network: Neutron has no network '
            f'{self.name!r}; make it, or name another one')
