# SPDX-License-Identifier: Apache-2.0
"""What may block, called in threads beside an event loop.

The watch (:mod:`nova_dmore.virt.care.watch`) does so with all that it has to
do: a pool of threads would have one pair wait for another.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent import futures
from typing import Any, TypeVar

_T = TypeVar('_T')


class Aside:
    """Calls each function in a thread of its own, which ends with it.

    :param name: of the threads.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        #: Those that do something now.
        self._threads: set[threading.Thread] = set()

    async def call(self, function: Callable[..., _T], *arguments: Any) -> _T:
        """-> what the function returns; called in the event loop's thread.

        A caller that is cancelled meanwhile leaves the thread behind, which
        goes on.

        :raises Exception: what the function raises.
        """
        future: futures.Future[_T] = futures.Future()
        future.set_running_or_notify_cancel()

        def run() -> None:
            try:
                future.set_result(function(*arguments))
            except Exception as error:  # noqa: H201 - whoever waits gets it
                future.set_exception(error)
            finally:
                self._threads.discard(thread)

        thread = threading.Thread(target=run, name=self._name, daemon=True)
        self._threads.add(thread)
        thread.start()
        return await asyncio.wrap_future(future)

    def join(self, deadline: float) -> None:
        """Wait for what is being done; called in any thread.

        :param deadline: when to wait no longer (CLOCK_MONOTONIC seconds).
        """
        for thread in list(self._threads):
            thread.join(max(0, deadline - time.monotonic()))
