# SPDX-License-Identifier: Apache-2.0
"""Makes pairs agree again with where their instances are.

When a nova-compute ends, or a call between two of them is lost, in the middle
of a migration, libvirt and Nova still know where the instance is; its pair
follows. Called by :mod:`nova_dmore.virt.care.watch` for every pair that no
role of this process is moving. The address is deleted only if Nova has no such
instance any more.
"""

import dataclasses
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import libvirt
from nova import exception as nova_exception
from oslo_log import log as logging

from nova_dmore.channel import text
from nova_dmore import exception
from nova_dmore.virt import service_errors
from nova_dmore.virt import where
from nova_dmore import wire
if TYPE_CHECKING:
    from nova import context as nova_context

    from nova_dmore.virt.care import reporter as reporter_module
    from nova_dmore.virt.pair import incoming
    from nova_dmore.virt.pair import record as record_module

LOG = logging.getLogger(__name__)

#: How long a role on the other host may take to say itself what became of a
#: pair, in seconds: it waits for threads, and for RPC calls.
PATIENCE_S = 60.0
#: How often is asked about an instance that is not here, in seconds: whether
#: it still migrates, or where its address is. Its Domain R may run here, and
#: a new one on the other host.
ASK_S = 20.0
#: Seconds after which no other host takes the address of an instance that is
#: stopped here: if one were to, it would have done so by then.
_SURE_S = PATIENCE_S + 2 * ASK_S


class Reconciler:
    """Reconciles the pairs of one host with where their instances are.

    :param pairs:
        an :class:`nova_dmore.virt.pair.incoming.IncomingPairs`.
    :param reporter: a :class:`nova_dmore.virt.care.reporter.Reporter`.
    :param context: an admin ``RequestContext``.
    :param connect: returns Nova's ``libvirt.virConnect``.
    :param locate: :func:`nova_dmore.virt.where.host_in_nova`.
    :param is_migrating:
        :func:`nova_dmore.virt.where.is_live_migrating`.
    """

    def __init__(
            self, pairs: 'incoming.IncomingPairs',
            reporter: 'reporter_module.Reporter',
            context: 'nova_context.RequestContext',
            connect: Callable[[], libvirt.virConnect],
            locate: 'Callable[[nova_context.RequestContext, str], str | None]',
            is_migrating: 'Callable[[nova_context.RequestContext, str], bool]'
    ) -> None:
        self._pairs = pairs
        self._reporter = reporter
        self._context = context
        self._connect = connect
        self._locate = locate
        self._is_migrating = is_migrating
        #: When (CLOCK_MONOTONIC) Nova is asked next.
        self._ask_at: dict[str, float] = {}
        #: Since when (CLOCK_MONOTONIC) the instance is where it is.
        self._since: dict[str, tuple[where.Here, float]] = {}
        #: Pairs of which no migration is left over from an earlier process.
        self._reconciled: set[str] = set()

    def is_reconciled(self, record: 'record_module.PairRecord') -> bool:
        """Whether a pair belongs to this host, with its instance, and no
        migration of that is left over. A migration that is under way has its
        roles.

        No more is asked each time of a pair that is well: libvirt may make
        a question about jobs wait.

        :raises nova_dmore.exception.DMoreError: libvirt does not say.
        """
        uuid = record.instance_uuid
        if (uuid not in self._reconciled or record.incoming or
                where.look_up(self._connect_to_libvirt(), uuid) is None):
            return False
        self._since.pop(uuid, None)
        return True

    def has_stock_consoles(self, instance_uuid: str) -> bool:
        """See :func:`nova_dmore.virt.where.has_stock_consoles`."""
        return where.has_stock_consoles(
            self._connect_to_libvirt(), instance_uuid)

    def _connect_to_libvirt(self) -> libvirt.virConnect:
        try:
            return self._connect()
        except nova_exception.HypervisorUnavailable as error:
            raise exception.PairError(str(error)) from error

    def reconcile(self, record: 'record_module.PairRecord') -> bool:
        """Do what is due for a pair; the caller has locked it.

        :returns: whether the pair belongs to this host, and no migration of
            its instance is under way. False, and nothing is built, where
            libvirt does not know the instance: it may be about to be defined
            again.
        :raises nova_dmore.exception.DMoreError: try again later.
        """
        uuid = record.instance_uuid
        if self.is_reconciled(record):
            return True
        connection = self._connect_to_libvirt()
        here = where.find(connection, uuid)
        waited = self._waited(uuid, here)
        if record.incoming:
            return self._reconcile_incoming(record, here, waited)
        if here is not where.Here.RUNNING and self._is_due(uuid, waited):
            if self._left(record):
                return False
            if here is where.Here.ABSENT:
                self._leave(record, waited)
        if here in (where.Here.ABSENT, where.Here.MOVING):
            return False
        if self._end_outgoing(uuid) and (here is where.Here.RUNNING
                                         or waited >= _SURE_S):
            self._reconciled.add(uuid)
        return True

    def sweep(self) -> None:
        """Delete the addresses on this host that nobody needs any more, and
        the logs of Domain Rs whose instances are no more.

        Nova deletes an instance that is on no host (shelved) or whose host
        does not answer without asking a driver, and that of another host it
        asks alone. Only ports that are bound to this host are deleted: a user
        may have named one of his own after an instance of another cell, of
        which this one's database knows nothing.

        :raises nova_dmore.exception.DMoreError: try again later.
        """
        for uuid in self._pairs.addresses.instances_on(self._pairs.host):
            if self._pairs.get(uuid) is None and self._host(uuid) is None:
                LOG.info('Deleting the port of the Domain R of instance %s, '
                         'which is no more', uuid)
                self._pairs.remove_kernel_log(uuid)
                with service_errors.one_of_many():
                    self._pairs.addresses.delete(uuid, self._pairs.host)
        for uuid in self._pairs.kernel_logs():
            if self._pairs.get(uuid) is None and self._host(uuid) is None:
                self._pairs.remove_kernel_log(uuid)

    def forget(self, instance_uuid: str) -> None:
        """A role takes the pair over; what was seen counts no more."""
        self._since.pop(instance_uuid, None)
        self._ask_at.pop(instance_uuid, None)
        self._reconciled.discard(instance_uuid)

    def _waited(self, uuid: str, here: where.Here) -> float:
        now = time.monotonic()
        before, since = self._since.get(uuid, (None, now))
        if here is not before:
            since = now
            self._since[uuid] = here, since
        return now - since

    # -- a destination ------------------------------------------------------

    def _reconcile_incoming(self, record: 'record_module.PairRecord',
                            here: where.Here, waited: float) -> bool:
        uuid = record.instance_uuid
        if (here in (where.Here.RUNNING, where.Here.AT_REST)
                and self.has_stock_consoles(uuid)):
            LOG.info('Instance %s has arrived with the stock consoles', uuid)
            self._give_up(record)
        elif here is where.Here.RUNNING:
            if all(self._pairs.is_alive(uuid)) and self._domain_r_came(uuid):
                self._adopt(record)
                return True
            if waited >= PATIENCE_S:
                self._rebuild(record)
                return True
        elif here is where.Here.AT_REST:
            # An instance that was paused arrives like this; or it was stopped
            # after it had arrived. Only Nova can tell that it does not go back
            # to the source.
            if waited >= PATIENCE_S and self._host(uuid) == self._pairs.host:
                if all(self._pairs.is_alive(uuid)) and self._domain_r_came(
                        uuid):
                    self._adopt(record)
                else:
                    self._rebuild(record)
                return True
        elif here is where.Here.ABSENT and self._is_given_up(uuid, waited):
            LOG.warning('Instance %s did not arrive: removing what was '
                        'prepared for its console', uuid)
            self._give_up(record)
        return False

    def _give_up(self, record: 'record_module.PairRecord') -> None:
        self._pairs.addresses.delete_binding(
            record.address.port_id, self._pairs.host)
        self._remove(record, delete_address=False)

    def _is_given_up(self, uuid: str, waited: float) -> bool:
        """Whether an instance that is not here does not migrate any more."""
        return (self._is_due(uuid, waited)
                and not self._is_migrating(self._context, uuid))

    def _is_due(self, uuid: str, waited: float) -> bool:
        """Whether it is time to ask again."""
        now = time.monotonic()
        if waited < ASK_S or now < self._ask_at.get(uuid, now):
            return False
        self._ask_at[uuid] = now + ASK_S
        return True

    def _domain_r_came(self, uuid: str) -> bool:
        """Whether all of it is here: it is paused until it is let run."""
        return self._pairs.client(uuid).status().domain_r.status in (
            'running', 'paused')

    def _adopt(self, record: 'record_module.PairRecord') -> None:
        uuid = record.instance_uuid
        LOG.info('Instance %s arrived with its Domain R', uuid)
        self._pairs.arrived(uuid)

    def _rebuild(self, record: 'record_module.PairRecord') -> None:
        # The source may not have come to saying it.
        display = where.has_display(self._connect(), record.instance_uuid)
        self._pairs.take_over(dataclasses.replace(record, display=display))
        self._reporter.rebuilt(
            self._context, record.instance_uuid,
            'Domain R did not follow its instance in a live migration that '
            'was cut off')

    # -- a source, or a host that was evacuated -----------------------------

    def _left(self, record: 'record_module.PairRecord') -> bool:
        """Remove a pair whose address another host has; whether it was.

        Nova need not know that the instance has moved: its database is wrong
        for good when the source's nova-compute ended in a migration. But the
        host where it runs has taken the address for the Domain R there.

        That Neutron does not know the port tells nothing: somebody may have
        deleted it, and a Neutron that has just started knows none for a moment
        (:mod:`nova_dmore.virt.care.lost_ports`). An instance that is paused
        would lose its console until it is started anew.
        """
        addresses, port_id = self._pairs.addresses, record.address.port_id
        host = addresses.host_of(port_id)
        if host is None:
            host = self._host(record.instance_uuid)
        if host in ('', self._pairs.host):
            return False
        LOG.warning('The console of instance %s is on another host: removing '
                    'its Domain R here', record.instance_uuid)
        # Without its record nobody would try that again.
        addresses.delete_binding(port_id, self._pairs.host)
        self._remove(record, delete_address=False)
        return True

    def _leave(self, record: 'record_module.PairRecord', waited: float
               ) -> None:
        """Remove the pair of an instance that, as Nova says, is on another
        host, or is no more."""
        uuid = record.instance_uuid
        if waited < PATIENCE_S:
            return
        host = self._host(uuid)
        if host != self._pairs.host:
            LOG.warning('Instance %s is no longer on this host: removing its '
                        'Domain R', uuid)
            self._remove(record, delete_address=host is None)

    def _host(self, uuid: str) -> str | None:
        """Where the instance is; None when there is none any more."""
        # Not asked again before it was waited again.
        self.forget(uuid)
        return self._locate(self._context, uuid)

    def _remove(self, record: 'record_module.PairRecord', delete_address: bool
                ) -> None:
        self.forget(record.instance_uuid)
        self._pairs.remove(record.instance_uuid,
                           delete_address=delete_address)

    def _end_outgoing(self, uuid: str) -> bool:
        """The instance stayed: end what was begun with its Domain R.

        :returns: whether nothing is left over.
        """
        domain = self._pairs.domain(uuid).find()
        client = self._pairs.client(uuid)
        if client.is_gone():
            return True     # it is built anew anyway
        status = client.status()
        if domain is None:
            # So is Domain R. One that has left does not come back, and of a
            # paused instance nothing passes while its process waits for it.
            if status.state is not wire.PairState.INCOMING:
                self._disarm(uuid, status)
            return True
        if status.state is wire.PairState.INCOMING:
            # It has just arrived, and may wait for what the source carries
            # over; or nobody could tell its process that it belongs here.
            if status.domain_r.status == 'paused':
                self._pairs.adopt(uuid)
            return False
        try:
            if where.has_job(domain):
                LOG.info('Cancelling a left-over migration of the Domain R '
                         'of instance %s', uuid)
                domain.abortJob()
            elif status.domain_r.status == 'paused':
                # It was stopped when its migration had failed already. The
                # rest can be ended when it runs.
                domain.resume()
                return False
        except libvirt.libvirtError as error:
            LOG.debug('Left over of the Domain R of instance %s: %s', uuid,
                      text.printable(error))
        self._disarm(uuid, status)
        if status.domain_r.status == 'running':
            client.hold(False)
        return True

    def _disarm(self, uuid: str, status: wire.Status) -> None:
        if status.migration_id is not None:
            self._pairs.client(uuid).arm(
                status.migration_id, wire.Role.SOURCE, on=False)
            # A paused instance does not tell that it stays.
            self._pairs.adopt(uuid)
