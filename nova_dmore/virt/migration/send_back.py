# SPDX-License-Identifier: Apache-2.0
"""The destination migrates a Domain R back, whose instance stays.

Used by :mod:`nova_dmore.virt.migration.destination`, in answer to the source's
rollback (:mod:`nova_dmore.virt.migration.rollback`). Another host says where
to, and how, so that is checked.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import libvirt

from nova_dmore import exception
from nova_dmore.virt.migration import job
from nova_dmore.virt.migration import uris
from nova_dmore.virt.pair import domain_r
from nova_dmore.virt.pair import xml
from nova_dmore.virt import where
if TYPE_CHECKING:
    from nova_dmore.virt.pair import incoming

#: Longest wait for the end of a job that was cancelled, in seconds.
_CANCEL_S = 5.0


class SendBack:
    """Sends Domain Rs back from one host; used by the destination's role.

    :param pairs: a
        :class:`nova_dmore.virt.pair.incoming.IncomingPairs`.
    :param connect: returns Nova's ``libvirt.virConnect``.
    :param libvirt_uri: URI of this host's libvirt.
    :param uris_of_any_host: returns how this host's configuration has Nova
        reach the host :data:`nova_dmore.virt.migration.uris.ANY_HOST` in a
        live migration.
    :param encrypts: ``[libvirt] live_migration_with_native_tls``.
    :param connections: ``[libvirt] live_migration_parallel_connections``.
    """

    def __init__(self, pairs: 'incoming.IncomingPairs',
                 connect: Callable[[], libvirt.virConnect], libvirt_uri: str,
                 uris_of_any_host: Callable[[], uris.MigrationURIs],
                 encrypts: bool, connections: int) -> None:
        self._pairs = pairs
        self._connect = connect
        self._libvirt_uri = libvirt_uri
        self._uris_of_any_host = uris_of_any_host
        self._encrypts = encrypts
        self._connections = connections

    def check(self, uri: str, migrate_uri: str | None, flags: int) -> None:
        """Check that this host would send an instance there, too, and that
        Domain R is encrypted on the way if an instance would be.

        :param uri: libvirt URI of the source.
        :param migrate_uri: where QEMU's data goes, None: libvirt decides.
        :param flags: of libvirt's migration.
        :raises nova_dmore.exception.PairError: it is not so.
        """
        allowed = self._uris_of_any_host()
        if not allowed.differs_in_host_alone(uri, migrate_uri):
            raise exception.PairError(
                f'Domain R is not sent to {uri!a} ({migrate_uri!a}): by this '
                "host's [libvirt] live_migration_uri and "
                f'live_migration_scheme it would be {allowed.uri} '
                f'({allowed.migrate_uri})')
        if flags & ~job.DOMAIN_R_FLAGS or (
                self._encrypts and not flags & libvirt.VIR_MIGRATE_TLS):
            raise exception.PairError(
                f'Domain R is not sent with the flags {flags:#x}')

    def send(self, instance_uuid: str, uri: str, migrate_uri: str | None,
             flags: int, within_s: float) -> None:
        """Send one that waits here; called with the lock of its pair.

        The parameters are those of :meth:`check`.

        :param within_s: seconds after which the migration is cancelled.
        :raises nova_dmore.exception.PairError: it does not wait here, or it
            is not at the source.
        """
        job_here = self._job_of_paused(instance_uuid)
        # QEMU activates the disks of a domain that has arrived when that
        # first runs. A QEMU before 10.0 aborts when it is to inactivate disks
        # that it has not activated (bdrv_inactivate_recurse in block.c; seen
        # with 7.2). So Domain R runs for a moment. Without its instance it
        # gets no epoch, so nothing that it does in this moment reaches the
        # channel.
        job_here.resume()
        job_here.suspend()
        parameters: dict[str, str | int] = {
            **job.parallel_connections(flags, self._connections)}
        if migrate_uri is not None:
            parameters['migrate_uri'] = migrate_uri
        parameters.update(self._destination_xml(instance_uuid))
        outgoing = job.OutgoingMigration(
            self._libvirt_uri, domain_r.name_of(instance_uuid), uri,
            parameters, flags)
        outgoing.start()
        outgoing.join(within_s)
        if outgoing.is_alive():
            # If it succeeds meanwhile, that counts.
            job_here.abort()
            outgoing.join(_CANCEL_S)
        if not outgoing.succeeded():
            raise exception.PairError(
                f'Domain R cannot be sent back: {outgoing.error}')

    def _destination_xml(self, instance_uuid: str) -> dict[str, str]:
        """It came with the processors of this host, and the source may have
        fewer. The source gives it its own when it is back.

        :raises nova_dmore.exception.PairError: it is not here any more.
        """
        try:
            known = self._connect().lookupByName(domain_r.name_of(
                instance_uuid)).XMLDesc(libvirt.VIR_DOMAIN_XML_MIGRATABLE)
        except libvirt.libvirtError as error:
            raise exception.PairError(f'Domain R: {error}') from error
        wanted = xml.with_processors(known, None)
        return {} if wanted is None else {'destination_xml': wanted}

    def _job_of_paused(self, instance_uuid: str) -> job.Job:
        """The job of a Domain R that has arrived and has not run.

        :raises nova_dmore.exception.PairError: there is none.
        """
        connection = self._connect()
        here = where.find(connection, instance_uuid)
        if here is where.Here.RUNNING:
            raise exception.PairError('the instance runs here')
        if not self._pairs.domain(instance_uuid).is_paused():
            # It was let run for its instance, which may have ended since.
            raise exception.PairError('Domain R does not wait here')
        try:
            return job.Job(connection, domain_r.name_of(instance_uuid))
        except libvirt.libvirtError as error:
            raise exception.PairError(f'Domain R: {error}') from error
