# SPDX-License-Identifier: Apache-2.0
"""What stock Nova leaves under each fault, as it was measured.

``stock.json`` has, for each fault and phase, every end that was seen.
``-m laboratory.faults.stock FILE...`` adds what ``tools/soak --stock --record
FILE`` wrote.
"""

import json
import pathlib
import sys
from collections.abc import Iterable, Mapping

from laboratory.faults import outcome as outcome_module
from laboratory.faults.outcome import Outcome

PATH = pathlib.Path(__file__).with_name('stock.json')
Ends = dict[tuple[str, str], frozenset[str]]


def load(path: pathlib.Path = PATH) -> Ends:
    """By fault and phase; empty where nothing was measured."""
    if not path.exists():
        return {}
    return {(fault, phase): frozenset(texts)
            for fault, phases in json.loads(path.read_text()).items()
            for phase, texts in phases.items()}


def under(ends: Mapping[tuple[str, str], frozenset[str]], fault: str
          ) -> frozenset[str]:
    """All that a fault was seen to leave, at whatever phase: a stock
    migration has other phases, and the same moment is in none of ours."""
    return frozenset(text for (name, _phase), texts in ends.items()
                     if name == fault for text in texts)


def save(outcomes: Iterable[Outcome], path: pathlib.Path = PATH) -> None:
    """Add what was measured."""
    ends = load(path)
    for outcome in outcomes:
        if (outcome.stock and outcome.fault and not outcome.corrupted
                and not outcome.nothing and outcome.signature):
            key = (outcome.fault, outcome.phase or '')
            ends[key] = ends.get(key, frozenset()) | {outcome.signature}
    merged: dict[str, dict[str, list[str]]] = {}
    for (fault, phase), texts in ends.items():
        merged.setdefault(fault, {})[phase] = sorted(texts)
    path.write_text(json.dumps(merged, indent=1, sort_keys=True) + '\n')


def main(paths: list[str]) -> None:
    save(outcome_module.load(
        line for path in paths
        for line in pathlib.Path(path).read_text().splitlines()))


if __name__ == '__main__':
    main(sys.argv[1:])
