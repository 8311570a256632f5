# SPDX-License-Identifier: Apache-2.0
"""Slows the end of the instance's pre-copy until Domain R can go, too.

At the source, beside :mod:`nova_dmore.virt.migration.domain_r_migration`:
:mod:`nova_dmore.virt.migration.source` starts both. What follows is the stop
of the instance (:mod:`nova_dmore.virt.migration.switch_over`).

The memory of both is copied at the same time. QEMU switches the instance over,
without asking anybody, as soon as what remains can be sent within the downtime
limit. If Domain R was not copied once by then, it stands still for as long as
the rest of its copy takes; and if its port is not wired at the destination, no
client reaches it there (:mod:`nova_dmore.virt.migration.wire_wait`). So if
need be the end of the instance's first pass is made slow, for a few seconds,
and only then.

QEMU compares what remains with *limit times measured bandwidth*, at the end
of each pass over the memory. The lowest downtime limit is 1 ms. In that time a
fast link sends more than an idle instance dirties in a whole pass, so the
bandwidth has to be low as well. This is only an attempt: QEMU may switch over
all the same, and the migration goes on with that.
"""

import threading
import time
from collections.abc import Sequence

from nova_dmore.virt.migration import job

#: How often the progress of the pre-copy is read, in seconds.
_POLL_S = 0.01
#: The lowest downtime limit of QEMU, in milliseconds.
_SLOW_DOWNTIME_MS = 1
#: The end of the first pass is slowed in two steps. Pages of zeros take no
#: bandwidth and no time, so the first step begins early.
_TAIL_BYTES = 48 << 20
_TAIL_BANDWIDTH_MIB = 16
#: QEMU measures bandwidth over 100 ms and sends at once what it may send in
#: them. Only near the lowest limit does a pass last until its progress is
#: read.
_LAST_BYTES = 18 << 20
_LAST_BANDWIDTH_MIB = 2
#: For how long the instance's pre-copy is slowed at most, in seconds.
PATIENCE_S = 5.0
#: QEMU's default (migration/options.c), until Nova sets its first step.
_DEFAULT_DOWNTIME_MS = 300


class InstancePreCopy(threading.Thread):
    """One thread for the pre-copy of one instance.

    :param instance: the instance's job, which Nova's thread carries out.
    :param awaited: each is set when Domain R is ready in one respect, or
        when the instance migrates without it.
    :param bandwidth_mib: Nova's limit, 0 for none.
    """

    def __init__(self, instance: job.Job, awaited: Sequence[threading.Event],
                 bandwidth_mib: int, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._instance = instance
        self._awaited = awaited
        self._bandwidth_mib = bandwidth_mib or job.UNLIMITED_MIB
        self._downtime_ms = _DEFAULT_DOWNTIME_MS
        self._lock = threading.Lock()
        self._slowed_since: float | None = None
        self._ended = threading.Event()

    def set_max_downtime(self, milliseconds: int) -> None:
        """Use Nova's downtime limit, now or when the pre-copy is slow no
        more; called by Nova's monitor."""
        with self._lock:
            self._downtime_ms = milliseconds
            if self._slowed_since is None:
                self._instance.limit(downtime_ms=milliseconds)

    def end(self) -> None:
        """The instance's migration is over; returns when the thread has
        ended."""
        self._ended.set()
        self.join()

    def run(self) -> None:
        """Called by ``start()``."""
        try:
            while not (all(each.is_set() for each in self._awaited) or
                       self._ended.wait(_POLL_S) or self._was_slow_for_long()):
                self._slow_near_end()
        finally:
            self._restore_limits()

    def _was_slow_for_long(self) -> bool:
        return (self._slowed_since is not None and
                time.monotonic() - self._slowed_since > PATIENCE_S)

    def _slow_near_end(self) -> None:
        progress = self._instance.progress()
        if progress is None or progress.iteration == 0:
            return
        if progress.iteration > 1 or progress.remaining_bytes <= _LAST_BYTES:
            self._slow(_LAST_BANDWIDTH_MIB)
        elif progress.remaining_bytes <= _TAIL_BYTES:
            self._slow(_TAIL_BANDWIDTH_MIB)

    def _slow(self, bandwidth_mib: int) -> None:
        with self._lock:
            if self._instance.limit(min(bandwidth_mib, self._bandwidth_mib),
                                    _SLOW_DOWNTIME_MS):
                self._slowed_since = self._slowed_since or time.monotonic()

    def _restore_limits(self) -> None:
        """Give QEMU Nova's limits again."""
        with self._lock:
            if self._slowed_since is not None:
                self._instance.limit(self._bandwidth_mib, self._downtime_ms)
                self._slowed_since = None
