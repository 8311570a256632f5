# SPDX-License-Identifier: Apache-2.0
"""The locks of pairs, which do not make a deletion wait."""

import contextlib
import threading
import weakref
from collections.abc import Callable
from collections.abc import Iterator

from oslo_log import log as logging

from nova_dmore.channel import text

LOG = logging.getLogger(__name__)


class PairLock:
    """A re-entrant lock; what is left to its holder, the holder does last.

    :param released: called each time the lock has become free, by the thread
        that had it.
    """

    def __init__(self, released: Callable[[], None]) -> None:
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

    @contextlib.contextmanager
    def held(self, wait_s: float = -1) -> Iterator[bool]:
        """As :meth:`acquire`, and give it back at the end.

        :returns: a context manager; whether this thread has it.
        """
        locked = self.acquire(wait_s)
        try:
            yield locked
        finally:
            if locked:
                self.release()

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


class PairLocks:
    """The locks of a host, one for each instance's uuid.

    :param released: called with that uuid each time a lock has become free,
        by the thread that had it.
    """

    def __init__(self, released: Callable[[str], None]) -> None:
        self._released = released
        self._guard = threading.Lock()
        #: Those that somebody has or waits for: no other is of use.
        self._locks: weakref.WeakValueDictionary[str, PairLock] = (
            weakref.WeakValueDictionary())

    def of(self, instance_uuid: str) -> PairLock:
        """The lock of one pair, which need not exist."""
        with self._guard:
            found = self._locks.get(instance_uuid)
            if found is None:
                found = self._locks[instance_uuid] = PairLock(
                    lambda: self._released(instance_uuid))
            return found
