# SPDX-License-Identifier: Apache-2.0
"""Domain R's own migration: started, held, switched over, or cancelled.

At the source. :mod:`nova_dmore.virt.migration.source` starts it before the
instance's migration; :mod:`nova_dmore.virt.migration.switch_over` holds it
until the instance stops, and lets it switch over then.

Domain R arrives paused, and is let run when its instance runs at the
destination. So nothing is lost if it switches over before its instance does.
But its console stands still from then until the instance has switched over,
too, which may take long. Domain R is held only to keep that time short. QEMU
switches over as soon as what remains can be sent within the downtime limit.
So Domain R gets the lowest limit, and while it is held it keeps more of its
pages dirty than can be sent within that limit (:mod:`nova_dmore.domr.hold`).

A fast link sends all of these pages in a few milliseconds, and if Domain R
writes to none of them meanwhile, QEMU switches over all the same. So the
bandwidth has to be low when the first pass over the memory ends; but if it is
lowered much sooner, that pass takes long. QEMU sends in bursts: what it may
send in 100 ms it sends as fast as it can, and then it waits for the next
100 ms. In each of these bursts it may send only what brings it near the end of
the pass, and in the last ones less than Domain R keeps dirty. On links of 1 to
2.5 GB/s, 16 of 24 migrations switched over early without these limits, and
none of 46 with them; the first pass took 0.3 s instead of 0.1 s.
"""

import time
from typing import TYPE_CHECKING

from nova_dmore import exception
from nova_dmore.virt.migration import job
from nova_dmore import wire
if TYPE_CHECKING:
    import libvirt

#: With a downtime of 1 ms QEMU does not switch Domain R over by itself, as
#: long as more pages stay dirty than can be sent in that time.
_HOLD_DOWNTIME_MS = 1
#: The bandwidth at the begin of the first pass: so little is sent in the first
#: 100 ms that the pass is not near its end when its progress is first read.
_FIRST_BANDWIDTH_MIB = 256
#: The end of the first pass, beside the region. QEMU sends the largest piece
#: of memory first. The region comes last and is mostly zeros, which take no
#: bandwidth and no time.
_TAIL_BYTES = 1 << 20
#: The bandwidth before it is such that the rest takes this long, in seconds.
#: That is more than QEMU's 100 ms, for the progress has to be read once more
#: before the tail is reached.
_REST_S = 0.12
#: The bandwidth is changed only when it should be this many times as large, or
#: as small.
_BANDWIDTH_STEP = 1.4
#: Limits that let a stopped Domain R switch over as fast as it can.
_FREE_DOWNTIME_MS = 5000
#: Longest wait for the end of a job that was cancelled, in seconds.
_CANCEL_S = 15.0


def first_bandwidth_mib(limit_mib: int) -> int:
    """The bandwidth that a migration to be held has to begin with, in MiB/s.

    :param limit_mib: Nova's limit, 0 for none.
    """
    return min(limit_mib or job.UNLIMITED_MIB, _FIRST_BANDWIDTH_MIB)


class DomainRMigration:
    """One migration of one Domain R.

    :param connection: a libvirt connection that carries out no migration.
    :param outgoing: a :class:`job.OutgoingMigration`, not started.
    :param timeout_s: longest duration of the first pass over its memory.
    :param hold_bandwidth_mib: bandwidth after that pass, in MiB/s.
    :param bandwidth_mib: Nova's limit, 0 for none.
    :param holds: False: it switches over as soon as QEMU finds that it can.
    :param arrives_paused: False: it runs as soon as it has arrived, at a
        destination that does not let a paused Domain R run.
    :param region_size: of its region, in bytes.
    :raises libvirt.libvirtError: there is no such domain.
    """

    def __init__(self, connection: 'libvirt.virConnect', name: str,
                 outgoing: job.OutgoingMigration, timeout_s: float,
                 hold_bandwidth_mib: int, bandwidth_mib: int = 0,
                 holds: bool = True, arrives_paused: bool = True,
                 region_size: int = wire.REGION_SIZE) -> None:
        self._job = job.Job(connection, name)
        self._outgoing = outgoing
        self._timeout_s = timeout_s
        self._hold_bandwidth_mib = hold_bandwidth_mib
        self._most_mib = bandwidth_mib or job.UNLIMITED_MIB
        self._bandwidth_mib = float(first_bandwidth_mib(bandwidth_mib))
        self._holds = holds
        self._arrives_paused = arrives_paused
        self._tail_bytes = region_size + _TAIL_BYTES
        self._deadline = 0.0
        self._has_hold_downtime = False
        self._has_begun = False

    def start(self) -> None:
        """Begin to copy its memory."""
        self._deadline = time.monotonic() + self._timeout_s
        self._outgoing.start()

    def hold(self) -> bool:
        """Keep it from switching over; whether all memory was copied once.

        To be called again and again, until then. A Domain R that has arrived
        all the same waits there for its instance, which counts as copied.

        :raises nova_dmore.exception.PairError: it failed or takes too long.
        """
        if not self._outgoing.is_alive():
            if self._arrives_paused and self._outgoing.succeeded():
                return True
            raise exception.PairError(
                'the migration of Domain R ended early: '
                f'{self._outgoing.error or "it left by itself"}')
        if self._holds:
            self._has_hold_downtime = (
                self._has_hold_downtime or self._job.limit(
                    downtime_ms=_HOLD_DOWNTIME_MS))
        progress = self._job.progress()
        self._has_begun = self._has_begun or progress is not None
        if progress is not None and self._is_copied(progress):
            return True
        if time.monotonic() > self._deadline:
            raise exception.PairError(
                'the pre-copy of Domain R took longer than [dmore] '
                f'precopy_timeout ({self._timeout_s} s)')
        return False

    def _is_copied(self, progress: job.Progress) -> bool:
        """Whether all was copied once, and the limits are those of a hold."""
        if not self._holds:
            return progress.iteration >= 2
        if progress.iteration >= 2:
            self._job.limit(bandwidth_mib=self._hold_bandwidth_mib)
            return self._has_hold_downtime
        if progress.iteration == 1:
            self._limit_first_pass(progress.remaining_bytes)
        return False

    def _limit_first_pass(self, remaining_bytes: int) -> None:
        """Have the first pass slow down towards its end."""
        wanted = (remaining_bytes - self._tail_bytes) / (1 << 20) / _REST_S
        wanted = min(max(wanted, wire.HOLD_BANDWIDTH_MIB_MAX), self._most_mib)
        if not (1 / _BANDWIDTH_STEP < wanted / self._bandwidth_mib
                < _BANDWIDTH_STEP):
            if self._job.limit(bandwidth_mib=int(wanted)):
                self._bandwidth_mib = wanted

    @property
    def may_be_stopped(self) -> bool:
        """Whether it runs at the destination if it is stopped now: a domain
        that is stopped before libvirt has begun with it arrives paused."""
        return self._arrives_paused or self._has_begun

    def switch_over(self) -> None:
        """Let it switch over, and stop it if it still runs. Nothing is done
        if it has arrived already.

        :raises nova_dmore.exception.PairError: its migration has failed, or
            it may not be stopped yet.
        """
        if not self._outgoing.is_alive():
            if self._outgoing.succeeded():
                return
            raise exception.PairError(
                f'the migration of Domain R has ended: {self._outgoing.error}')
        if not self.may_be_stopped and self._job.progress() is None:
            raise exception.PairError(
                'the instance stopped before the migration of Domain R had '
                'begun')
        self._job.suspend()
        self._job.limit(job.UNLIMITED_MIB, _FREE_DOWNTIME_MS)

    def wait_for_end(self, timeout_s: float) -> bool:
        """Wait for the end of the migration; whether Domain R has arrived."""
        self._outgoing.join(timeout_s)
        return self._outgoing.succeeded()

    def has_failed(self) -> bool:
        """Whether it is over, and Domain R has not arrived."""
        return not (self._outgoing.is_alive() or self._outgoing.succeeded())

    @property
    def error(self) -> str | None:
        """libvirt's text when the migration failed."""
        return self._outgoing.error

    def cancel(self) -> None:
        """Undo :meth:`start`: cancel the job, and libvirt resumes Domain R.
        Nothing is done if it has arrived already."""
        if self._outgoing.is_alive():
            self._job.abort()
            self._outgoing.join(_CANCEL_S)
        if self.has_failed():
            # It may have been stopped after the job had ended.
            self._job.resume()
