# SPDX-License-Identifier: Apache-2.0
"""The watch's wait for a pair's gaps, and for the end of its process.

A request waits at the shadow-device process; its connection ends with that.
"""

import asyncio
from collections.abc import Awaitable, Callable

from nova_dmore.client import shadow_client


class GapWait:
    """One for each pair; used in the watch's own thread.

    :param request: returns, some time later, the request that waits; None:
        the process does not answer.
    :param interval: seconds for which a worker of an earlier release, which
        does not know the request, is not asked again.
    """

    def __init__(
            self,
            request: Callable[[], Awaitable[shadow_client.GapsRequest | None]],
            interval: float) -> None:
        self._make_request = request
        self._interval = interval
        #: Waits for gaps; None: nobody tells of them, so they are asked for.
        self._request: shadow_client.GapsRequest | None = None
        #: Set when that has its answer, or its connection has ended.
        self.told = asyncio.Event()
        #: Until then (by the loop) the worker is not asked again.
        self._refused_until = 0.0

    @property
    def is_begun(self) -> bool:
        """Whether somebody tells of gaps."""
        return self._request is not None

    async def begin(self) -> None:
        """Have the process tell of gaps, and of its end."""
        loop = asyncio.get_running_loop()
        if self._request is None and loop.time() >= self._refused_until:
            self._request = await self._make_request()
            if self._request is not None:
                loop.add_reader(self._request, self._on_gaps)

    def _on_gaps(self) -> None:
        """There are gaps, or the process or its worker has ended."""
        if self._request is not None and self._request.is_refused():
            self._refused_until = (asyncio.get_running_loop().time()
                                   + self._interval)
        self.end()
        self.told.set()

    def end(self) -> None:
        """Wait no longer."""
        if self._request is not None:
            asyncio.get_running_loop().remove_reader(self._request)
            self._request.close()
            self._request = None
