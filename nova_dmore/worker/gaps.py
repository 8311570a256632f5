# SPDX-License-Identifier: Apache-2.0
"""Reports of bytes that did not, or perhaps did not, arrive."""

import time
from collections.abc import Iterable
from typing import Any, TypeAlias

from nova_dmore.channel import text
from nova_dmore import wire

#: A report as nova-compute gets it: the fields of wire.GapReport.
Report: TypeAlias = dict[str, Any]


class GapLog:
    """The reports of a pair, numbered, until nova-compute took them.

    Of more than ``wire.GAPS_MAX`` the older ones give way: of those there is
    one report per stream, of how many they were.

    :param kept: :meth:`to_notes` of an earlier worker, or None.
    """

    def __init__(self, kept: dict[str, Any] | None = None) -> None:
        kept = kept or {'next': 1, 'gaps': []}
        self._next = kept['next']
        self._gaps: list[Report] = list(kept['gaps'])
        #: Stream -> (how many reports, their bytes or None, the report).
        self._more: dict[str, tuple[int, int | None, Report]] = {
            stream: (number, count, report) for stream, (number, count, report)
            in kept.get('more', {}).items()}

    def add(self, stream: wire.Stream, kind: wire.GapKind, reason: str,
            at: int | None = None, count: int | None = None,
            migration_id: str | None = None) -> Report:
        """Add a report and return it as a dict.

        :param at: offset in the stream, None: not known.
        :param count: number of bytes, None: not known.
        """
        gap = self._report(stream.name.lower(), at, count,
                           wire.GapKind(kind), text.printable(reason),
                           migration_id)
        self._gaps.append(gap)
        if len(self._gaps) > wire.GAPS_MAX:
            # The oldest of all is kept: it is the one that explains.
            self._give_way(self._gaps.pop(1))
        return gap

    def shorten(self) -> bool:
        """Have half of the reports give way, for there is no room to keep
        them -> whether there were any."""
        count = len(self._gaps) // 2
        for gap in self._gaps[1:1 + count]:
            self._give_way(gap)
        del self._gaps[1:1 + count]
        return count > 0

    def _report(self, stream: str, at: int | None, count: int | None,
                kind: wire.GapKind, reason: str, migration_id: str | None
                ) -> Report:
        self._next += 1
        return {'number': self._next - 1, 'stream': stream, 'at': at,
                'bytes': count, 'kind': kind.value, 'reason': reason,
                'migration_id': migration_id, 'time': time.time()}

    def _give_way(self, gap: Report) -> None:
        stream = gap['stream']
        number, count, _ = self._more.get(stream, (0, 0, gap))
        number += 1
        count = (None if count is None or gap['bytes'] is None
                 else count + gap['bytes'])
        # With a new number: who has seen the last one has not seen this.
        self._more[stream] = number, count, self._report(
            stream, None, count, wire.GapKind.UNKNOWN,
            f'{number} reports more, for which there was no room', None)

    def forget(self, numbers: Iterable[int]) -> None:
        """Drop the reports with these numbers; unknown ones are ignored."""
        numbers = set(numbers)
        self._gaps = [gap for gap in self._gaps
                      if gap['number'] not in numbers]
        self._more = {stream: each for stream, each in self._more.items()
                      if each[-1]['number'] not in numbers}

    def reports(self) -> list[Report]:
        """-> the reports, oldest first, then those of what gave way."""
        return self._gaps + [each[-1] for each in self._more.values()]

    def to_notes(self) -> dict[str, Any]:
        """-> a JSON object for :class:`nova_dmore.link.notes.Notes`."""
        return {'next': self._next, 'gaps': self._gaps,
                'more': {stream: list(each)
                         for stream, each in self._more.items()}}
