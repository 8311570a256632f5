# SPDX-License-Identifier: Apache-2.0
"""The source's role in a co-migration, from its begin to its end.

Before it, the driver has made a :class:`SourceRole` in Nova's
``live_migration``, and :mod:`nova_dmore.virt.migration.guest` calls
:meth:`SourceRole.migrate` in Nova's thread where Nova calls
``Guest.migrate()``. After it comes
:mod:`nova_dmore.virt.migration.completion`, or
:mod:`nova_dmore.virt.migration.rollback` if the instance's migration failed.

QEMU decides when the instance stops, as in any live migration. Two threads of
ours keep Domain R in step with it. ``switch_over.py`` holds Domain R's
migration (``domain_r_migration.py``) until that stop, and lets it switch over
then; ``carry_over.py`` follows it. ``instance_pre_copy.py`` slows the end of
the instance's pre-copy for a while if Domain R is not copied yet.

The instance comes first: what fails here interrupts the console, and never
the instance's migration.
"""

import contextlib
import threading
import time

import libvirt
from oslo_log import log as logging

from nova_dmore import exception
from nova_dmore import places
from nova_dmore.virt.migration import carry_over
from nova_dmore.virt.migration import completion
from nova_dmore.virt.migration import domain_r_migration
from nova_dmore.virt.migration import instance_pre_copy
from nova_dmore.virt.migration import job
from nova_dmore.virt.migration import phases
from nova_dmore.virt.migration.phases import Phase
from nova_dmore.virt.migration import plain_destination
from nova_dmore.virt.migration import rollback
from nova_dmore.virt.migration import services as services_module
from nova_dmore.virt.migration import switch_over
from nova_dmore.virt.pair import domain_r
from nova_dmore.virt.pair import host_side
from nova_dmore.virt.pair import record as record_module
from nova_dmore.virt.pair import xml
from nova_dmore import wire

LOG = logging.getLogger(__name__)

#: How often, and for how long, the instance's job is waited for by who wants
#: to abort it or to switch it to post-copy, in seconds.
_JOB_POLL_S = 0.1
_JOB_WAIT_S = 15.0
#: Longest wait for the end of Domain R's migration after its instance's.
_END_S = 15.0


class SourceRole:
    """One co-migration, seen from the source.

    :param destination_host: as Nova calls it.
    :param read_console_log: returns base64 of the instance's console log
        when the hosts share no storage, else None.
    :param stock_consoles: where the destination has the consoles of an
        instance that arrives without a pair.
    """

    def __init__(self, services: services_module.Services, context, instance,
                 destination_host: str, read_console_log,
                 stock_consoles: host_side.StockConsoles):
        self._services = services
        self._context = context
        self._instance = instance
        self._uuid = instance.uuid
        self._name = domain_r.name_of(instance.uuid)
        self._instance_domain = instance.name
        self._read_console_log = read_console_log
        self._stock_consoles = stock_consoles
        self.co_migration = phases.CoMigration(instance, destination_host)
        self._client = services.pairs.client(instance.uuid)
        self._found_record = services.pairs.get(instance.uuid)
        self._domain_r_migration: (
            domain_r_migration.DomainRMigration | None) = None
        self._switch_over: switch_over.SwitchOver | None = None
        self._instance_pre_copy: (
            instance_pre_copy.InstancePreCopy | None) = None
        self._connection: libvirt.virConnect | None = None
        self._instance_job: job.Job | None = None
        #: Set when libvirt is asked to migrate the instance.
        self._instance_requested = threading.Event()
        #: Set when the call that migrates the instance has returned.
        self._instance_ended = threading.Event()
        self._nova_ended = threading.Event()
        self._carry_over: carry_over.CarryOver | None = None
        self._flags = 0     # of Domain R's migration
        #: Whether Domain R runs there only when its instance does.
        self._arrives_paused = False
        #: Where a destination with the plug-in has not said, an instance
        #: arrives in the form that this release and the one before can do
        #: with.
        self._layout_there: int = places.Layout.FIFOS

    # -- what Nova calls ----------------------------------------------------

    def migrate(self, guest, destination: str, **arguments) -> None:
        """Migrate the instance, and its Domain R in step.

        Called in place of Nova's ``Guest.migrate``, with its arguments.

        :raises: what the instance's migration raised; nothing of ours.
        """
        with self._watch_off():
            with self.co_migration.step(
                    'Preparing the co-migration') as preparation:
                if self._prepare_destination():
                    self._start_pre_copy(destination, arguments)
            if preparation.error is not None:
                self._continue_alone(preparation.error)
            with self.co_migration.step(
                    'The consoles in the XML for the destination'):
                if arguments.get('destination_xml'):
                    arguments['destination_xml'] = xml.for_destination(
                        arguments['destination_xml'], self._layout_there,
                        self._stock_consoles)
            self._instance_requested.set()
            try:
                guest.migrate(destination, **arguments)
            except BaseException:
                # The instance stays here, whatever Nova's exception is.
                self._instance_ended.set()
                with self.co_migration.step('Rolling back'):
                    self._roll_back()
                raise
            self._instance_ended.set()
            with self.co_migration.step('The end of the co-migration'):
                self._complete()

    def migrate_configure_max_downtime(self, milliseconds: int) -> bool:
        """Take Nova's downtime limit; False: Nova has to set it itself."""
        if self._instance_pre_copy is None:
            return False
        self._instance_pre_copy.set_max_downtime(milliseconds)
        return True

    def live_migration_operation_ended(self) -> None:
        """Nova's ``_live_migration_operation`` has returned, whether or not it
        ever called :meth:`migrate`."""
        self._instance_ended.set()

    def live_migration_monitor_ended(self) -> None:
        """Nova's ``_live_migration_monitor`` has returned: Nova has told
        everybody where the instance is. It waits for its operation, then lets
        the next live migration begin."""
        self._nova_ended.set()

    def wait_for_instance_job(self, is_copying: bool = False) -> None:
        """Return when the instance's own migration is under way, or over.

        Domain R's migration begins before it, so Nova may ask for something
        that libvirt or QEMU can only do later.

        :param is_copying: wait until QEMU copies memory, which begins some
            time after libvirt has a job.
        """
        deadline = time.monotonic() + _JOB_WAIT_S
        while (time.monotonic() < deadline
               and not self._instance_ended.is_set()
               and not self._is_under_way(is_copying)):
            time.sleep(_JOB_POLL_S)

    def _is_under_way(self, is_copying: bool) -> bool:
        if self._instance_job is None:
            # The instance migrates without Domain R, so nothing precedes it.
            return self._instance_requested.is_set()
        progress = self._instance_job.progress()
        return progress is not None and (progress.iteration > 0
                                         or not is_copying)

    # -- around all of it ---------------------------------------------------

    @property
    def _record(self) -> record_module.PairRecord:
        """Of the pair."""
        assert self._found_record is not None   # the driver has looked
        return self._found_record

    @contextlib.contextmanager
    def _watch_off(self):
        """Keep the watch from the pair during the co-migration."""
        self._services.watch.leave_alone(self._uuid)
        try:
            yield
        finally:
            self._services.watch.look_after(self._uuid)
            with self.co_migration.step("The end of the instance's pre-copy"):
                if self._instance_pre_copy is not None:
                    # It does not notice by itself that QEMU switched over.
                    self._instance_pre_copy.end()
                if self._connection is not None:
                    self._connection.close()

    def _continue_alone(self, error: Exception) -> None:
        """Cancel Domain R's migration after an error that was not foreseen."""
        with self.co_migration.step("Cancelling Domain R's migration"):
            if self._domain_r_migration is not None:
                self._domain_r_migration.cancel()
        if self.co_migration.phase != Phase.ALONE:
            self.co_migration.continue_alone(error)

    # -- phase begin --------------------------------------------------------

    def _prepare_destination(self) -> bool:
        """Have the destination prepare for the pair; whether it did."""
        self.co_migration.enter(Phase.BEGIN)
        pairs = self._services.pairs
        try:
            # First: it says in which form the instance can arrive there.
            self._ask_destination()
            if self._layout_there == places.Layout.STOCK:
                raise exception.PairError('the destination can have none now')
            if not all(pairs.is_alive(self._uuid)):
                raise exception.PairError('the pair is not alive here')
            # A destination of release 0.1 lets no paused Domain R run. Out of
            # step, it runs as soon as it has arrived.
            self._arrives_paused = (self._layout_there > places.Layout.SOCKETS
                                    and self._services.synchronise)
            self._connection = libvirt.open(self._services.libvirt_uri)
            if self._services.synchronise:
                self._client.arm(self.co_migration.migration_id,
                                 wire.Role.SOURCE)
        except (exception.DMoreError, libvirt.libvirtError) as error:
            self.co_migration.continue_alone(
                error, self._layout_there != places.Layout.STOCK)
            return False
        self.co_migration.enter(Phase.PREPARED)
        return True

    def _ask_destination(self) -> None:
        """Have the destination prepare, and learn which form it knows.

        :raises nova_dmore.exception.DMoreError: it cannot, or is a host
            without the plug-in: no other form than STOCK starts there.
        """
        try:
            self._layout_there = self._services.destination.prepare(
                self._context, self.co_migration.host,
                self.co_migration.migration_id,
                record_module.to_json(self._record))
        except exception.PairError as error:
            if plain_destination.is_plain(
                    error, self._services.pairs.addresses,
                    self._record.address.port_id, self.co_migration.host):
                self.co_migration.is_plain_there = True
                self._layout_there = places.Layout.STOCK
            raise

    # -- phase pre-copy -----------------------------------------------------

    def _start_pre_copy(self, destination: str, arguments: dict) -> None:
        """Begin to copy Domain R's memory, and to hold it until the instance
        stops. The instance's own pre-copy begins when this has returned.

        :param destination: libvirt URI of the destination.
        :param arguments: of Nova's ``Guest.migrate``.
        """
        self.co_migration.enter(Phase.PRE_COPY)
        services = self._services
        limit_mib = arguments.get('bandwidth') or 0
        holds = services.synchronise and services.hold
        parameters = {
            'bandwidth': domain_r_migration.first_bandwidth_mib(limit_mib)
            if holds else limit_mib}
        if arguments.get('migrate_uri'):
            parameters['migrate_uri'] = arguments['migrate_uri']
        self._flags = job.domain_r_flags(
            arguments.get('flags', 0), self._arrives_paused)
        try:
            parameters.update(self._destination_xml())
            outgoing = job.OutgoingMigration(
                services.libvirt_uri, self._name, destination, parameters,
                self._flags)
            self._domain_r_migration = domain_r_migration.DomainRMigration(
                self._connection, self._name, outgoing,
                services.precopy_timeout_s, services.hold_bandwidth_mib,
                limit_mib, holds, self._arrives_paused)
            self._instance_job = job.Job(
                self._connection, self._instance_domain)
            if holds:
                self._client.hold(True)
        except (exception.DMoreError, libvirt.libvirtError) as error:
            self._domain_r_migration = None     # it was never started
            self.co_migration.continue_alone(error)
            return
        self._domain_r_migration.start()
        if not services.synchronise:
            return
        # Phases stop and carry over.
        self._carry_over = carry_over.CarryOver(
            services, self._context, self.co_migration, self._record,
            self._instance_ended)
        self._switch_over = switch_over.SwitchOver(
            self.co_migration, self._client, self._domain_r_migration,
            self._instance_ended, self._carry_over.send,
            f'dmore-switch-over-{self._uuid}')
        self._instance_pre_copy = instance_pre_copy.InstancePreCopy(
            self._instance_job, self._switch_over.domain_r_copied, limit_mib,
            f'dmore-pre-copy-{self._uuid}')
        self._instance_pre_copy.start()
        self._switch_over.start()

    def _destination_xml(self) -> dict:
        """What Domain R is at a destination of another release."""
        assert self._connection is not None     # since PREPARED
        known = self._connection.lookupByName(self._name).XMLDesc(
            libvirt.VIR_DOMAIN_XML_MIGRATABLE)
        wanted = xml.domain_r_for_destination(
            known, places.of_pair(self._services.pairs.records.directory(
                self._uuid)), self._layout_there)
        return {} if wanted is None else {'destination_xml': wanted}

    # -- phases live and done: completion.py --------------------------------

    def _complete(self) -> None:
        """The instance is at the destination: so must its pair be."""
        console_log = None
        with self.co_migration.step('Reading the console log'):
            # At once: Nova removes it in another thread.
            console_log = self._read_console_log()
        domain_r_moved = self._has_domain_r_moved()
        completion.Completion(
            self._services, self._context, self.co_migration, self._record,
            self._nova_ended).run(domain_r_moved, console_log)

    def _has_domain_r_moved(self) -> bool:
        """Wait for the end of Domain R's migration; whether it arrived."""
        self._wait_for_switch_over()
        if self.co_migration.phase == Phase.ALONE:
            return False
        if self.co_migration.phase == Phase.PRE_COPY:
            if not self._services.synchronise:
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

    # -- phase aborted: rollback.py -----------------------------------------

    def _roll_back(self) -> None:
        """The instance stays here: so does its Domain R."""
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
            self._services, self._context, self.co_migration,
            self._record).run(self._flags, domain_r_moved, binding_moved)
