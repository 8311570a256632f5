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
"""What stock Nova leaves under each fault, as it was measured.

``stock.json`` is written by ``tools/soak --stock --all --record``.
"""

import json
import pathlib
from collections.abc import Iterable

from faultlib.outcome import Outcome

PATH = pathlib.Path(__file__).with_name('stock.json')
#: What an instance alone is not met by leaves it alone.
Signatures = dict[tuple[str, str], str]


def load(path: pathlib.Path = PATH) -> Signatures:
    """By fault and phase; empty where nothing was measured."""
    if not path.exists():
        return {}
    return {(fault, phase): text
            for fault, phases in json.loads(path.read_text()).items()
            for phase, text in phases.items()}


def save(outcomes: Iterable[Outcome], path: pathlib.Path = PATH) -> None:
    """Add what was measured; the newest counts."""
    merged: dict[str, dict[str, str]] = {}
    for (fault, phase), text in load(path).items():
        merged.setdefault(fault, {})[phase] = text
    for outcome in outcomes:
        if (outcome.stock and outcome.fault and not outcome.corrupted
                and not outcome.nothing):
            merged.setdefault(outcome.fault, {})[outcome.phase or ''] = (
                outcome.signature)
    path.write_text(json.dumps(merged, indent=1, sort_keys=True) + '\n')
