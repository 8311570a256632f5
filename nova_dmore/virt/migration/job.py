# SPDX-License-Identifier: Apache-2.0
"""A migration job of libvirt: watched, limited, and carried out.

Used by all files that have to do with the migration of one domain: at the
source ``source.py``, ``domain_r_migration.py`` and ``instance_pre_copy.py``,
and at the destination where Domain R is sent back.

Two properties of libvirt decide the form of this file. A question about a job
that is asked on the connection that carries out the job can wait until the
job ends, so it is asked on another connection. And ``migrateToURI3`` returns
a second or two after the source's QEMU is gone, so nothing waits for it.
"""

import dataclasses
import threading
from typing import Any
from collections.abc import Callable

import libvirt

#: More than any link has: libvirt knows no word for "no limit".
UNLIMITED_MIB = 100000
#: The flags that Domain R's migration may have: those of Nova that
#: :func:`domain_r_flags` keeps.
DOMAIN_R_FLAGS = (
    libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_PEER2PEER
    | libvirt.VIR_MIGRATE_TUNNELLED | libvirt.VIR_MIGRATE_PAUSED
    | libvirt.VIR_MIGRATE_TLS | libvirt.VIR_MIGRATE_PARALLEL)


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far a pre-copy has come."""

    #: How many passes over the memory have begun.
    iteration: int
    remaining_bytes: int


class Job:
    """The outgoing migration of a domain.

    :param connection: a libvirt connection that carries out no migration.
    :param name: the domain's name.
    """

    def __init__(self, connection: libvirt.virConnect, name: str) -> None:
        self._domain = connection.lookupByName(name)

    def progress(self) -> Progress | None:
        """How far the job has come; None when there is no job (any more)."""
        try:
            statistics = self._domain.jobStats()
        except libvirt.libvirtError:
            return None
        if 'memory_total' not in statistics:
            return None
        return Progress(
            iteration=statistics.get('memory_iteration', 0),
            remaining_bytes=statistics.get('memory_remaining', 0))

    def limit(self, bandwidth_mib: int | None = None,
              downtime_ms: int | None = None) -> bool:
        """Change the limits of this job, or of the next one.

        :param bandwidth_mib: in MiB/s; None: it stays as it is.
        :param downtime_ms: in milliseconds; None: it stays as it is.
        :returns: whether libvirt did it.
        """
        try:
            if bandwidth_mib is not None:
                self._domain.migrateSetMaxSpeed(bandwidth_mib)
            if downtime_ms is not None:
                self._domain.migrateSetMaxDowntime(downtime_ms)
        except libvirt.libvirtError:
            return False
        return True

    def suspend(self) -> bool:
        """Stop the domain, which makes QEMU switch over; whether libvirt
        did it."""
        return _succeeds(self._domain.suspend)

    def resume(self) -> bool:
        """Undo :meth:`suspend` where there is no job any more; whether libvirt
        did it."""
        return _succeeds(self._domain.resume)

    def abort(self) -> bool:
        """Cancel the job; libvirt then resumes the domain by itself.

        :returns: whether libvirt did it.
        """
        return _succeeds(self._domain.abortJob)


def stop_s(connection: libvirt.virConnect, instance_uuid: str
           ) -> float | None:
    """How long an instance stood still that has just arrived here, as the
    clocks of both hosts tell; None: libvirt cannot tell any more.

    An operator may ask libvirt, too, which otherwise answers only once.
    """
    try:
        job = connection.lookupByUUIDString(instance_uuid).jobStats(
            libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED
            | libvirt.VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED)
    except libvirt.libvirtError:
        return None
    milliseconds = job.get(libvirt.VIR_DOMAIN_JOB_DOWNTIME)
    return None if milliseconds is None else milliseconds / 1000


def _succeeds(request: Callable[[], object]) -> bool:
    """Whether libvirt does what ``request`` asks for."""
    try:
        request()
    except libvirt.libvirtError:
        return False
    return True


class OutgoingMigration(threading.Thread):
    """Carries out one migration of Domain R, in a thread and on a libvirt
    connection of its own: Nova's pool of threads is small, and Nova's own
    migrations occupy it.

    :param uri: of the libvirt of this host.
    :param name: of the domain.
    :param destination: libvirt URI of the destination.
    :param parameters: of ``migrateToURI3``.
    """

    def __init__(self, uri: str, name: str, destination: str,
                 parameters: dict[str, Any], flags: int) -> None:
        super().__init__(name=f'dmore-migrate-{name}', daemon=True)
        self._uri = uri
        self._domain_name = name
        self._destination = destination
        self._parameters = parameters
        self._flags = flags
        #: libvirt's text when the migration failed.
        self.error: str | None = None
        self._arrived = False

    def run(self) -> None:
        """Called by ``start()``."""
        try:
            connection = libvirt.open(self._uri)
            try:
                connection.lookupByName(self._domain_name).migrateToURI3(
                    self._destination, self._parameters, self._flags)
                self._arrived = True
            finally:
                connection.close()
        except libvirt.libvirtError as error:
            self.error = str(error)

    def succeeded(self) -> bool:
        """Whether the migration is over, and the domain is at the
        destination."""
        return not self.is_alive() and self._arrived


def parallel_connections(flags: int, number: int) -> dict[str, int]:
    """Over how many connections at once the memory goes, if it goes over
    several: a parameter of ``migrateToURI3``.

    :param number: ``[libvirt] live_migration_parallel_connections``.
    """
    if not flags & libvirt.VIR_MIGRATE_PARALLEL or number <= 1:
        return {}
    return {libvirt.VIR_MIGRATE_PARAM_PARALLEL_CONNECTIONS: number}


def domain_r_flags(instance_flags: int, arrives_paused: bool = True) -> int:
    """The migration flags of Domain R, from those of its instance.

    Encryption and transport are as for the instance. Domain R is transient
    and has no disk to copy. It must be neither slowed down (auto-converge) nor
    fetched page by page (post-copy).

    :param arrives_paused: the destination lets it run when its instance runs
        there.
    """
    paused = libvirt.VIR_MIGRATE_PAUSED if arrives_paused else 0
    flags: int = paused | instance_flags & ~(
        libvirt.VIR_MIGRATE_NON_SHARED_DISK
        | libvirt.VIR_MIGRATE_NON_SHARED_INC
        | libvirt.VIR_MIGRATE_PERSIST_DEST
        | libvirt.VIR_MIGRATE_UNDEFINE_SOURCE
        | libvirt.VIR_MIGRATE_AUTO_CONVERGE
        | libvirt.VIR_MIGRATE_POSTCOPY)
    return flags
