# SPDX-License-Identifier: Apache-2.0
"""What came of it, for programs and for people. Pure."""

import dataclasses
from collections.abc import Sequence

from laboratory import tables

OK, FAILS, NOT_APPLICABLE = 'ok', 'fails', 'n/a'
#: At which consoles each case is tried.
KINDS = ('stock', 'dmore', 'dmore_migrated')


@dataclasses.dataclass(frozen=True)
class Result:
    """:param reason: why it is not :data:`OK`"""

    verdict: str
    reason: str = ''


@dataclasses.dataclass(frozen=True)
class Row:
    """:param results: by the kind of the console"""

    client: str
    case: str
    results: dict[str, Result]

    def as_json(self) -> dict[str, object]:
        return {'client': self.client, 'case': self.case,
                **{kind: result.verdict
                   for kind, result in self.results.items()},
                'reasons': {kind: result.reason
                            for kind, result in self.results.items()
                            if result.verdict != OK}}


def line(row: Row) -> str:
    """Said as soon as it is tried."""
    return ', '.join(
        f'{kind} {result.verdict}'
        + (f' ({result.reason})' if result.verdict == FAILS else '')
        for kind, result in row.results.items())


def table(rows: Sequence[Row]) -> str:
    """For people; each reason is below."""
    lines = [tables.columns(
        [('client', 'case', *KINDS),
         *((row.client, row.case,
            *(row.results[kind].verdict for kind in KINDS))
           for row in rows)], left=2)]
    for row in rows:
        lines += [f'{row.client}, {row.case}, {kind}: {result.reason}'
                  for kind, result in row.results.items()
                  if result.verdict == FAILS]
    return '\n'.join(lines)


def page(rows: Sequence[Row]) -> str:
    """The same as the documentation has it."""
    lines = ['.. list-table::', '   :header-rows: 1', '']
    cells = [('Client', 'What is tried', 'Stock console', "Domain R's",
              "Domain R's, and it moves"),
             *((row.client, row.case, *map(row.results.__getitem__, KINDS))
               for row in rows)]
    for first, *rest in cells:
        lines += [f'   * - {first}', *(f'     - {_said(cell)}'
                                       for cell in rest)]
    return '\n'.join(lines) + '\n'


def _said(cell: str | Result) -> str:
    """The first part of a reason: what came instead is in the list."""
    if isinstance(cell, str):
        return cell
    reason = cell.reason.partition(':')[0]
    return f'{cell.verdict}: {reason}' if reason else cell.verdict


def counted(rows: Sequence[Row]) -> tuple[int, int]:
    """How many cases passed at Domain R's consoles, and how many failed.

    A stock console that fails is what it is compared with.
    """
    verdicts = [row.results[kind].verdict for row in rows
                for kind in KINDS if kind != 'stock']
    return verdicts.count(OK), verdicts.count(FAILS)
