# SPDX-License-Identifier: Apache-2.0
"""The TCP port that Nova reserves for an instance that is to arrive.

At the destination: Nova's ``pre_live_migration`` reserves one for each serial
port of the instance, before anybody knows in which form it arrives. With its
pair it does not listen at the first of them. Nova would never release that
one: when an instance leaves or is destroyed, Nova releases the ports that its
domain names.
"""

import dataclasses
from typing import TYPE_CHECKING

from nova.console import serial as serial_console

from nova_dmore.virt.migration import plain_destination
if TYPE_CHECKING:
    from nova import objects


@dataclasses.dataclass(frozen=True)
class _Port:
    host: str
    number: int
    #: Whether Nova releases it if the migration fails.
    is_rolled_back_by_nova: bool

    def release(self) -> None:
        """Let others have it."""
        serial_console.release_port(host=self.host, port=self.number)


class ReservedPorts:
    """The reserved ports of one host; used by the destination's role."""

    def __init__(self) -> None:
        #: Of first serial ports, by instance uuid.
        self._ports: dict[str, _Port] = {}

    def note(self, instance_uuid: str,
             migrate_data: 'objects.LibvirtLiveMigrateData') -> None:
        """Nova may have reserved one for an instance that is to arrive.

        One of an earlier migration, which is noted still, belongs to an
        instance that arrived with the stock consoles, or was released.

        :param migrate_data: what Nova's ``pre_live_migration`` returned.
        """
        self._ports.pop(instance_uuid, None)
        reserved = plain_destination.stock_consoles(migrate_data).serial
        if reserved is not None:
            # As a rule Nova calls its rollback_live_migration_at_destination,
            # which releases all of them, only where a directory of the
            # instance is to be removed.
            self._ports[instance_uuid] = _Port(
                *reserved, not migrate_data.is_shared_instance_path)

    def release(self, instance_uuid: str) -> None:
        """The instance has arrived with its pair."""
        port = self._ports.pop(instance_uuid, None)
        if port is not None:
            port.release()

    def roll_back(self, instance_uuid: str) -> None:
        """The instance stays where it was."""
        port = self._ports.pop(instance_uuid, None)
        if port is not None and not port.is_rolled_back_by_nova:
            port.release()
