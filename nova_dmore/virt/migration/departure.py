# SPDX-License-Identifier: Apache-2.0
"""Domain R's departure from the source: begun, held, gone or taken back.

At the source. Begun by :mod:`nova_dmore.virt.migration.early_departure` while
Nova still checks and prepares, or else by
:mod:`nova_dmore.virt.migration.source` where Nova migrates the instance. From
then on ``domain_r_migration.py`` copies Domain R, and ``switch_over.py`` holds
it until the instance stops, and lets it switch over then; ``carry_over.py``
follows it.

The instance comes first: what fails here interrupts the console, and never
the instance's migration.
"""

import dataclasses
import threading
from typing import Any, TYPE_CHECKING

import libvirt
from oslo_log import log as logging

from nova_dmore.channel import text
from nova_dmore import exception
from nova_dmore import places
from nova_dmore.virt.migration import arrival
from nova_dmore.virt.migration import carry_over
from nova_dmore.virt.migration import domain_r_migration
from nova_dmore.virt.migration import job
from nova_dmore.virt.migration import phases
from nova_dmore.virt.migration.phases import Phase
from nova_dmore.virt.migration import plain_destination
from nova_dmore.virt.migration import rollback
from nova_dmore.virt.migration import services as services_module
from nova_dmore.virt.migration import switch_over
from nova_dmore.virt.migration import wire_wait
from nova_dmore.virt.pair import domain_r
from nova_dmore.virt.pair import record as record_module
from nova_dmore.virt.pair import renewable
from nova_dmore.virt.pair import xml
from nova_dmore import wire
if TYPE_CHECKING:
    from nova import context as nova_context
    from nova import objects

LOG = logging.getLogger(__name__)

#: Longest wait for the end of Domain R's migration after its instance's.
_END_S = 15.0


class Departure:
    """The departure of one Domain R, in one co-migration.

    :param destination_host: as Nova calls it.
    """

    def __init__(self, services: services_module.Services,
                 context: 'nova_context.RequestContext',
                 instance: 'objects.Instance', destination_host: str) -> None:
        self.services = services
        self._context = context
        self._instance = instance
        self._uuid = instance.uuid
        self._name = domain_r.name_of(instance.uuid)
        self.co_migration = phases.CoMigration(instance, destination_host)
        self._client = services.pairs.client(instance.uuid)
        #: See :meth:`nova_dmore.virt.pair.known.KnownPairs.stay`.
        self.stay = services.pairs.stay(instance.uuid)
        self._found_record = services.pairs.get(instance.uuid)
        #: Set when the call that migrates the instance has returned.
        self.instance_ended = threading.Event()
        #: The instance's own job, None: Domain R does not leave.
        self.instance_job: job.Job | None = None
        #: Where a destination with the plug-in has not said, an instance
        #: arrives in the form that this release and the one before can do
        #: with.
        self.layout_there: int = places.Layout.FIFOS
        #: None: the destination does not say.
        self._arrival: arrival.Arrival | None = None
        self._connection: libvirt.virConnect | None = None
        self._domain_r_migration: (
            domain_r_migration.DomainRMigration | None) = None
        self._switch_over: switch_over.SwitchOver | None = None
        self._carry_over: carry_over.CarryOverPhase | None = None
        self._wire_wait: wire_wait.WireWait | None = None
        self._flags = 0     # of Domain R's migration
        #: Whether Domain R runs there only when its instance does.
        self._arrives_paused = False

    @property
    def record(self) -> record_module.PairRecord:
        """The record of the pair."""
        assert self._found_record is not None   # the driver has checked
        return self._found_record

    @property
    def has_begun(self) -> bool:
        """Whether :meth:`begin` was called."""
        return self.co_migration.phase != Phase.IDLE

    # -- phases begin and pre-copy ------------------------------------------

    def begin(self, destination: str, arguments: dict[str, Any]) -> None:
        """Have the destination prepare for the pair, and begin to copy Domain
        R's memory. The instance's own pre-copy may begin when this has
        returned. If Domain R cannot leave, the phase is ALONE.

        :param destination: libvirt URI of the destination.
        :param arguments: of Nova's ``Guest.migrate``.
        """
        self.co_migration.enter(Phase.BEGIN)
        try:
            self._prepare()
            self._start_pre_copy(destination, arguments)
        except (exception.DMoreError, libvirt.libvirtError) as error:
            self.co_migration.continue_alone(
                error, self.layout_there != places.Layout.STOCK)

    def _prepare(self) -> None:
        """Have both hosts ready.

        :raises nova_dmore.exception.DMoreError: one cannot be.
        :raises libvirt.libvirtError: this one cannot be.
        """
        # First: it says in which form the instance can arrive there.
        if self._is_renewed_there():
            raise exception.PairError(
                f'it is renewed: image {self.record.digest}')
        self._ask_destination()
        if self.layout_there == places.Layout.STOCK:
            raise exception.PairError('the destination can have none now')
        if not all(self.services.pairs.is_alive(self._uuid)):
            raise exception.PairError('the pair is not alive here')
        # A destination of release 0.1 lets no paused Domain R run. Out of
        # step, it runs as soon as it has arrived.
        self._arrives_paused = (self.layout_there > places.Layout.SOCKETS
                                and self.services.synchronise)
        self._arrival = self._ask_for_arrival()
        self._connection = libvirt.open(self.services.libvirt_uri)
        if self.services.synchronise:
            self._client.arm(self.co_migration.migration_id,
                             wire.Role.SOURCE)
        self.co_migration.enter(Phase.PREPARED)

    def _is_renewed_there(self) -> bool:
        """Whether a new Domain R is made at the destination, as an operator
        has asked for, and the destination has, or can fetch, its image."""
        before = self.record
        if before.renewal != renewable.When.MIGRATION:
            return False
        try:
            newest = self.services.pairs.images.newest()
            if newest == before.digest:
                return False
            self._found_record = dataclasses.replace(
                before, digest=newest, renewal=None)
            self._ask_destination()
            return self.layout_there != places.Layout.STOCK
        except exception.NobodyThereError:
            raise
        except exception.DMoreError as error:
            LOG.info('Domain R is not renewed at %(host)s: %(why)s',
                     {'host': self.co_migration.host,
                      'why': text.printable(error)}, instance=self._instance)
            self._found_record = before
            return False

    def _ask_destination(self) -> None:
        """Have the destination prepare, and learn which form it knows.

        :raises nova_dmore.exception.DMoreError: it cannot, or is a host
            without the plug-in: no other form than STOCK starts there.
        """
        try:
            self.layout_there = self.services.destination.prepare(
                self._context, self.co_migration.host,
                self.co_migration.migration_id,
                record_module.to_other_host(self.record))
        except exception.PairError as error:
            if plain_destination.is_plain(
                    error, self.services.pairs.addresses,
                    self.record.address.port_id, self.co_migration.host):
                self.co_migration.is_plain_there = True
                self.layout_there = places.Layout.STOCK
            raise

    def _ask_for_arrival(self) -> arrival.Arrival | None:
        """How Domain R is to arrive; None: the destination does not say."""
        try:
            return self._ask_again_for_arrival()
        except exception.PairError as error:
            LOG.info('Domain R gets no processors on its way: %s',
                     text.printable(error), instance=self._instance)
            return None

    def _ask_again_for_arrival(self) -> arrival.Arrival:
        return self.services.destination.arrival(
            self._context, self.co_migration.host,
            self.co_migration.migration_id, self._uuid)

    def _start_pre_copy(self, destination: str, arguments: dict[str, Any]
                        ) -> None:
        """Begin to copy Domain R's memory, and to hold it until the instance
        stops.

        :raises nova_dmore.exception.DMoreError: it cannot leave.
        :raises libvirt.libvirtError: the same.
        """
        assert self._connection is not None     # since PREPARED
        known = self._connection.lookupByName(self._name).XMLDesc(
            libvirt.VIR_DOMAIN_XML_MIGRATABLE)
        there = xml.domain_r_for_destination(
            known, places.of_pair(self.services.pairs.records.directory(
                self._uuid)), self.layout_there,
            None if self._arrival is None else self._arrival.cpus)
        if (there.large_region
                and self.layout_there < places.Layout.LARGE_REGIONS):
            raise exception.PairError(
                'its region is larger than the release of the destination '
                'knows ([dmore] large_pictures)')
        self.co_migration.enter(Phase.PRE_COPY)
        services = self.services
        limit_mib = arguments.get('bandwidth') or 0
        holds = services.synchronise and services.hold
        parameters = {
            'bandwidth': domain_r_migration.first_bandwidth_mib(limit_mib)
            if holds else limit_mib}
        if arguments.get('migrate_uri'):
            parameters['migrate_uri'] = arguments['migrate_uri']
        self._flags = job.domain_r_flags(
            arguments.get('flags', 0), self._arrives_paused)
        parameters.update(job.parallel_connections(
            self._flags, arguments.get('parallel', 0)))
        if there.xml is not None:
            parameters['destination_xml'] = there.xml
        outgoing = job.OutgoingMigration(
            services.libvirt_uri, self._name, destination, parameters,
            self._flags)
        migration = domain_r_migration.DomainRMigration(
            self._connection, self._name, outgoing,
            services.precopy_timeout_s, services.hold_bandwidth_mib,
            limit_mib, holds, self._arrives_paused,
            wire.LARGE_REGION_SIZE if there.large_region
            else wire.REGION_SIZE)
        # As Nova finds it, by its uuid: its name may be another one than
        # [DEFAULT] instance_name_template makes now.
        self.instance_job = job.Job(
            self._connection, self._connection.lookupByUUIDString(
                self._uuid).name())
        if holds:
            self._client.hold(True)
        migration.start()
        self._domain_r_migration = migration
        if not services.synchronise:
            return
        # Phases stop and carry over.
        self._carry_over = carry_over.CarryOverPhase(
            services, self._context, self.co_migration, self.record,
            self.instance_ended)
        self._switch_over = switch_over.SwitchOver(
            self.co_migration, self._client, migration, self.instance_ended,
            self._carry_over.send, f'dmore-switch-over-{self._uuid}')
        self._switch_over.start()
        if self._arrival is not None and not self._arrival.is_wired:
            self._wire_wait = wire_wait.WireWait(
                self.co_migration,
                lambda: services.pairs.is_wired(self._uuid),
                self._ask_again_for_arrival, self.instance_ended,
                f'dmore-wire-wait-{self._uuid}')
            self._wire_wait.start()

    def is_under_way(self) -> bool:
        """Whether Domain R leaves, or has left."""
        return (self.co_migration.phase != Phase.ALONE
                and self._domain_r_migration is not None
                and not self._domain_r_migration.has_failed())

    @property
    def awaited(self) -> list[threading.Event]:
        """What the instance's stop should not come before: each is set when
        Domain R is ready in one respect, or does not leave any more. None of
        them: nothing keeps it in step with its instance."""
        return [] if self._switch_over is None else [
            self._switch_over.domain_r_copied,
            *([self._wire_wait.ended] if self._wire_wait else [])]

    def close(self) -> None:
        """The co-migration is over."""
        if self._connection is not None:
            self._connection.close()

    # -- phases live and done -----------------------------------------------

    def has_domain_r_moved(self) -> bool:
        """The instance has moved: wait for the end of Domain R's migration.

        :returns: whether it arrived.
        """
        self._wait_for_switch_over()
        if self.co_migration.phase == Phase.ALONE:
            return False
        if self.co_migration.phase == Phase.PRE_COPY:
            if not self.services.synchronise:
                self.co_migration.enter(Phase.STOP)
            else:
                assert self._switch_over is not None    # since PRE_COPY
                if not self._switch_over.switch_over():
                    return False
            # Else the stop was not noticed. Then nothing was frozen, but both
            # ends still know their offsets.
        if self.co_migration.phase == Phase.STOP:
            self.co_migration.enter(Phase.CARRY_OVER)
        assert self._domain_r_migration is not None     # since PRE_COPY
        if self._domain_r_migration.wait_for_end(_END_S):
            self.co_migration.enter(Phase.LIVE)
            return True
        self._domain_r_migration.cancel()
        self.co_migration.continue_alone(
            self._domain_r_migration.error or 'it did not arrive in time')
        return False

    def _wait_for_switch_over(self) -> None:
        """Wait until the thread that handles the stop has ended."""
        if self._switch_over is not None and self._switch_over.is_alive():
            self._switch_over.join(_END_S)

    # -- phase alone --------------------------------------------------------

    def cancel(self) -> None:
        """Domain R does not leave with its instance."""
        if self._domain_r_migration is not None:
            self._domain_r_migration.cancel()

    # -- phase aborted: rollback.py -----------------------------------------

    def roll_back(self) -> None:
        """The instance stays here: so does its Domain R."""
        self.instance_ended.set()
        self._wait_for_switch_over()
        # If it came later, it would take the port from here again.
        binding_moved = (self._carry_over is not None
                         and self._carry_over.wait_for_port(_END_S))
        domain_r_moved = False
        if self._domain_r_migration is not None:
            self._domain_r_migration.cancel()
            domain_r_moved = self._domain_r_migration.wait_for_end(0)
        self.co_migration.enter(Phase.ABORTED)
        rollback.Rollback(
            self.services, self._context, self.co_migration,
            self.record).run(self._flags, domain_r_moved, binding_moved)
