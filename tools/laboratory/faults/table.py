# SPDX-License-Identifier: Apache-2.0
"""The table of the documentation, from what was recorded. Pure.

``-m laboratory.faults.table FILE...`` reads what ``tools/soak --record``
wrote and prints reStructuredText. The newest record of a case counts, unless
the emulator corrupted its guest or the fault did not happen.
"""

import pathlib
import sys
from collections.abc import Iterable, Mapping

from laboratory.faults import catalogue, stock
from laboratory.faults import outcome as outcome_module
from laboratory.faults.outcome import Outcome

_HEAD = '''.. list-table::
   :header-rows: 1
   :widths: 22 8 22 24 24

   * - Fault
     - Phase
     - The instance
     - Its console
     - The instance, with stock Nova
'''
_NOT_RUN = 'not run'


def newest(outcomes: Iterable[Outcome]) -> dict[tuple[str, str], Outcome]:
    """What counts of each case."""
    found: dict[tuple[str, str], Outcome] = {}
    for outcome in outcomes:
        key = (outcome.fault or '', outcome.phase or '')
        if outcome.stock or not outcome.fault or outcome.corrupted:
            continue
        if outcome.nothing and key in found:
            continue
        found[key] = outcome
    return found


def render(outcomes: Iterable[Outcome], as_stock: Mapping[
        tuple[str, str], frozenset[str]]) -> str:
    """What was measured of the catalogue, and what was not."""
    measured = newest(outcomes)
    alone = set(catalogue.cases(stock=True))
    rows = []
    not_run: dict[str, list[str]] = {}
    for case in catalogue.cases():
        fault, phase = case
        name = catalogue.FAULTS[fault]().name
        if case not in measured:
            not_run.setdefault(name, []).append(phase)
        if case in measured or case in as_stock:
            rows.append('   * - ' + '\n     - '.join((
                name, phase, *_cells(measured.get(case),
                                     stock.under(as_stock, fault)),
                _stock(as_stock.get(case)) if case in alone
                else 'has none')))
    return (_HEAD + '\n'.join(rows) + '\n' + _rest(not_run, len(measured)))


def _rest(not_run: Mapping[str, list[str]], measured: int) -> str:
    """What nobody has run with Domain R yet."""
    if not not_run:
        return ''
    total = measured + sum(map(len, not_run.values()))
    return (f'\n{measured} of {total} cases were run with Domain R. Not run '
            'yet:\n\n' + ''.join(f'- {name}: {", ".join(phases)}\n'
                                for name, phases in not_run.items()))


def _stock(ends: frozenset[str] | None) -> str:
    return '; or '.join(sorted(ends)) if ends else _NOT_RUN


def _cells(outcome: Outcome | None, as_stock: frozenset[str]
           ) -> tuple[str, str]:
    """
    :param as_stock: may have been measured later than the outcome
    """
    if outcome is None:
        return _NOT_RUN, '\\'
    if outcome.nothing:
        return f'nothing happened: {outcome.nothing}', '\\'
    words = ['moved' if outcome.moved else 'stayed']
    if outcome.landed not in (outcome.phase, 'before'):
        words.append(f'(landed in {outcome.landed})')
    if outcome.settled_s is not None:
        words.append(f'settled {outcome.settled_s:.0f} s after the repair')
    if 'Nova: ACTIVE at' not in outcome.signature:
        words.append(outcome.signature)
    wrong = [f'**wrong**: {problem}' for problem in outcome.problems
             if not (outcome.signature in as_stock and
                     problem.startswith(outcome.signature))]
    return '; '.join(words), '; '.join([outcome.console() or '\\', *wrong])


def main(paths: list[str]) -> None:
    lines = [line for path in paths
             for line in pathlib.Path(path).read_text().splitlines()]
    print(render(outcome_module.load(lines), stock.load()), end='')


if __name__ == '__main__':
    main(sys.argv[1:])
