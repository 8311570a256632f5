# SPDX-License-Identifier: Apache-2.0
"""The destination's role in a co-migration.

The first methods are called by the driver and have the names of Nova's
own. The others are called by the source
(:mod:`nova_dmore.virt.migration.source`, ``completion``, ``rollback``) over
:mod:`nova_dmore.virt.rpc`. In a migration that succeeds they come in the order
in which they stand here, up to :meth:`DestinationRole.finish`; in one that
fails, :meth:`DestinationRole.send_back` and :meth:`DestinationRole.abort` end
it. The names of what the source calls are a wire format: they do not change.

Nothing here lets bytes flow. The shadow-device process goes live by itself as
soon as both domains run here, even while no nova-compute runs.
"""

from collections.abc import Callable
from typing import Any, TYPE_CHECKING

from nova import exception as nova_exception
from oslo_log import log as logging

from nova_dmore.channel import text
from nova_dmore import exception
from nova_dmore.virt import boundary
from nova_dmore.virt.config import host_secrets
from nova_dmore.virt.migration import arrival as arrival_module
from nova_dmore.virt.migration import arrivals
from nova_dmore.virt.migration import console_log as console_log_module
from nova_dmore.virt.migration import early_preparation
from nova_dmore.virt.migration import job
from nova_dmore.virt.migration import preparation
from nova_dmore.virt.migration import send_back
from nova_dmore.virt.migration import serial_port
from nova_dmore.virt.pair import announcement
from nova_dmore.virt.pair import record as record_module
from nova_dmore.virt import where
if TYPE_CHECKING:
    import libvirt
    from nova import context as nova_context
    from nova import objects

    from nova_dmore.virt.care import reporter as reporter_module
    from nova_dmore.virt.pair import incoming
    from nova_dmore.virt.rpc import source as source_rpc

LOG = logging.getLogger(__name__)


class DestinationRole:
    """All co-migrations towards this host.

    :param pairs: a :class:`nova_dmore.virt.pair.incoming.IncomingPairs`.
    :param reporter: a :class:`nova_dmore.virt.care.reporter.Reporter`.
    :param connect: returns Nova's ``libvirt.virConnect``.
    :param instances_path: ``[DEFAULT] instances_path``.
    :param sends_back: a :class:`send_back.SendBack`.
    :param source: a :class:`nova_dmore.virt.rpc.source.SourceAPI`.
    :param inbound_address: ``[libvirt] live_migration_inbound_addr``.
    """

    def __init__(self, pairs: 'incoming.IncomingPairs',
                 reporter: 'reporter_module.Reporter',
                 connect: 'Callable[[], libvirt.virConnect]',
                 instances_path: str, sends_back: send_back.SendBack,
                 source: 'source_rpc.SourceAPI',
                 inbound_address: str | None = None) -> None:
        self._pairs = pairs
        self._reporter = reporter
        self._connect = connect
        self._instances_path = instances_path
        self._sends_back = sends_back
        self._source = source
        self._inbound_address = inbound_address
        self._arrivals = arrivals.Arrivals(pairs)
        self._early = early_preparation.EarlyPreparations(pairs)
        self._preparations = preparation.Preparations(
            pairs, connect, self._arrivals, self._early)
        self._serial_ports = serial_port.ReservedPorts()

    # -- called by the driver -----------------------------------------------

    def check_can_live_migrate_destination(self, instance: 'objects.Instance',
                                           required: bool) -> None:
        """Begin to ask for the port that Neutron has for the pair; nothing is
        made.

        :param required: ``[dmore] required``.
        :raises nova.exception.MigrationPreCheckError: it is required, and this
            host does not have the secret that the keys of the pair are derived
            from, or the room for its Domain R, or can have none. Nova tries
            another host, unless it was told to use this one.
        """
        with boundary.instance_first(
                instance, 'Checking for its Domain R') as outcome:
            self._check(instance)
        if required and isinstance(
                outcome.error, exception.ConfigurationError):
            raise nova_exception.MigrationPreCheckError(
                reason=str(outcome.error))

    def _check(self, instance: 'objects.Instance') -> None:
        if self._pairs.impossible is not None:
            raise exception.ConfigurationError(self._pairs.impossible)
        self._pairs.secrets.check(host_secrets.id_of(instance))
        self._early.look_up_port(instance.uuid)
        self._pairs.claim(instance.uuid)
        # Until then it is not known whether it comes; it claims again.
        self._pairs.end_claim(instance.uuid)

    def check_passed(self, context: 'nova_context.RequestContext',
                     instance: 'objects.Instance') -> None:
        """Begin to make what takes long, then have the source begin. The same
        in :meth:`pre_live_migration`, if nothing is left of it by then."""
        if not (self._pairs.impossible
                or self._arrivals.is_expected(instance.uuid)):
            self._arrivals.prepared.pop(instance.uuid, None)    # of another
            self._early.begin(instance, lambda: self._source.leave(
                context, instance.host, instance.uuid, self._pairs.host,
                self._inbound_address))

    pre_live_migration = check_passed

    def pre_live_migration_ended(self, instance: 'objects.Instance',
                                 migrate_data: 'objects.LibvirtLiveMigrateData'
                                 ) -> None:
        """Nova has prepared the instance, too.

        :param migrate_data: what Nova's ``pre_live_migration`` returned.
        """
        self._serial_ports.note(instance.uuid, migrate_data)

    def rollback_live_migration_at_destination(self, instance_uuid: str
                                               ) -> None:
        """Undo :meth:`pre_live_migration`: Nova has rolled the migration back,
        perhaps before the source began.

        Called in the driver's ``destroy``, which Nova calls then.

        :raises nova_dmore.exception.DMoreError: something is left over, which
            the watch removes.
        """
        self._early.end(instance_uuid)
        if instance_uuid in self._arrivals.prepared:
            # Its Domain R may wait here. The source has it sent back first,
            # and then calls abort, which removes the rest.
            return
        self._remove_unused(instance_uuid)

    def post_live_migration_at_destination(self, instance: 'objects.Instance'
                                           ) -> None:
        """Remove what was prepared for an instance that has arrived with the
        stock consoles: from a host without the plug-in, say, though its user
        is told of a Domain R that it had before. One with its pair does not
        need the TCP port that Nova has reserved for it.
        """
        connection = self._connect()
        if where.has_shadow_devices(connection, instance.uuid):
            self._serial_ports.release(instance.uuid)
        if where.has_stock_consoles(connection, instance.uuid):
            self._early.end(instance.uuid)
            self._arrivals.prepared.pop(instance.uuid, None)
            self._remove_unused(instance.uuid)
            announcement.retract(instance)

    def _remove_unused(self, instance_uuid: str) -> None:
        """Remove what was prepared here, if anything was."""
        record = self._pairs.get(instance_uuid)
        if record is not None:
            self._pairs.addresses.delete_binding(
                record.address.port_id, self._pairs.host)
            self._pairs.remove(instance_uuid, delete_address=False)

    # -- called by the source -----------------------------------------------

    def prepare(self, context: 'nova_context.RequestContext',
                migration_id: str, record_text: str) -> int:
        """Phase *begin*: prepare image, port binding and shadow-device
        process.

        :param record_text: the pair's record, as the source has it.
        :returns: the newest :class:`nova_dmore.places.Layout` that is known
            here; STOCK: this host can have no Domain R, or its service is
            away, and the instance starts here only without its consoles.
        :raises nova_dmore.exception.DMoreError: it cannot be prepared. Only
            the directory that the instance's own QEMU needs is left, and the
            record. If the instance runs here already, nothing was touched.
        """
        return self._preparations.prepare(migration_id, _parse(record_text))

    def arrival(self, migration_id: str, instance_uuid: str
                ) -> arrival_module.Arrival:
        """How Domain R is to arrive here, and whether its port is wired.

        Called when :meth:`prepare` has answered, and again until it is wired;
        it waits for nothing.

        :raises nova_dmore.exception.DMoreError: nobody can tell.
        """
        if not self._arrivals.was_prepared(migration_id, instance_uuid):
            raise exception.PairError(
                f'nothing of migration {migration_id} is here')
        return arrival_module.Arrival(
            self._pairs.blueprint.cpus(), self._pairs.is_wired(instance_uuid))

    def carry_over(self, migration_id: str, instance_uuid: str,
                   carry_over: dict[str, Any]) -> None:
        """Phase *carry over*: give the shadow-device process what that of the
        source had.

        :param carry_over: a :class:`nova_dmore.channel.carry_over.CarryOver`
            as JSON has it.
        """
        if not self._arrivals.was_prepared(migration_id, instance_uuid):
            LOG.info('Ignoring a carry-over of migration %s', migration_id)
            return
        answer = self._pairs.client(instance_uuid).carry_over(
            migration_id, carry_over)
        if not answer.accepted:
            LOG.info('Carry-over of migration %s was not needed: %s',
                     migration_id, text.printable(answer.reason))

    def finish(self, context: 'nova_context.RequestContext', migration_id: str,
               record_text: str, domain_r_moved: bool, console_log: str | None
               ) -> None:
        """Phase *done*: the pair belongs to this host.

        :param record_text: the pair's record, as the source has it.
        :param domain_r_moved: False: a new Domain R has to be built.
        :param console_log: see
            :mod:`nova_dmore.virt.migration.console_log`.
        :raises nova_dmore.exception.DMoreError: a new Domain R could not be
            built; the watch tries again.
        """
        record = _parse(record_text)
        instance_uuid = record.instance_uuid
        if where.find(self._connect(), instance_uuid) is where.Here.ABSENT:
            LOG.info('Instance %s is not here any more', instance_uuid)
            return
        if console_log:
            console_log_module.keep(
                self._instances_path, instance_uuid, console_log)
        self._arrivals.set_over(migration_id, instance_uuid)
        was_prepared = self._arrivals.was_prepared(migration_id, instance_uuid)
        self._arrivals.forget(instance_uuid)
        if was_prepared and domain_r_moved:
            self._pairs.arrived(instance_uuid)
            self._early.end(instance_uuid)
            self._reporter.stop(job.stop_s(self._connect(), instance_uuid))
            return
        # Early preparations are here even if the source did not ask for them.
        self._early.end(instance_uuid)
        if not where.has_shadow_devices(self._connect(), instance_uuid):
            self._reporter.stock(
                context, instance_uuid,
                'the host that it was migrated to can have no pair now')
            self._remove_unused(instance_uuid)
            return
        if self._has_living_pair(instance_uuid):
            # The watch has built it before this call came.
            self._pairs.addresses.ensure(instance_uuid, self._pairs.host)
            return
        self._pairs.take_over(record)
        self._reporter.rebuilt(
            context, instance_uuid,
            'Domain R did not follow its instance in a live migration')

    def send_back(self, migration_id: str, instance_uuid: str, uri: str,
                  migrate_uri: str | None, flags: int, within_s: float
                  ) -> None:
        """The instance stays at the source: migrate its Domain R back, which
        waits here and has never run here.

        The source calls :meth:`abort` next, which waits for the end of this.

        :param uri: libvirt URI of the source.
        :param migrate_uri: where QEMU's data goes, None: libvirt decides.
        :param flags: of libvirt's migration, those with which Domain R came.
        :param within_s: seconds after which the migration is cancelled.
        :raises nova_dmore.exception.PairError: it is not at the source.
        """
        self._sends_back.check(uri, migrate_uri, flags)
        with self._pairs.locked(instance_uuid):
            if not self._arrivals.was_prepared(migration_id, instance_uuid):
                raise exception.PairError(
                    f'nothing of migration {migration_id} is here')
            self._sends_back.send(
                instance_uuid, uri, migrate_uri, flags, within_s)

    def abort(self, migration_id: str, instance_uuid: str) -> bool:
        """The instance stays at the source: remove what was prepared.

        Unless the instance runs here all the same: then the source is wrong,
        nothing is removed, and the watch decides what becomes of the pair
        (:mod:`nova_dmore.virt.care.reconcile`).

        :returns: whether the instance runs here.
        """
        if where.find(self._connect(), instance_uuid) is where.Here.RUNNING:
            LOG.warning('Instance %s runs here, whatever the source says',
                        instance_uuid)
            return True
        self._arrivals.set_over(migration_id, instance_uuid)
        if (self._early.end(instance_uuid) is not None
                or self._arrivals.alone.get(instance_uuid) == migration_id
                or self._arrivals.was_prepared(migration_id, instance_uuid)):
            self._serial_ports.roll_back(instance_uuid)
            self._arrivals.forget(instance_uuid)
            self._pairs.remove(instance_uuid, delete_address=False)
        return False

    # -- helpers ------------------------------------------------------------

    def _has_living_pair(self, instance_uuid: str) -> bool:
        """Whether the instance has a pair of this host that lives."""
        record = self._pairs.get(instance_uuid)
        return (record is not None and not record.incoming
                and all(self._pairs.is_alive(instance_uuid)))


def _parse(record_text: str) -> record_module.PairRecord:
    """The record that a source sent.

    :raises nova_dmore.exception.PairError: it is not one.
    """
    try:
        return record_module.from_json(record_text)
    except ValueError as error:
        raise exception.PairError(str(error)) from error
