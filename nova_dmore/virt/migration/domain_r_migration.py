# SPDX-License-Identifier: Apache-2.0
"""Domain R's own migration: begun, held, let go, or given up.

It arrives paused, and is let run where its instance runs. So if it leaves
before its instance, nothing is lost: but the console stands still from then
until the instance has moved too, which may be long. It is held for the
shortness of that alone. QEMU switches over as soon as what remains can be sent
within the downtime limit, so the limit is the lowest, and Domain R keeps more
pages dirty than go into it for as long as it is asked to
(:mod:`nova_dmore.domr.hold`).

A fast link takes all of these in a few milliseconds, and if none is written to
meanwhile, Domain R leaves. So the bandwidth has to be low before the first
pass is over, but not much sooner, or the pass takes long. QEMU sends what it
may send in 100 ms as fast as it can, and then waits for the next 100 ms: in
each of them it may send what brings it near the end, and at the end less than
Domain R keeps dirty. At 1 to 2.5 GB/s, 16 of 24 left early without that, and
none of 46 with it; their first pass took 0.3 s instead of 0.1.
"""

import time

from nova_dmore import exception
from nova_dmore.virt.migration import job
from nova_dmore import wire

#: A stop of 1 ms keeps QEMU from switching Domain R over by itself, as long
#: as more pages stay dirty than are sent in that time.
_HOLD_DOWNTIME_MS = 1
#: The bandwidth that its first pass begins with: so little is sent in the
#: first 100 ms that it is not near its end when it is first looked at.
_FIRST_BANDWIDTH_MIB = 256
#: What comes last: QEMU sends the largest piece of memory first. The region is
#: mostly zeros, which cost nothing and are passed in no time.
_TAIL_BYTES = wire.REGION_SIZE + (1 << 20)
#: Its bandwidth: in 100 ms less than Domain R keeps dirty.
TAIL_BANDWIDTH_MIB = 16
#: In which time the rest may be sent, in seconds: some more than 100 ms, or
#: the tail would be reached without a look.
_PACE_S = 0.12
#: The bandwidth is changed when it ought to be this many times as large, or
#: as small.
_PACE_STEP = 1.4
#: Limits that let a stopped Domain R go: as fast as it can.
_FREE_DOWNTIME_MS = 5000
#: Longest wait for the end of a job that is cancelled, in seconds.
_CANCEL_S = 15.0


def first_bandwidth_mib(limit_mib: int) -> int:
    """The bandwidth that a migration that is held has to begin with.

    :param limit_mib: Nova's limit, 0 for none.
    """
    return min(limit_mib or job.UNLIMITED_MIB, _FIRST_BANDWIDTH_MIB)


class Companion:
    """One migration of one Domain R.

    :param connection: a libvirt connection that carries no migration.
    :param outgoing: a :class:`job.OutgoingDomain`, not started.
    :param timeout_s: longest duration of the first pass over its memory.
    :param hold_bandwidth_mib: bandwidth after that, in MiB/s.
    :param bandwidth_mib: Nova's limit, 0 for none.
    :param holds: False: it leaves as soon as QEMU finds that it can.
    :param arrives_paused: False: it runs as soon as it has arrived, at a
        destination that lets none run.
    :raises libvirt.libvirtError: there is no such domain.
    """

    def __init__(self, connection, name: str, outgoing: job.OutgoingDomain,
                 timeout_s: float, hold_bandwidth_mib: int,
                 bandwidth_mib: int = 0, holds: bool = True,
                 arrives_paused: bool = True):
        self._job = job.Job(connection, name)
        self._outgoing = outgoing
        self._timeout_s = timeout_s
        self._hold_bandwidth_mib = hold_bandwidth_mib
        self._most_mib = bandwidth_mib or job.UNLIMITED_MIB
        self._paced_mib = float(first_bandwidth_mib(bandwidth_mib))
        self._holds = holds
        self._arrives_paused = arrives_paused
        self._deadline = 0.0
        self._limited = False
        self._begun = False

    def start(self) -> None:
        """Begin to copy its memory."""
        self._deadline = time.monotonic() + self._timeout_s
        self._outgoing.start()

    def hold(self) -> bool:
        """Keep it from leaving; whether all its memory was copied once.

        To be called again and again, until then. One that has left all the
        same waits for its instance.

        :raises nova_dmore.exception.PairError: it failed or takes too long.
        """
        if not self._outgoing.is_alive():
            if self._arrives_paused and self._outgoing.succeeded():
                return True
            raise exception.PairError(
                'the migration of Domain R ended early: '
                f'{self._outgoing.error or "it left by itself"}')
        if self._holds:
            self._limited = self._limited or self._job.limit(
                downtime_ms=_HOLD_DOWNTIME_MS)
        progress = self._job.progress()
        self._begun = self._begun or progress is not None
        if progress is not None and self._is_copied(progress):
            return True
        if time.monotonic() > self._deadline:
            raise exception.PairError(
                'the pre-copy of Domain R took longer than [dmore] '
                f'precopy_timeout ({self._timeout_s} s)')
        return False

    def _is_copied(self, progress: job.Progress) -> bool:
        """Whether all was copied once, and it is held if it shall be."""
        if not self._holds:
            return progress.iteration >= 2
        if progress.iteration >= 2:
            self._job.limit(bandwidth_mib=self._hold_bandwidth_mib)
            return self._limited
        if progress.iteration == 1:
            self._pace(progress.remaining_bytes)
        return False

    def _pace(self, remaining_bytes: int) -> None:
        """Have the first pass near its end slowly."""
        wanted = (remaining_bytes - _TAIL_BYTES) / (1 << 20) / _PACE_S
        wanted = min(max(wanted, TAIL_BANDWIDTH_MIB), self._most_mib)
        if not 1 / _PACE_STEP < wanted / self._paced_mib < _PACE_STEP:
            if self._job.limit(bandwidth_mib=int(wanted)):
                self._paced_mib = wanted

    @property
    def may_be_stopped(self) -> bool:
        """Whether it runs at the destination if it is stopped now: what is
        stopped before libvirt has begun with it arrives paused."""
        return self._arrives_paused or self._begun

    def release(self) -> None:
        """Let it go, and stop it if it has not been; nothing is to be done
        if it has left already.

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

    def arrived(self, timeout_s: float) -> bool:
        """Wait for the end of the migration; whether it ended well."""
        self._outgoing.join(timeout_s)
        return self._outgoing.succeeded()

    @property
    def error(self) -> str | None:
        """libvirt's text when the migration failed."""
        return self._outgoing.error

    def give_up(self) -> None:
        """Undo start: cancel the job, and libvirt resumes Domain R."""
        if self._outgoing.is_alive():
            self._job.abort()
            self._outgoing.join(_CANCEL_S)
        if not self._outgoing.is_alive() and not self._outgoing.succeeded():
            # It may have been stopped when the job was over already.
            self._job.resume()
