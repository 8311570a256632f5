# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""Stops the instance of a co-migration, when its QEMU would do so anyway.

QEMU switches over, without asking anybody, as soon as what remains can be
sent within the downtime limit. A byte that was just written to its serial
port may then be lost with it or not, and nobody can tell. So while the leader
leads, QEMU's own limit is as low as can be, and the leader does what QEMU
would: within the limit that Nova set, it closes the gate and suspends the
instance. Whatever ends the leader gives QEMU Nova's limits back.

QEMU compares what remains with *limit times measured bandwidth*, at the end
of each pass over the memory. The lowest limit is 1 ms, in which a fast link
takes more than an idle instance dirties in a whole pass: so the end of the
first pass is made slowly, and not before Domain R was copied once.
"""

import threading
import time

from oslo_log import log as logging

from nova_dmore.virt.migration import job

LOG = logging.getLogger(__name__)

#: How often the pre-copy is looked at, in seconds.
_LOOK_S = 0.005
#: QEMU's own limit while the leader leads, in milliseconds: the lowest.
_LEAD_DOWNTIME_MS = 1
#: The end of the first pass, in two steps. Pages of zeros cost nothing and
#: are passed in no time, so the first step begins a share of the memory early.
_TAIL_BYTES = 16 << 20
_TAIL_SHARE = 0.1
_TAIL_MAX_BYTES = 48 << 20
_TAIL_BANDWIDTH_MIB = 16
#: QEMU measures bandwidth over 100 ms and spends what it may send in them at
#: once: only near the lowest limit does the second pass of an idle instance
#: last until it is noticed. The last block is mostly the 16 MiB of video
#: memory, zeros as a rule; where it is not, patience ends.
_LAST_BYTES = 18 << 20
_LAST_BANDWIDTH_MIB = 2
_LAST_S = 1.5
#: QEMU's default (migration/options.c), until Nova sets its first step.
_DEFAULT_DOWNTIME_MS = 300


class Leader(threading.Thread):
    """One thread for the pre-copy of one instance.

    :param instance: the instance's job, looked at and not carried here.
    :param companion_ready: set when Domain R may be stopped with it, or does
        not come along.
    :param close_gate: closes the gate of the pair's input; must not raise.
    :param bandwidth_mib: Nova's limit, 0 for none.
    """

    def __init__(self, instance: job.Job, companion_ready: threading.Event,
                 close_gate, bandwidth_mib: int, name: str):
        super().__init__(name=name, daemon=True)
        self._instance = instance
        self._companion_ready = companion_ready
        self._close_gate = close_gate
        self._bandwidth_mib = bandwidth_mib or job.UNLIMITED_MIB
        self._downtime_ms = _DEFAULT_DOWNTIME_MS
        self._ended = threading.Event()
        #: Until when the last bytes of the first pass are sent slowly.
        self._patience_ends: float | None = None
        #: Whether the instance was suspended here.
        self.suspended = False

    def set_downtime(self, milliseconds: int) -> None:
        """Take Nova's downtime limit; called by Nova's monitor."""
        self._downtime_ms = milliseconds
        if self._ended.is_set():
            self._instance.limit(downtime_ms=milliseconds)

    def end(self) -> None:
        """The instance's migration is over; returns when the thread is."""
        self._ended.set()
        self.join()

    def run(self) -> None:
        """Called by ``start()``."""
        try:
            if self._take_the_lead():
                self._wait_until_near()
        finally:
            self._ended.set()
            self._instance.limit(self._bandwidth_mib, self._downtime_ms)

    def _take_the_lead(self) -> bool:
        """Lower QEMU's own limit, as soon as there is a job."""
        while not self._ended.wait(_LOOK_S):
            if self._instance.limit(downtime_ms=_LEAD_DOWNTIME_MS):
                return True
        return False

    def _wait_until_near(self) -> None:
        limit = self._bandwidth_mib
        fastest = 0
        while not self._ended.wait(_LOOK_S):
            progress = self._instance.progress()
            if progress is None or progress.iteration == 0:
                continue
            if limit == self._bandwidth_mib:
                fastest = max(fastest, progress.bytes_per_second)
            # Before the second pass nothing is known of what gets dirty.
            if progress.iteration == 1:
                wanted = self._first_pass_limit(progress)
            elif (self._companion_ready.is_set() and
                    progress.remaining_bytes * 1000 <= self._downtime_ms *
                    max(fastest, progress.bytes_per_second)):
                self._close_gate()
                self.suspended = self._instance.suspend()
                return
            else:
                wanted = self._bandwidth_mib
            if wanted != limit and self._instance.limit(bandwidth_mib=wanted):
                limit = wanted

    def _first_pass_limit(self, progress: job.Progress) -> int:
        if progress.remaining_bytes <= _LAST_BYTES:
            if self._patience_ends is None:
                self._patience_ends = time.monotonic() + _LAST_S
            if (time.monotonic() < self._patience_ends or
                    not self._companion_ready.is_set()):
                return min(_LAST_BANDWIDTH_MIB, self._bandwidth_mib)
        tail = min(_TAIL_BYTES + _TAIL_SHARE * progress.total_bytes,
                   _TAIL_MAX_BYTES)
        if progress.remaining_bytes <= tail:
            return min(_TAIL_BANDWIDTH_MIB, self._bandwidth_mib)
        return self._bandwidth_mib
