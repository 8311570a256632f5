# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""How long the guest takes to answer each key. Pure."""

import collections


class KeyClock:
    """Matches one typist's keys with the answers that its client receives.

    :ivar worst_s: the longest response since :meth:`restart`, in seconds
    """

    def __init__(self) -> None:
        self._waiting: collections.deque[tuple[int, float]] = (
            collections.deque())
        self.worst_s = 0.0

    @property
    def waiting(self) -> int:
        """Keys without an answer; those that were lost stay among them until a
        later one is answered."""
        return len(self._waiting)

    def sent(self, value: int, now: float) -> None:
        """A key was typed."""
        self._waiting.append((value, now))

    def answered(self, value: int, now: float) -> None:
        """An answer came; it is for the oldest key of this value."""
        for place, (waiting, sent) in enumerate(self._waiting):
            if waiting == value:
                self.worst_s = max(self.worst_s, now - sent)
                for _ in range(place + 1):
                    self._waiting.popleft()
                return

    def dropped(self) -> None:
        """The connection ended: no answer to what was typed is expected."""
        self._waiting.clear()

    def restart(self) -> None:
        """Forget the longest response so far."""
        self.worst_s = 0.0
