# SPDX-License-Identifier: Apache-2.0
"""A destination without the plug-in: the instance goes there as a stock one.

Used by :mod:`nova_dmore.virt.migration.source` before libvirt is asked, and by
``completion`` when the instance is there. Its consoles are then where Nova
would have those of a stock instance, so what such a host tells of them is
right. The port of its Domain R stays bound to the source, for a pair that the
instance has again on a host with the plug-in, or until the instance is no more
(:meth:`nova_dmore.virt.care.reconcile.Reconciler.sweep`).
"""

from typing import TYPE_CHECKING

from nova import objects
from nova.virt.libvirt import migration as libvirt_migrate

from nova_dmore import exception
from nova_dmore.virt.pair import announcement
from nova_dmore.virt.pair import host_side
if TYPE_CHECKING:
    from nova import context as nova_context

    from nova_dmore.virt.care import reporter as reporter_module
    from nova_dmore.virt.network import address_book


def stock_consoles(migrate_data: 'objects.LibvirtLiveMigrateData'
                   ) -> host_side.StockConsoles:
    """Where a stock instance would have its consoles at the destination.

    :param migrate_data: Nova's, as the source has it when the destination's
        ``pre_live_migration`` has returned.
    """
    addresses = libvirt_migrate.graphics_listen_addrs(migrate_data) or {}
    serial = None
    if ('serial_listen_ports' in migrate_data
            and migrate_data.serial_listen_ports
            and migrate_data.serial_listen_addr):
        serial = (str(migrate_data.serial_listen_addr),
                  migrate_data.serial_listen_ports[0])
    return host_side.StockConsoles(addresses.get('vnc'), serial)


def is_plain(error: exception.PairError,
             addresses: 'address_book.AddressBook', port_id: str, host: str
             ) -> bool:
    """Whether a destination that did not prepare is without the plug-in.

    :param error: what ``DestinationAPI.prepare`` raised.
    :param addresses: an
        :class:`nova_dmore.virt.network.address_book.AddressBook`.
    :param port_id: of the pair's Domain R.
    """
    if isinstance(error, exception.NoAnswerError):
        # RabbitMQ may be away. A host with the plug-in binds the port in
        # Nova's pre_live_migration, and nobody else does.
        try:
            return not addresses.has_binding(port_id, host)
        except exception.AddressError:
            return True
    return isinstance(error, exception.NobodyThereError)


def arrived(context: 'nova_context.RequestContext',
            reporter: 'reporter_module.Reporter', instance_uuid: str) -> None:
    """Report that the console was left behind, and no longer tell the user
    its address.

    :param reporter: a :class:`nova_dmore.virt.care.reporter.Reporter`.
    """
    reporter.stock(context, instance_uuid,
                   'it was migrated to a host without the plug-in')
    announcement.retract(objects.Instance.get_by_uuid(
        context, instance_uuid,
        expected_attrs=['metadata', 'system_metadata']))
