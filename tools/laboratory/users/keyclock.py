# SPDX-License-Identifier: Apache-2.0
"""How long the guest takes to answer each key. Pure."""

import collections


class KeyClock:
    """Matches one typist's keys with the answers that its client receives.

    :ivar responses: of each answered key since :meth:`restart`, when it was
        typed and when it was answered, in seconds
    """

    def __init__(self) -> None:
        self._waiting: collections.deque[tuple[int, int, float]] = (
            collections.deque())
        self.responses: list[tuple[float, float]] = []

    @property
    def responses_s(self) -> list[float]:
        """How long each answer took."""
        return [answered - sent for sent, answered in self.responses]

    @property
    def worst_s(self) -> float:
        """The longest response since :meth:`restart`, in seconds."""
        return max(self.responses_s, default=0.0)

    @property
    def waiting(self) -> int:
        """Keys without an answer; those that were lost stay among them until a
        later one is answered."""
        return len(self._waiting)

    def sent(self, number: int, value: int, now: float) -> None:
        """A key was typed."""
        self._waiting.append((number, value, now))

    def answered(self, value: int, now: float) -> None:
        """An answer came; it is for the oldest key of this value."""
        for place, (_, waiting, sent) in enumerate(self._waiting):
            if waiting == value:
                self.responses.append((sent, now))
                for _ in range(place + 1):
                    self._waiting.popleft()
                return

    def answered_before(self, number: int, now: float) -> None:
        """All keys below a number were answered."""
        while self._waiting and self._waiting[0][0] < number:
            self.responses.append((self._waiting.popleft()[2], now))

    def dropped(self) -> None:
        """The connection ended: no answer to what was typed is expected."""
        self._waiting.clear()

    def restart(self) -> None:
        """Forget the responses so far."""
        self.responses = []
