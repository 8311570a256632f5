# SPDX-License-Identifier: Apache-2.0
"""The TCP port that Nova reserves for an instance that is to arrive.

At the destination: Nova's ``pre_live_migration`` reserves one for each serial
port of the instance, before anybody knows in which form it arrives. With its
pair it does not listen at the first of them. Nova would never release that
one: when an instance leaves or is destroyed, Nova releases the ports that its
domain names.
"""

from nova.console import serial as serial_console

from nova_dmore.virt.migration import plain_destination


class ReservedPorts:
    """Those of one host; used by the destination's role."""

    def __init__(self):
        #: Address and TCP port, by instance uuid.
        self._ports: dict[str, tuple[str, int]] = {}

    def note(self, instance_uuid: str, migrate_data) -> None:
        """Remember the one of an instance's first serial port, if it has one.

        If the migration fails, Nova releases all of them in its own
        ``rollback_live_migration_at_destination``; if the instance arrives
        with the stock consoles, when it leaves. In neither case is
        :meth:`release` called, and what was remembered is of no use any more.

        :param migrate_data: what Nova's ``pre_live_migration`` returned.
        """
        self._ports.pop(instance_uuid, None)    # of an earlier migration
        port = plain_destination.stock_consoles(migrate_data).serial
        if port is not None:
            self._ports[instance_uuid] = port

    def release(self, instance_uuid: str) -> None:
        """The instance has arrived with its pair: others may have the port."""
        reserved = self._ports.pop(instance_uuid, None)
        if reserved is not None:
            host, port = reserved
            serial_console.release_port(host=host, port=port)
