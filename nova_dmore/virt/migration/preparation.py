# SPDX-License-Identifier: Apache-2.0
"""The destination prepares what the pair of an instance needs here.

Used by :mod:`nova_dmore.virt.migration.destination` when the source calls
*prepare*. Part of it may have been made before
(:mod:`nova_dmore.virt.migration.early_preparation`).
"""

import contextlib
import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

from oslo_log import log as logging

from nova_dmore.channel import text
from nova_dmore import exception
from nova_dmore import places
from nova_dmore.virt.migration import arrivals as arrivals_module
from nova_dmore.virt.migration import early_preparation
from nova_dmore.virt.pair import record as record_module
from nova_dmore.virt import where
if TYPE_CHECKING:
    import libvirt

    from nova_dmore.virt.network import address as address_module
    from nova_dmore.virt.pair import incoming

LOG = logging.getLogger(__name__)


class Preparations:
    """What is prepared on one host.

    :param pairs: a :class:`nova_dmore.virt.pair.incoming.IncomingPairs`.
    :param connect: returns Nova's ``libvirt.virConnect``.
    :param arrivals: it is noted there what was prepared.
    :param early: what was made before.
    """

    def __init__(self, pairs: 'incoming.IncomingPairs',
                 connect: 'Callable[[], libvirt.virConnect]',
                 arrivals: arrivals_module.Arrivals,
                 early: early_preparation.EarlyPreparations) -> None:
        self._pairs = pairs
        self._connect = connect
        self._arrivals = arrivals
        self._early = early

    def prepare(self, migration_id: str, record: record_module.PairRecord
                ) -> places.Layout:
        """See :meth:`nova_dmore.virt.migration.destination.DestinationRole.
        prepare`.

        :param record: the pair's, as the source has it.
        """
        uuid, pairs = record.instance_uuid, self._pairs
        if self._arrivals.prepared.get(uuid) == migration_id:
            return self._layout(uuid)
        here = where.find(self._connect(), uuid)
        if here is where.Here.RUNNING:
            # The call comes late: the pair that is here belongs to this host.
            raise exception.PairError('the instance runs here')
        # The source may stop to wait for this call at any time, and migrate
        # the instance alone.
        if pairs.impossible is not None:
            return _without_consoles(uuid, pairs.impossible)
        try:
            pairs.shadows.start(uuid, arrives=True)
        except exception.HostServiceError as error:
            return _without_consoles(uuid, error)
        prepared_early = self._early.take(uuid)
        if prepared_early is None:
            self._remove_stale(uuid, migration_id)
        with contextlib.ExitStack() as undo:
            undo.callback(self._undo_prepare, record, migration_id)
            # With another secret Domain R would have another SSH host key,
            # which its clients have to refuse.
            pairs.secrets.check(record.secret_id)
            pairs.images.ensure(record.digest)
            if prepared_early is None:
                address = self._bind(record)
                self._early.announce(uuid, address.port_id)
            else:
                address = self._as_there(record, prepared_early.address)
            with pairs.locked(uuid):
                if self._arrivals.is_over(migration_id):
                    raise exception.PairError(
                        f'migration {migration_id} is over')
                pairs.start_incoming(dataclasses.replace(
                    record, address=address, incoming=True), migration_id)
                self._arrivals.prepared[uuid] = migration_id
            undo.pop_all()
        return self._layout(uuid)

    def _layout(self, uuid: str) -> places.Layout:
        """The newest that what was prepared here knows: the host service may
        have been started before an upgrade."""
        return (places.NEWEST if self._pairs.shadows.knows_large_regions(uuid)
                else places.Layout.DOMAIN_DIRECTORIES)

    def _bind(self, record: record_module.PairRecord
              ) -> 'address_module.Address':
        """Domain R's address with a binding to this host.

        Of the address in the source's record only the port is used, and which
        of the port's addresses it is. Neutron says how it is plugged, and that
        it is the port of this pair.
        """
        addresses = self._pairs.addresses
        return addresses.add_binding(addresses.of_port(
            record.instance_uuid, record.address.port_id, record.address.ip),
            self._pairs.host)

    def _as_there(self, record: record_module.PairRecord,
                  early: 'address_module.Address') -> 'address_module.Address':
        """The address that was prepared early, as Domain R has it at the
        source: it goes on there, and the port may have another one, too."""
        if early.ip == record.address.ip:
            return early
        found = self._pairs.addresses.of_port(
            record.instance_uuid, early.port_id, record.address.ip)
        return dataclasses.replace(
            early, interface=found.interface, gateway=found.gateway)

    def _remove_stale(self, uuid: str, migration_id: str) -> None:
        """Remove what an earlier migration left here, whose source did not end
        it."""
        pairs = self._pairs
        with pairs.locked(uuid):
            if (pairs.get(uuid) is not None
                    and not self._arrivals.is_over(migration_id)):
                LOG.warning('Removing a stale pair of instance %s', uuid)
                pairs.remove(uuid, delete_address=False)
                pairs.shadows.start(uuid, arrives=True)

    def _undo_prepare(self, record: record_module.PairRecord,
                      migration_id: str) -> None:
        """Undo what was prepared; the instance arrives without its pair."""
        uuid, pairs = record.instance_uuid, self._pairs
        with pairs.locked(uuid):
            if self._arrivals.is_over(migration_id):
                # The instance has arrived, and the pair that is here is its
                # new one; or it stays where it was.
                if pairs.get(uuid) is None:
                    pairs.remove(uuid, delete_address=False)
                return
            self._arrivals.alone[uuid] = migration_id
            with contextlib.ExitStack() as afterwards:
                afterwards.callback(pairs.await_alone, record)
                pairs.give_back(uuid)


def _without_consoles(instance_uuid: str, why: Exception | str
                      ) -> places.Layout:
    LOG.warning('Instance %s arrives without its consoles: %s',
                instance_uuid, text.printable(why))
    return places.Layout.STOCK
