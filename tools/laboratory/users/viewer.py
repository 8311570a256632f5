# SPDX-License-Identifier: Apache-2.0
"""A user at a VNC console, who reads the answers in the picture."""

import time
from collections.abc import Callable

from laboratory.users.sessions import Session, VncSession
from laboratory.users.transcript import Ledger
from laboratory.users.typist import Typist
from laboratory.vnc.encodings import Pixels
from laboratory.vnc.picture import Screen

PROGRAM = 'dmore-screen'
#: Seconds without a change after which a picture has settled.
_QUIET_S = 1.0


class Viewer(Typist):
    """One user. What is received is a picture, which may change meanwhile."""

    def __init__(self, name: str, open_session: Callable[[], Session],
                 say: Callable[[str], None]) -> None:
        super().__init__(name, 0, open_session, say)
        self._picture: Pixels | None = None
        self._updated = time.monotonic()
        self._next: int | None = None
        self._asked = 0
        self._missing = self._duplicated = 0
        self.start()

    def settled(self, seconds: float) -> Pixels | None:
        """The picture, once it has not changed for a while; none if it never
        stops to."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with self._changed:
                updated, picture = self._updated, self._picture
            time.sleep(max(0.0, updated + _QUIET_S - time.monotonic()))
            if picture is not None:
                copy = picture.copy()
                with self._changed:
                    if self._updated == updated:
                        return copy
        return None

    @property
    def _ready(self) -> bool:
        return self._next is not None

    def _take(self, data: object, now: float) -> str | None:
        assert isinstance(data, VncSession)
        self._picture = picture = data.picture
        self._updated = now
        screen = Screen(picture)
        shown = screen.next()
        if shown is None:
            return None
        if self._next is None or shown > self._next:
            self._next = shown
            self._clock.answered_before(shown, now)
        ledger = screen.ledger()
        if ledger and ledger['asked'] > self._asked:
            self._asked = ledger['asked']
            self._ledgers.append(self._told(ledger, shown))
        return None

    def _told(self, ledger: dict[str, int], shown: int) -> Ledger:
        """A ledger in the form that the other helper tells its own in.

        :param shown: what the picture said of the keys before
        """
        self._missing += max(0, ledger['next'] - shown)
        self._duplicated += max(0, shown - ledger['next'])
        counts = {name: ledger[name]
                  for name in ('received', 'duplicated', 'reordered')}
        return Ledger({'typists': [{**counts, 'foreign': 0}],
                       'foreign': ledger['foreign']},
                      self._missing, self._duplicated)

    def _cut(self) -> None:
        self._picture = None

    def _output(self) -> tuple[int, int]:
        return self._missing, self._duplicated
