# SPDX-License-Identifier: Apache-2.0
"""The lock of one pair, which does not make a deletion wait."""

import threading
from collections.abc import Callable

from oslo_log import log as logging

from nova_dmore.channel import text

LOG = logging.getLogger(__name__)


class PairLock:
    """A re-entrant lock; what is left to its holder, the holder does last.

    :param released: called each time the lock has become free, by the thread
        that had it.
    """

    def __init__(self, released: Callable[[], None]):
        self._released = released
        self._lock = threading.RLock()
        #: How often the thread that has the lock has taken it.
        self._depth = 0
        self._guard = threading.Lock()
        self._left: Callable[[], None] | None = None

    def acquire(self, wait_s: float = -1) -> bool:
        """Take it.

        :param wait_s: longest wait, in seconds; -1: for as long as it takes.
        :returns: whether this thread has it.
        """
        if not self._lock.acquire(timeout=wait_s):
            return False
        self._depth += 1
        return True

    def acquire_or_leave(self, function: Callable[[], None]) -> bool:
        """Take it if it is free; else have ``function`` called by the thread
        that has it, before anybody else gets it.

        :returns: whether this thread has it.
        """
        with self._guard:
            if self.acquire(wait_s=0):
                return True
            self._left = function
            return False

    def release(self) -> None:
        """Give it back, as often as it was taken."""
        while (left := self._release_unless_left()) is not None:
            try:
                left()
            except Exception as error:  # noqa: H201
                # Nobody waits for it: this thread came for something else,
                # and still has the lock.
                LOG.error('Left over of a pair: %s', text.printable(error),
                          exc_info=True)

    def _release_unless_left(self) -> Callable[[], None] | None:
        """Give it back once; or, if there is something to be done before,
        return that, and nothing is given back."""
        with self._guard:
            if self._depth == 1 and self._left is not None:
                left, self._left = self._left, None
                return left
            self._depth -= 1
            is_free = self._depth == 0
            self._lock.release()
        if is_free:
            self._released()
        return None
