# SPDX-License-Identifier: Apache-2.0
"""The co-migrations from this host, as Nova's live migrations come and go.

At the source. The driver puts each of Nova's methods between the begin and the
end of one of these context managers, which make the :class:`source.SourceRole`
of an instance with a pair and tell it how far Nova is. An instance without a
pair has no role, and nothing here changes its live migration.
"""

import contextlib
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any, TYPE_CHECKING

from nova import exception as nova_exception

from nova_dmore.virt import boundary
from nova_dmore.virt.migration import abort as abort_module
from nova_dmore.virt.migration import console_log
from nova_dmore.virt.migration import guest as guest_module
from nova_dmore.virt.migration import plain_destination
from nova_dmore.virt.migration import source
if TYPE_CHECKING:
    from nova import context as nova_context
    from nova import objects
    from nova.virt.libvirt import guest as nova_guest

    from nova_dmore.virt.migration import early_departure
    from nova_dmore.virt.pair import pairs as pairs_module


class SourceRoles:
    """The source's roles of one host.

    :param pairs: a :class:`nova_dmore.virt.pair.pairs.Pairs`.
    :param early_departures: an :class:`early_departure.EarlyDepartures`.
    """

    def __init__(self, pairs: 'pairs_module.Pairs',
                 early_departures: 'early_departure.EarlyDepartures') -> None:
        self._pairs = pairs
        self._early_departures = early_departures
        #: By instance uuid.
        self._roles: dict[str, source.SourceRole] = {}
        #: Likewise; a role may have to wait before it is made.
        self._aborts: dict[str, abort_module.Abort] = {}

    @contextlib.contextmanager
    def live_migration(self, context: 'nova_context.RequestContext',
                       instance: 'objects.Instance', dest: str,
                       migrate_data: Any, read_console_log: Callable[[], bytes]
                       ) -> Iterator[None]:
        """Around Nova's ``live_migration``: has a role meanwhile.

        :param dest: the destination, as Nova calls it.
        :param migrate_data: Nova's ``LibvirtLiveMigrateData``.
        :param read_console_log: returns the end of the instance's.
        """
        if self._pairs.get(instance.uuid) is None:
            yield
            return
        abort = self._aborts[instance.uuid] = abort_module.Abort()
        with boundary.instance_first(instance, "Making the source's role"):
            shared = migrate_data.is_shared_instance_path
            self._roles[instance.uuid] = source.SourceRole(
                context, self._early_departures.take(context, instance, dest),
                lambda: (None if shared
                         else console_log.encode(read_console_log())),
                plain_destination.stock_consoles(migrate_data), abort)
        try:
            yield
        finally:
            self._aborts.pop(instance.uuid, None)
            role = self._roles.pop(instance.uuid, None)
            if role is not None:
                role.live_migration_ended()
            self._early_departures.ended(instance.uuid)

    @contextlib.contextmanager
    def operation(self, instance: 'objects.Instance',
                  guest: 'nova_guest.Guest') -> Iterator['nova_guest.Guest']:
        """Around Nova's ``_live_migration_operation`` -> the Guest for it."""
        role = self._roles.get(instance.uuid)
        abort = self._aborts.get(instance.uuid)
        if role is None and abort is not None and not abort.request():
            raise nova_exception.MigrationError(reason='it was aborted')
        try:
            yield _guest_of(role, guest)
        finally:
            if role is not None:
                role.live_migration_operation_ended()

    @contextlib.contextmanager
    def monitor(self, instance: 'objects.Instance', guest: 'nova_guest.Guest'
                ) -> Iterator['nova_guest.Guest']:
        """Around Nova's ``_live_migration_monitor`` -> the Guest for it."""
        role = self._roles.get(instance.uuid)
        try:
            yield _guest_of(role, guest)
        finally:
            if role is not None:
                role.live_migration_monitor_ended()

    def abort(self, instance: 'objects.Instance') -> bool:
        """In place of Nova's ``live_migration_abort``, where libvirt was not
        asked yet to migrate the instance: it will not be. Else Nova can abort
        when libvirt has begun with it, which is waited for.

        :returns: whether there is nothing left to be aborted.
        """
        abort = self._aborts.get(instance.uuid)
        if abort is not None and abort.abort():
            return True
        role = self._roles.get(instance.uuid)
        if role is not None:
            role.wait_for_instance_job()
        return False


def _guest_of(role: source.SourceRole | None, guest: 'nova_guest.Guest'
              ) -> 'nova_guest.Guest':
    return (guest if role is None
            else guest_module.CoMigratingGuest(guest, role))
