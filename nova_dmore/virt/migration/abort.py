# SPDX-License-Identifier: Apache-2.0
"""A user aborts a live migration before libvirt was asked for it.

At the source. Nova has libvirt abort its job, and that is all it does: where
there is none yet, the abort fails, and the live migration goes on. With a pair
there is none for as long as Domain R's migration is prepared, which is long
where the destination does not answer.

Then Nova's operation returns, and its monitor is told that the job was
cancelled, as libvirt would tell: Nova rolls the live migration back, and says
that it was cancelled.
"""

import threading


class Abort:
    """Of one live migration; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_requested = False
        self._is_aborted = False

    def request(self) -> bool:
        """libvirt is about to be asked to migrate the instance.

        :returns: whether it may be.
        """
        with self._lock:
            self._is_requested = not self._is_aborted
            return self._is_requested

    def abort(self) -> bool:
        """Have libvirt not be asked, if it was not yet.

        :returns: False: it was; it has to abort.
        """
        with self._lock:
            self._is_aborted = not self._is_requested
            return self._is_aborted

    def is_aborted(self) -> bool:
        """Whether libvirt is not asked any more."""
        with self._lock:
            return self._is_aborted
