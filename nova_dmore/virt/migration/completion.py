# SPDX-License-Identifier: Apache-2.0
"""The end of a co-migration at the source: the instance has left.

Called by :mod:`nova_dmore.virt.migration.source` when the instance's migration
has succeeded; :mod:`nova_dmore.virt.migration.rollback` is called in its place
when that has failed. The destination answers in ``DestinationRole.finish``.
After it nothing of the pair is left on this host.
"""

import threading
from typing import TYPE_CHECKING

from oslo_log import log as logging

from nova_dmore.virt.migration import phases
from nova_dmore.virt.migration.phases import Phase
from nova_dmore.virt.migration import plain_destination
from nova_dmore.virt.migration import services as services_module
from nova_dmore.virt.pair import record as record_module
if TYPE_CHECKING:
    from nova import context as nova_context

LOG = logging.getLogger(__name__)

#: Longest wait for the end of Nova's live migration, in seconds.
_NOVA_END_S = 10.0


class Completion:
    """The end of one co-migration; made and run when the instance has left.

    :param co_migration: a :class:`phases.CoMigration`.
    :param record: of the pair.
    :param stay: its stay here, which ends; see
        :meth:`nova_dmore.virt.pair.known.KnownPairs.stay`.
    :param nova_ended: set when Nova's live migration has ended.
    """

    def __init__(self, services: services_module.Services,
                 context: 'nova_context.RequestContext',
                 co_migration: phases.CoMigration,
                 record: record_module.PairRecord, stay: int,
                 nova_ended: threading.Event) -> None:
        self._services = services
        self._context = context
        self._co_migration = co_migration
        self._record = record
        self._stay = stay
        self._uuid = record.instance_uuid
        self._nova_ended = nova_ended

    def run(self, domain_r_moved: bool, console_log: str | None) -> None:
        """Have the pair belong to the destination, and nothing left here.

        :param domain_r_moved: False: the destination builds a new Domain R.
        :param console_log: see
            :mod:`nova_dmore.virt.migration.console_log`.
        """
        with self._co_migration.step(
                'Reporting the gaps that the source knows'):
            self._services.watch.collect_gaps(self._uuid)
        with self._co_migration.step('Telling the destination'):
            if self._co_migration.is_plain_there:
                plain_destination.arrived(
                    self._context, self._services.reporter, self._uuid)
            else:
                self._services.destination.finish(
                    self._context, self._co_migration.host,
                    self._co_migration.migration_id,
                    record_module.to_other_host(self._record), domain_r_moved,
                    console_log)
        self._co_migration.enter(Phase.DONE)
        # Whatever the destination answers: the instance is no longer here,
        # and no Domain R may be built for it here.
        self._remove_pair()

    def _remove_pair(self) -> None:
        """Remove the pair's part here, unless the pair is on its way back
        already, or is back: Nova ends a live migration, and begins the next
        one, without waiting for us.

        Neutron's agents use the binding at the destination only when there is
        none here any more, so that goes at once. The rest would share the
        cores with Nova's own work, and can wait until that is done.

        :raises nova_dmore.exception.DMoreError: the watch removes what is
            left.
        """
        pairs = self._services.pairs
        with pairs.locked(self._uuid):
            if not self._is_here():
                return
            pairs.addresses.delete_binding(
                self._record.address.port_id, pairs.host)
        self._nova_ended.wait(_NOVA_END_S)
        with pairs.locked(self._uuid):
            if self._is_here():
                pairs.remove(self._uuid, delete_address=False)

    def _is_here(self) -> bool:
        """Whether what has left is still here; what has come back is not."""
        pairs = self._services.pairs
        if pairs.get(self._uuid) is None:
            return False
        if pairs.stay(self._uuid) != self._stay:
            LOG.info('The pair has come back, or is on its way',
                     instance=self._co_migration.instance)
            return False
        return True
