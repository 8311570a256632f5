# SPDX-License-Identifier: Apache-2.0
"""Whose terminal answers what the instance asks of terminals.

One of all clients does: who typed last before the instance asked. Each client
gets the question when it has room for it, so that is told by the offset of
the question in the output, and not by who typed last when it is delivered.
"""

import collections
from collections.abc import Iterable

from nova_dmore.domr import console_client

#: Of so many changes it is known who typed. Before these it is whoever typed
#: first after them.
_CHANGES_MAX = 64


class Answering:
    """Tells which of all clients of one console answers."""

    def __init__(self) -> None:
        #: Offset from which on it answers, and client.
        self._typed: collections.deque[
            tuple[int, console_client.Client]] = collections.deque(
                maxlen=_CHANGES_MAX)

    def typed(self, client: console_client.Client, end: int) -> None:
        """A client that has a terminal typed something.

        :param end: offset after the last byte of output
        """
        if self._typed and self._typed[-1][0] == end:
            self._typed.pop()
        if not self._typed or self._typed[-1][1] is not client:
            self._typed.append((end, client))

    def forget(self, client: console_client.Client) -> None:
        """It is gone."""
        left = [each for each in self._typed if each[1] is not client]
        self._typed.clear()
        self._typed.extend(left)

    def next_after(self, offset: int) -> int | None:
        """Offset at which another client begins to answer."""
        if not self._typed or self._typed[-1][0] <= offset:
            return None     # as for nearly all output
        return next((start for start, _ in self._typed if start > offset),
                    None)

    def is_of(self, client: console_client.Client, offset: int,
              clients: Iterable[console_client.Client]) -> bool:
        """Whether a client answers what was printed at an offset.

        Before anybody has typed it is the person that came first, or, without
        any, the terminal that did.

        :param clients: all, those that came first before others
        """
        for start, typist in reversed(self._typed):
            if start <= offset:
                return client is typist
        there = [each for each in clients if each.stream is not None
                 and each.finished is None and each.printed_before <= offset]
        persons = [each for each in there if each.is_person]
        return client is next(iter(persons or there), None)
