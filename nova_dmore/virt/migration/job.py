# SPDX-License-Identifier: Apache-2.0
"""One libvirt migration job, as a role sees it.

Two experiences with libvirt decide the form of this file: the statistics of a
job can hang on the connection that carries it until it ends, so looking is
done on a connection of its own; and what ``migrateToURI3`` returns comes a
second or two after the source's QEMU is gone, so nothing waits for it.
"""

import dataclasses
import threading

import libvirt

#: More than any link has: libvirt knows no word for "no limit".
UNLIMITED_MIB = 100000
#: The flags that a Domain R may have: those of Nova that are left over by
#: :func:`companion_flags`.
COMPANION_FLAGS = (
    libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_PEER2PEER
    | libvirt.VIR_MIGRATE_TUNNELLED | libvirt.VIR_MIGRATE_PAUSED
    | libvirt.VIR_MIGRATE_TLS | libvirt.VIR_MIGRATE_PARALLEL)


@dataclasses.dataclass(frozen=True)
class Progress:
    """Where a pre-copy stands."""

    #: Passes over the memory that were begun.
    iteration: int
    remaining_bytes: int


class Job:
    """The outgoing migration of a domain.

    :param connection: a connection that carries no migration.
    :param name: the domain's name.
    """

    def __init__(self, connection, name: str):
        self._domain = connection.lookupByName(name)

    def progress(self) -> Progress | None:
        """Where the job stands; None when there is none (any more)."""
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
        """Change the limits of this job, or of the next; whether libvirt
        could."""
        try:
            if bandwidth_mib is not None:
                self._domain.migrateSetMaxSpeed(bandwidth_mib)
            if downtime_ms is not None:
                self._domain.migrateSetMaxDowntime(downtime_ms)
        except libvirt.libvirtError:
            return False
        return True

    def suspend(self) -> bool:
        """Stop the domain, which makes QEMU switch over."""
        return _succeeds(self._domain.suspend)

    def resume(self) -> bool:
        """Undo :meth:`suspend` where there is no job any more."""
        return _succeeds(self._domain.resume)

    def abort(self) -> bool:
        """Cancel the job; libvirt then resumes the domain by itself."""
        return _succeeds(self._domain.abortJob)


def _succeeds(request) -> bool:
    """Whether libvirt does what is asked for."""
    try:
        request()
    except libvirt.libvirtError:
        return False
    return True


class OutgoingDomain(threading.Thread):
    """Carries Domain R's migration, in a thread and on a connection of its
    own: Nova's pool of threads is small and holds migrations itself.

    :param uri: the local libvirt.
    :param destination: libvirt URI of the destination.
    :param parameters: of ``migrateToURI3``.
    """

    def __init__(self, uri: str, name: str, destination: str,
                 parameters: dict, flags: int):
        super().__init__(name=f'dmore-migrate-{name}', daemon=True)
        self._uri = uri
        self._domain_name = name
        self._destination = destination
        self._parameters = parameters
        self._flags = flags
        #: libvirt's text when it failed.
        self.error: str | None = None
        self._arrived = False

    def run(self):
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
        """Whether it has ended well."""
        return not self.is_alive() and self._arrived


def companion_flags(instance_flags: int, arrives_paused: bool = True) -> int:
    """The migration flags of Domain R, from those of its instance.

    Encryption and transport are the instance's. Domain R is transient, has
    no disk to copy, and must not be slowed down nor fetched page by page.

    :param arrives_paused: where it arrives somebody lets it run, when its
        instance does.
    """
    paused = libvirt.VIR_MIGRATE_PAUSED if arrives_paused else 0
    return paused | instance_flags & ~(
        libvirt.VIR_MIGRATE_NON_SHARED_DISK
        | libvirt.VIR_MIGRATE_NON_SHARED_INC
        | libvirt.VIR_MIGRATE_PERSIST_DEST
        | libvirt.VIR_MIGRATE_UNDEFINE_SOURCE
        | libvirt.VIR_MIGRATE_AUTO_CONVERGE
        | libvirt.VIR_MIGRATE_POSTCOPY)
