# SPDX-License-Identifier: Apache-2.0
"""Images that are being fetched: one thread does it for all who want one."""

import threading
from collections.abc import Callable
from concurrent import futures

from nova_dmore.virt.images import image_source
from nova_dmore.virt import limited


class Fetches:
    """The fetches of one host.

    :param fetch: has an image on this host; called by the thread that wants
        it first.
    """

    def __init__(self, fetch: Callable[[image_source.Candidate], None]
                 ) -> None:
        self._fetch = fetch
        self._lock = threading.Lock()
        #: What becomes of those that are under way.
        self._under_way: dict[
            image_source.Candidate, futures.Future[None]] = {}

    def have(self, candidate: image_source.Candidate) -> None:
        """Fetch an image, or wait for the thread that fetches it.

        Who waits gets what that one gets, an error too: each would wait as
        long for the same.

        :raises image_source.RefusedError: it is not here after
            ``limited.IMAGE_S``.
        :raises Exception: what ``fetch`` raised.
        """
        with self._lock:
            first = self._under_way.get(candidate)
            if first is None:
                mine = self._under_way[candidate] = futures.Future()
        if first is not None:
            try:
                first.result(limited.IMAGE_S)
            except futures.TimeoutError as error:
                raise image_source.RefusedError(
                    f'it is not here after {limited.IMAGE_S:.0f} s',
                    lasting=False) from error
            return
        try:
            self._fetch(candidate)
        except BaseException as error:  # noqa: H201
            # It is also theirs who wait.
            mine.set_exception(error)
            raise
        else:
            mine.set_result(None)
        finally:
            with self._lock:
                del self._under_way[candidate]
