# SPDX-License-Identifier: Apache-2.0
"""Log lines that clients can cause: once in a while each, and counted.

Whatever the clients do, there are at most ``KEPT + 2`` lines in a period.
"""

import asyncio
import dataclasses
from collections.abc import Callable

#: How long what was said is not said again, in seconds.
PERIOD_S = 600
#: Different things that are said in one period.
KEPT = 32

Later = Callable[[float, Callable[[], None]], object]


@dataclasses.dataclass
class _Said:
    """One thing; the latest text of it, and how often it was left out."""

    level: str
    text: str
    more: int = 0


class Once:
    """Says each thing at once, and again with a count when a period ends."""

    def __init__(self, log: Callable[[str, str], None],
                 later: Later | None = None) -> None:
        """Nothing was said yet.

        :param log: called with a level and a text
        :param later: calls a function after so many seconds; by default
            that of the event loop that runs
        """
        self._log = log
        self._later = later
        self._said: dict[str, _Said] = {}
        self._left_out = 0      # things that there was no room for
        self._runs = False      # a period

    def say(self, what: str, level: str, text: str) -> None:
        """Log a text now, or count it if the same thing was said lately.

        :param what: tells one thing from others
        :param text: printable
        """
        self._begin()
        said = self._said.get(what)
        if said is not None:
            said.level, said.text = level, text
            said.more += 1
        elif len(self._said) < KEPT:
            self._said[what] = _Said(level, text)
            self._log(level, text)
        else:
            self._left_out += 1

    def _begin(self) -> None:
        if not self._runs:
            self._runs = True
            later = self._later or asyncio.get_running_loop().call_later
            later(PERIOD_S, self._end)

    def _end(self) -> None:
        """Say the counts; what goes on is said at the next end only."""
        self._runs = False
        self._said = {what: said for what, said in self._said.items()
                      if said.more}
        for said in self._said.values():
            self._log(said.level, f'{said.text} ({said.more} times more in '
                      f'{PERIOD_S} s)')
            said.more = 0
        if self._left_out:
            self._log('warning', f'{self._left_out} more lines of this kind '
                      f'in {PERIOD_S} s are left out')
            self._left_out = 0
        if self._said:
            self._begin()
