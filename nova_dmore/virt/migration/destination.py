# SPDX-License-Identifier: Apache-2.0
"""The destination's role in a co-migration.

Its calls come from the source over :mod:`nova_dmore.virt.rpc`. Nothing here
lets bytes flow: the shadow-device process goes live by itself as soon as both
VMs run, with or without a nova-compute.
"""

import base64
import binascii
import collections
import contextlib
import dataclasses
import os
from collections.abc import Callable

import libvirt
from oslo_log import log as logging

from nova_dmore.channel import text
from nova_dmore import exception
from nova_dmore.virt.config import host_secrets
from nova_dmore.virt.migration import expectation
from nova_dmore.virt.migration import job
from nova_dmore.virt.migration import rollback
from nova_dmore.virt.pair import domain_r
from nova_dmore.virt.pair import record as record_module
from nova_dmore.virt import where

LOG = logging.getLogger(__name__)

#: Longest console log that is accepted: Nova shows the last 100 KiB.
_CONSOLE_LOG_MAX = 128 * 1024
#: So many migrations are remembered as over: a call of one may come late.
_OVER_MAX = 256
#: Longest wait for the end of a job that is cancelled, in seconds.
_CANCEL_S = 5.0
#: Where Nova looks for what is older than ``console.log``.
_OLDER_CONSOLE_LOG = 'console.log.0'


class DestinationRole:
    """All co-migrations towards this host.

    :param pairs: a :class:`nova_dmore.virt.pair.pairs.Pairs`.
    :param reporter: a :class:`nova_dmore.virt.care.reporter.Reporter`.
    :param connect: returns Nova's ``libvirt.virConnect``.
    :param libvirt_uri: URI of this host's libvirt.
    :param instances_path: ``[DEFAULT] instances_path``.
    :param way_anywhere: returns how this host's configuration has Nova reach
        the host :data:`nova_dmore.virt.migration.rollback.ANY_HOST` in a live
        migration.
    :param encrypts: ``[libvirt] live_migration_with_native_tls``.
    """

    def __init__(self, pairs, reporter, connect, libvirt_uri: str,
                 instances_path: str,
                 way_anywhere: Callable[[], rollback.WayHere],
                 encrypts: bool = False):
        self._pairs = pairs
        self._reporter = reporter
        self._connect = connect
        self._libvirt_uri = libvirt_uri
        self._instances_path = instances_path
        self._way_anywhere = way_anywhere
        self._encrypts = encrypts
        #: Migration id of the pair that is arriving, by instance uuid.
        self._arriving: dict[str, str] = {}
        #: The same, of instances that arrive without their pair.
        self._arriving_alone: dict[str, str] = {}
        #: Ids of migrations for which nothing is to be prepared any more.
        self._over = collections.deque(maxlen=_OVER_MAX)
        self._expectations = expectation.Expectations(pairs)

    def look_up(self, instance) -> None:
        """Begin to ask for what Neutron knows of the pair; nothing is made.

        Called by the driver in ``check_can_live_migrate_destination``.

        :raises nova_dmore.exception.ConfigurationError: this host has not
            the secret that the keys of the pair are derived from.
        """
        self._pairs.secrets.check(host_secrets.id_of(instance))
        self._expectations.look_up(instance.uuid)

    def expect(self, instance) -> None:
        """Begin with what takes long, while Nova prepares the instance.

        Called by the driver in ``pre_live_migration``, before the source
        begins.
        """
        self._expectations.begin(instance)

    def give_up(self, instance_uuid: str) -> None:
        """Undo :meth:`expect`: Nova has rolled the migration back, perhaps
        before the source began.

        Called by the driver in ``destroy``.

        :raises nova_dmore.exception.DMoreError: something is left over, which
            the watch removes.
        """
        self._expectations.end(instance_uuid)
        if instance_uuid in self._arriving:
            # Its Domain R may wait here; the source sends for it, and says
            # then that nothing of it is needed any more.
            return
        record = self._pairs.get(instance_uuid)
        if record is not None:
            self._pairs.addresses.delete_binding(
                record.address.port_id, self._pairs.host)
            self._pairs.remove(instance_uuid, delete_address=False)

    def prepare(self, context, migration_id: str, record_text: str) -> bool:
        """Phase *begin*: image, address, shadow-device process.

        :returns: True: that process lets a Domain R run that arrives paused.
        :raises nova_dmore.exception.DMoreError: and nothing is left but the
            directory that the instance's own QEMU needs, and the record. If
            the instance runs here already, nothing is touched.
        """
        record = _parse(record_text)
        uuid, pairs = record.instance_uuid, self._pairs
        if self._arriving.get(uuid) == migration_id:
            return True
        if where.find(self._connect(), uuid) is where.Here.RUNNING:
            # The call is late: what is here is the pair of this host.
            raise exception.PairError('the instance runs here')
        # The source may lose patience with this call any time, and send the
        # instance alone.
        pairs.shadows.make_directory(uuid)
        expected = self._expectations.take(uuid)
        if expected is None:
            self._remove_stale(uuid, migration_id)
        with contextlib.ExitStack() as alone:
            alone.callback(self._arrives_alone, record, migration_id)
            # Another host key would be that of an impostor.
            pairs.secrets.check(record.secret_id)
            pairs.images.ensure(record.digest)
            address = (self._bind(record) if expected is None
                       else expected.address)
            with pairs.locked(uuid):
                if migration_id in self._over:
                    raise exception.PairError(
                        f'migration {migration_id} is over')
                pairs.start_incoming(dataclasses.replace(
                    record, address=address, incoming=True), migration_id)
                self._arriving[uuid] = migration_id
            alone.pop_all()
        if expected is None:
            self._expectations.announce(uuid, address.port_id)
        return True

    def _bind(self, record: record_module.PairRecord):
        """The address as this host plugs it.

        Of what the source says of it only the port counts: how that is
        plugged, and that it is one of this pair's, is what Neutron says.
        """
        addresses = self._pairs.addresses
        return addresses.add_binding(addresses.of_port(
            record.instance_uuid, record.address.port_id), self._pairs.host)

    def _remove_stale(self, uuid: str, migration_id: str) -> None:
        """Remove what a migration left whose source did not come to its end.
        """
        pairs = self._pairs
        with pairs.locked(uuid):
            if pairs.get(uuid) is not None and migration_id not in self._over:
                LOG.warning('Removing a stale pair of instance %s', uuid)
                pairs.remove(uuid, delete_address=False)
                pairs.shadows.make_directory(uuid)

    def _arrives_alone(self, record: record_module.PairRecord,
                       migration_id: str) -> None:
        """Undo what was prepared; the instance comes without its pair."""
        uuid, pairs = record.instance_uuid, self._pairs
        with pairs.locked(uuid):
            if migration_id in self._over:
                # It has come; what is here is its new pair.
                return
            self._arriving_alone[uuid] = migration_id
            with contextlib.ExitStack() as last:
                last.callback(pairs.await_alone, record)
                pairs.give_back(uuid)

    def carry_over(self, migration_id: str, instance_uuid: str,
                   carry_over: dict) -> None:
        """Phase *carry over*: what the source's process had."""
        if not self._arrives(migration_id, instance_uuid):
            LOG.info('Ignoring a carry-over of migration %s', migration_id)
            return
        answer = self._pairs.client(instance_uuid).carry_over(
            migration_id, carry_over)
        if not answer.accepted:
            LOG.info('Carry-over of migration %s was not needed: %s',
                     migration_id, text.printable(answer.reason))

    def finish(self, context, migration_id: str, record_text: str,
               domain_r_moved: bool, console_log: str | None) -> None:
        """Phase *done*: the pair belongs to this host.

        :raises nova_dmore.exception.DMoreError: a new Domain R could not be
            built; the watch tries again.
        """
        record = _parse(record_text)
        instance_uuid = record.instance_uuid
        if where.find(self._connect(),
                       instance_uuid) is where.Here.ABSENT:
            LOG.info('Instance %s is not here any more', instance_uuid)
            return
        if console_log:
            self._keep_console_log(instance_uuid, console_log)
        self._set_over(migration_id, instance_uuid)
        prepared = self._arrives(migration_id, instance_uuid)
        self._arriving.pop(instance_uuid, None)
        self._arriving_alone.pop(instance_uuid, None)
        if prepared and domain_r_moved:
            self._pairs.arrived(instance_uuid)
            self._expectations.end(instance_uuid)
            return
        # The source may never have asked for it.
        self._expectations.end(instance_uuid)
        if self._is_whole(instance_uuid):
            # The watch did not wait for this call.
            self._pairs.addresses.ensure(instance_uuid, self._pairs.host)
            return
        self._pairs.take_over(record)
        self._reporter.rebuilt(
            context, instance_uuid,
            'Domain R did not follow its instance in a live migration')

    def send_back(self, migration_id: str, instance_uuid: str, uri: str,
                  migrate_uri: str | None, flags: int, within_s: float
                  ) -> None:
        """The instance stays at the source: so does its Domain R, which
        waits here and has never run here.

        :meth:`abort` follows, and waits for the end of this.

        :param uri: libvirt URI of the source.
        :param migrate_uri: where QEMU's data goes, None: libvirt decides.
        :param flags: as Domain R came.
        :param within_s: seconds after which it is given up.
        :raises nova_dmore.exception.PairError: it is not at the source.
        """
        self._check_way(uri, migrate_uri, flags)
        with self._pairs.locked(instance_uuid):
            waiting = self._waiting(migration_id, instance_uuid)
            # QEMU activates the disks of what has arrived when it runs first,
            # and one before 10.0 aborts when it is to give disks away that it
            # has not activated (bdrv_inactivate_recurse in block.c; seen with
            # 7.2). Without its instance Domain R gets no epoch, so nothing
            # counts that it does in this moment.
            waiting.resume()
            waiting.suspend()
            outgoing = job.OutgoingDomain(
                self._libvirt_uri, domain_r.name_of(instance_uuid), uri,
                {} if migrate_uri is None else {'migrate_uri': migrate_uri},
                flags)
            outgoing.start()
            outgoing.join(within_s)
            if outgoing.is_alive():
                # It may come to its end meanwhile.
                waiting.abort()
                outgoing.join(_CANCEL_S)
        if not outgoing.succeeded():
            raise exception.PairError(
                f'Domain R cannot be sent back: {outgoing.error}')

    def _check_way(self, uri: str, migrate_uri: str | None,
                   flags: int) -> None:
        """Send a Domain R nowhere that this host would not send an instance
        to, and not in clear if it would not.

        :raises nova_dmore.exception.PairError: it would have to.
        """
        way = self._way_anywhere()
        if not way.differs_in_host_alone(uri, migrate_uri):
            raise exception.PairError(
                f'Domain R is not sent to {uri!a} ({migrate_uri!a}): by this '
                "host's [libvirt] live_migration_uri and "
                f'live_migration_scheme it would be {way.uri} '
                f'({way.migrate_uri})')
        if flags & ~job.COMPANION_FLAGS or (
                self._encrypts and not flags & libvirt.VIR_MIGRATE_TLS):
            raise exception.PairError(
                f'Domain R is not sent with the flags {flags:#x}')

    def _waiting(self, migration_id: str, instance_uuid: str) -> job.Job:
        """A Domain R that has arrived and not run.

        :raises nova_dmore.exception.PairError: there is none.
        """
        if not self._arrives(migration_id, instance_uuid):
            raise exception.PairError(
                f'nothing of migration {migration_id} is here')
        connection = self._connect()
        if where.find(connection, instance_uuid) is where.Here.RUNNING:
            raise exception.PairError('the instance runs here')
        if not self._pairs.domain(instance_uuid).is_paused():
            # The instance may be dead already that it was let run for.
            raise exception.PairError('Domain R does not wait here')
        try:
            return job.Job(connection, domain_r.name_of(instance_uuid))
        except libvirt.libvirtError as error:
            raise exception.PairError(f'Domain R: {error}') from error

    def abort(self, migration_id: str, instance_uuid: str) -> bool:
        """The instance stays at the source: remove what was prepared.

        Unless it runs here: then the source has lost sight of it, and the
        watch finds out what becomes of the pair
        (:mod:`nova_dmore.virt.care.reconcile`).

        :returns: whether it runs here.
        """
        if where.find(self._connect(),
                       instance_uuid) is where.Here.RUNNING:
            LOG.warning('Instance %s runs here, whatever the source says',
                        instance_uuid)
            return True
        self._set_over(migration_id, instance_uuid)
        if (self._expectations.end(instance_uuid) is not None
                or self._arriving_alone.get(instance_uuid) == migration_id
                or self._arrives(migration_id, instance_uuid)):
            self._arriving.pop(instance_uuid, None)
            self._arriving_alone.pop(instance_uuid, None)
            self._pairs.remove(instance_uuid, delete_address=False)
        return False

    def _set_over(self, migration_id: str, instance_uuid: str) -> None:
        """A call of :meth:`prepare` that still runs shall make nothing."""
        with self._pairs.locked(instance_uuid):
            self._over.append(migration_id)

    def _arrives(self, migration_id: str, instance_uuid: str) -> bool:
        """Whether a pair was prepared here in this migration.

        What this process does not know the shadow-device process tells,
        which outlived a restart of nova-compute.
        """
        if instance_uuid in self._arriving:
            return self._arriving[instance_uuid] == migration_id
        record = self._pairs.get(instance_uuid)
        if record is None or not record.incoming:
            return False
        try:
            return self._pairs.client(
                instance_uuid).status().migration_id == migration_id
        except exception.ShadowProcessError:
            return False

    def _is_whole(self, instance_uuid: str) -> bool:
        record = self._pairs.get(instance_uuid)
        return (record is not None and not record.incoming
                and all(self._pairs.is_alive(instance_uuid)))

    def _keep_console_log(self, instance_uuid: str, encoded: str) -> None:
        """Put the source's console log before the one that began here.

        Nova reads ``console.log.0`` as the older part of ``console.log``,
        so nothing has to be written where QEMU writes.
        """
        try:
            data = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            LOG.warning('Ignoring a console log that is not base64')
            return
        path = os.path.join(
            self._instances_path, instance_uuid, _OLDER_CONSOLE_LOG)
        try:
            # Not through a link either.
            with open(path, 'xb') as log_file:
                log_file.write(data[-_CONSOLE_LOG_MAX:])
        except FileExistsError:
            return
        except OSError as error:
            LOG.warning('The older console log of instance %s is lost: %s',
                        instance_uuid, text.printable(error))


def _parse(text: str) -> record_module.PairRecord:
    try:
        return record_module.from_json(text)
    except ValueError as error:
        raise exception.PairError(str(error)) from error
