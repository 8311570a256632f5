# SPDX-License-Identifier: Apache-2.0
"""Which operation of Nova's a thread is in, for what Nova calls in it.

Nova reboots an instance by destroying it and making it again, say, and another
thread may delete the same instance meanwhile: the driver has to tell the two
calls of ``destroy`` apart.
"""

import contextlib
import threading
from collections.abc import Iterator


class UnderWay:
    """One kind of operation on the instances of this host."""

    def __init__(self) -> None:
        #: The uuid of each instance, with the thread that is in it.
        self._threads: set[tuple[str, int]] = set()

    @contextlib.contextmanager
    def on(self, instance_uuid: str) -> Iterator[None]:
        """This thread is in an operation on an instance."""
        entry = instance_uuid, threading.get_ident()
        self._threads.add(entry)
        try:
            yield
        finally:
            self._threads.discard(entry)

    def is_on(self, instance_uuid: str) -> bool:
        """Whether this very thread is in one on the instance."""
        return (instance_uuid, threading.get_ident()) in self._threads
