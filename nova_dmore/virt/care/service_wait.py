# SPDX-License-Identifier: Apache-2.0
"""The watch's wait for the host service, when that is away."""

import asyncio
from collections.abc import Awaitable, Callable

from oslo_log import log as logging

from nova_dmore.channel import text
from nova_dmore import exception

LOG = logging.getLogger(__name__)


class ServiceWait:
    """One for all that wait; used in the watch's own thread.

    :param is_there: returns, some time later, whether the host service
        answers.
    :param again: seconds after which it is asked once more.
    """

    def __init__(self, is_there: Callable[[], Awaitable[bool]], again: float
                 ) -> None:
        self._is_there = is_there
        self._again = again
        #: Asks whether the host service is there, while somebody waits for
        #: it.
        self._service: asyncio.Task[bool] | None = None

    async def was_away(self, error: Exception) -> bool:
        """Whether something failed because the host service is away; returns
        when that is back. Nothing need be wrong with any pair then.
        """
        if not isinstance(error, exception.HostServiceError):
            return False
        if self._service is None:
            self._service = asyncio.create_task(self._await_service(error))
        # Whoever does not wait any more must not end it for the others.
        return await asyncio.shield(self._service)

    async def _await_service(self, error: Exception) -> bool:
        """Ask, for all pairs, until the host service answers, and say once
        that it does not.

        :returns: whether it did not at first.
        """
        was_away = False
        while not await self._is_there():
            if not was_away:
                LOG.warning('No pair of this host is watched until the '
                            'host service is back: %s', text.printable(error))
            was_away = True
            await asyncio.sleep(self._again)
        self._service = None
        if was_away:
            LOG.warning('The host service is back: the pairs of this host '
                        'are watched again')
        return was_away
