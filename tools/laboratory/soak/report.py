# SPDX-License-Identifier: Apache-2.0
"""The ledger of a soak, and its verdict. Pure."""

import collections
from collections.abc import Sequence

from laboratory.faults.outcome import Outcome
from laboratory.tables import columns, Rows


def ledger(outcomes: Sequence[Outcome]) -> str:
    """A table: one line per migration, and what users typed and read."""
    rows: Rows = [['migration', 'verdict', 'console', 'number', 'keys typed',
                   'received', 'ambiguous']]
    for number, outcome in enumerate(outcomes, 1):
        users = outcome.users.values()
        rows.append([outcome.title, outcome.verdict, outcome.console(),
                     number, sum(user.sent for user in users),
                     sum(user.received or 0 for user in users),
                     outcome.ambiguous])
    return columns(rows, 3)


def failed(outcomes: Sequence[Outcome]) -> bool:
    """Whether a ledger or a state was wrong, or nothing was shown."""
    counts = count(outcomes)
    return bool(counts['wrong']) or not (counts['good'] +
                                         counts['nothing happened'])


def count(outcomes: Sequence[Outcome]) -> collections.Counter[str]:
    """How often each verdict was given."""
    return collections.Counter(outcome.verdict for outcome in outcomes)


def summary(outcomes: Sequence[Outcome], seed: int | None) -> str:
    """One sentence."""
    counts = count(outcomes)
    users = [user for outcome in outcomes if not outcome.corrupted
             for user in outcome.users.values()]
    keys, lost, again, missing, doubled = (
        sum(getattr(user, name) or 0 for user in users)
        for name in ('sent', 'lost', 'duplicated', 'output_bytes_missing',
                     'output_bytes_duplicated'))
    ambiguous = sum(outcome.ambiguous for outcome in outcomes
                    if not outcome.corrupted)
    load = max((outcome.load for outcome in outcomes), default=0)
    faults = sum(1 for outcome in outcomes
                 if outcome.fault and not outcome.nothing)
    of = '' if seed is None else f' of seed {seed}'
    beside = f' beside {load} busy loops' if load else ''
    return (f'{len(outcomes)} migrations{of} with {faults} faults{beside}; '
            f'{keys} keys, {lost} lost, {again} doubled; {missing} bytes of '
            f'output missing, {doubled} doubled; {ambiguous} ambiguous '
            f'reports: {counts["good"]} good, {counts["wrong"]} wrong, '
            f'{counts["nothing happened"]} in which the fault came too late '
            f'or too early, {counts["corrupted"]} not counted because the '
            'emulator corrupted a guest.')
