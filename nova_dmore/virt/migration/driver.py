# SPDX-License-Identifier: Apache-2.0
"""The compute driver's methods for a live migration, run by nova-compute.

They only delegate, as the others do (:mod:`nova_dmore.virt.driver`): at the
destination to :mod:`nova_dmore.virt.migration.destination`, at the source to
:mod:`nova_dmore.virt.migration.source_roles`. The docstring of each says when
Nova calls it, and they stand in that order.
"""

import functools
from collections.abc import Callable
from typing import Any, TYPE_CHECKING

from nova import context as nova_context
from nova.virt.libvirt import driver as libvirt_driver
import nova.conf

from nova_dmore.virt import boundary
from nova_dmore.virt.migration import destination
from nova_dmore.virt.migration import source_roles
from nova_dmore.virt.migration import uris
from nova_dmore.virt.pair import announcement
from nova_dmore.virt.pair import pairs
if TYPE_CHECKING:
    from nova import objects
    from nova.virt.libvirt import guest as nova_guest

CONF = nova.conf.CONF


class MigratingDriver(libvirt_driver.LibvirtDriver):
    """Nova's driver, whose live migrations take a pair along."""

    # All of them are assigned by the driver that is made of this class.
    _pairs: pairs.Pairs
    _destination: destination.DestinationRole
    _source_roles: source_roles.SourceRoles

    # -- at the destination -------------------------------------------------

    def _has_pair(self, instance: 'objects.Instance') -> bool:
        """See :func:`nova_dmore.virt.pair.announcement.has_pair`."""
        with boundary.instance_first(instance, 'Finding its Domain R'):
            return announcement.has_pair(instance, self._pairs.addresses)
        return False

    def check_can_live_migrate_destination(
            self, context: nova_context.RequestContext,
            instance: 'objects.Instance', src_compute_info: Any,
            dst_compute_info: Any, block_migration: bool = False,
            disk_over_commit: bool = False
    ) -> 'objects.LibvirtLiveMigrateData':
        """Called at a possible destination of a live migration, before
        anything is made there. If it passes, the pair's part is begun."""
        has_pair = self._has_pair(instance)
        if has_pair:
            self._destination.check_can_live_migrate_destination(
                instance, CONF.dmore.required)
        check_data = super().check_can_live_migrate_destination(
            context, instance, src_compute_info, dst_compute_info,
            block_migration, disk_over_commit)
        if has_pair:
            with boundary.instance_first(instance, 'Preparing its Domain R'):
                self._destination.check_passed(context, instance)
        return check_data

    def pre_live_migration(self, context: nova_context.RequestContext,
                           instance: 'objects.Instance',
                           block_device_info: Any, network_info: Any,
                           disk_info: Any,
                           migrate_data: 'objects.LibvirtLiveMigrateData'
                           ) -> 'objects.LibvirtLiveMigrateData':
        """Called at the destination of a live migration, before the source
        begins. What the pair needs here is made at the same time."""
        has_pair = self._has_pair(instance)
        if has_pair:
            with boundary.instance_first(instance, 'Preparing its Domain R'):
                self._destination.pre_live_migration(context, instance)
        migrate_data = super().pre_live_migration(
            context, instance, block_device_info, network_info, disk_info,
            migrate_data)
        if has_pair:
            with boundary.instance_first(instance, 'Noting its TCP port'):
                self._destination.pre_live_migration_ended(
                    instance, migrate_data)
        return migrate_data

    def post_live_migration_at_destination(
            self, context: nova_context.RequestContext,
            instance: 'objects.Instance', network_info: Any,
            block_migration: bool = False, block_device_info: Any = None
    ) -> None:
        """Called at the destination of a live migration when the instance is
        here."""
        super().post_live_migration_at_destination(
            context, instance, network_info, block_migration,
            block_device_info)
        if self._has_pair(instance):
            with boundary.instance_first(instance, 'The end of its move'):
                self._destination.post_live_migration_at_destination(
                    instance)

    # -- at the source ------------------------------------------------------

    def live_migration(self, context: nova_context.RequestContext,
                       instance: 'objects.Instance', dest: str,
                       post_method: Callable[..., None],
                       recover_method: Callable[..., None],
                       block_migration: bool = False, migrate_data: Any = None
                       ) -> Any:
        """Called at the source when a live migration begins."""
        with self._source_roles.live_migration(
                context, instance, dest, migrate_data,
                functools.partial(self._read_console_log, instance)):
            return super().live_migration(
                context, instance, dest, post_method, recover_method,
                block_migration, migrate_data)

    def _live_migration_operation(self, context: nova_context.RequestContext,
                                  instance: 'objects.Instance', dest: str,
                                  block_migration: bool, migrate_data: Any,
                                  guest: 'nova_guest.Guest', device_names: Any
                                  ) -> None:
        """Called at the source, in the thread that carries it out."""
        with self._source_roles.operation(instance, guest) as guest:
            super()._live_migration_operation(
                context, instance, dest, block_migration, migrate_data, guest,
                device_names)

    def _live_migration_monitor(
            self, context: nova_context.RequestContext,
            instance: 'objects.Instance', guest: 'nova_guest.Guest', dest: str,
            post_method: Callable[..., None],
            recover_method: Callable[..., None], block_migration: bool,
            migrate_data: Any, future: Any, disk_paths: Any) -> None:
        """Called at the source, in the thread that watches the migration."""
        with self._source_roles.monitor(instance, guest) as guest:
            super()._live_migration_monitor(
                context, instance, guest, dest, post_method, recover_method,
                block_migration, migrate_data, future, disk_paths)

    def live_migration_abort(self, instance: 'objects.Instance') -> None:
        """Called at the source when a user aborts a live migration."""
        if not self._source_roles.abort(instance):
            super().live_migration_abort(instance)

    def _uris_to(self, host: str | None, inbound_address: str | None
                 ) -> uris.MigrationURIs:
        """How Nova has a live migration go to a host."""
        return uris.MigrationURIs(
            self._live_migration_uri(inbound_address or host),
            self._migrate_uri(inbound_address) if inbound_address else None)

    def _read_console_log(self, instance: 'objects.Instance') -> bytes:
        """The end of the instance's console log, as much as Nova shows."""
        log: bytes = self._get_console_output_file(
            instance, self._get_console_log_path(instance))
        return log
