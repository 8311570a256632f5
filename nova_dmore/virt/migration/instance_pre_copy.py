# SPDX-License-Identifier: Apache-2.0
"""Keeps an instance from leaving before its Domain R may go with it.

Both are copied at the same time. QEMU switches the instance over, without
asking anybody, as soon as what remains can be sent within the downtime limit;
that is what leads, and Domain R follows. If Domain R was not copied once by
then, it would stand still for as long as the rest takes. So the end of the
instance's first pass is made slowly for a while, if need be, and only then.

QEMU compares what remains with *limit times measured bandwidth*, at the end
of each pass over the memory. The lowest limit is 1 ms, in which a fast link
takes more than an idle instance dirties in a whole pass: so the bandwidth has
to be low as well. It is no more than an attempt; what QEMU decides holds.
"""

import threading
import time

from nova_dmore.virt.migration import job

#: How often the pre-copy is looked at, in seconds.
_LOOK_S = 0.01
#: The lowest downtime limit of QEMU, in milliseconds.
_SLOW_DOWNTIME_MS = 1
#: The end of the first pass, in two steps. Pages of zeros cost nothing and
#: are passed in no time, so the first step begins early.
_TAIL_BYTES = 48 << 20
_TAIL_BANDWIDTH_MIB = 16
#: QEMU measures bandwidth over 100 ms and spends what it may send in them at
#: once: only near the lowest limit does a pass last until it is noticed.
_LAST_BYTES = 18 << 20
_LAST_BANDWIDTH_MIB = 2
#: For how long the instance is slowed at most, in seconds.
PATIENCE_S = 5.0
#: QEMU's default (migration/options.c), until Nova sets its first step.
_DEFAULT_DOWNTIME_MS = 300


class Leader(threading.Thread):
    """One thread for the pre-copy of one instance.

    :param instance: the instance's job, looked at and not carried here.
    :param companion_ready: set when Domain R was copied once, or does not
        come along.
    :param bandwidth_mib: Nova's limit, 0 for none.
    """

    def __init__(self, instance: job.Job, companion_ready: threading.Event,
                 bandwidth_mib: int, name: str):
        super().__init__(name=name, daemon=True)
        self._instance = instance
        self._companion_ready = companion_ready
        self._bandwidth_mib = bandwidth_mib or job.UNLIMITED_MIB
        self._downtime_ms = _DEFAULT_DOWNTIME_MS
        self._lock = threading.Lock()
        self._slowed_since: float | None = None
        self._ended = threading.Event()

    def set_downtime(self, milliseconds: int) -> None:
        """Take Nova's downtime limit; called by Nova's monitor."""
        with self._lock:
            self._downtime_ms = milliseconds
            if self._slowed_since is None:
                self._instance.limit(downtime_ms=milliseconds)

    def end(self) -> None:
        """The instance's migration is over; returns when the thread is."""
        self._ended.set()
        self.join()

    def run(self) -> None:
        """Called by ``start()``."""
        try:
            while not (self._companion_ready.is_set() or
                       self._ended.wait(_LOOK_S) or self._is_impatient()):
                self._look()
        finally:
            self._let_go()

    def _is_impatient(self) -> bool:
        return (self._slowed_since is not None and
                time.monotonic() - self._slowed_since > PATIENCE_S)

    def _look(self) -> None:
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

    def _let_go(self) -> None:
        """Give QEMU Nova's limits back."""
        with self._lock:
            if self._slowed_since is not None:
                self._instance.limit(self._bandwidth_mib, self._downtime_ms)
                self._slowed_since = None
