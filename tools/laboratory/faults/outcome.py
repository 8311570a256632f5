# SPDX-License-Identifier: Apache-2.0
"""What became of one migration with a fault."""

import dataclasses
import json
from collections.abc import Iterable

from laboratory.users.entries import User


@dataclasses.dataclass(frozen=True)
class Outcome:
    """
    :param fault, phase: names; the fault is none in a quiet migration
    :param stock: the instance had no Domain R
    :param landed: the phase that had begun last when the fault was injected
    :param nothing: why nothing happened, if so
    :param requested: what Nova answered to the request for the migration
    :param moved: the instance runs at the destination
    :param signature: what Nova and libvirt say in the end
    :param settled_s: from the repair until nothing was wrong any more, or
        nothing if it still was
    :param gaps, rebuilt: what the plug-in reported
    :param ambiguous: how many gaps of bytes that may have arrived or not were
        reported since the migration before, as ``tools/soak`` counts them
    :param load: how many busy loops ran beside it
    :param users: what each noticed
    :param problems: what is wrong
    :param fit: the instance can be used for another migration
    :param corrupted: what shows that the emulator corrupted a guest; nothing
        else counts then
    """

    fault: str | None
    phase: str | None
    stock: bool
    source: str
    landed: str = ''
    nothing: str = ''
    requested: str = ''
    moved: bool = False
    signature: str = ''
    settled_s: float | None = None
    seconds: float = 0.0
    gaps: tuple[tuple[str, str, int | None], ...] = ()
    rebuilt: tuple[str, ...] = ()
    users: dict[str, User] = dataclasses.field(default_factory=dict)
    problems: tuple[str, ...] = ()
    fit: bool = True
    corrupted: str | None = None
    ambiguous: int = 0
    load: int = 0

    @property
    def verdict(self) -> str:
        """``corrupted``, ``wrong``, ``nothing happened`` or ``good``."""
        return ('corrupted' if self.corrupted else
                'wrong' if self.problems else
                'nothing happened' if self.nothing else 'good')

    @property
    def title(self) -> str:
        return f'{self.fault} at {self.phase}' if self.fault else 'no fault'

    def console(self) -> str:
        """What became of the sessions, in a few words."""
        if not self.users:
            return ''
        ended = sum(user.disconnects for user in self.users.values())
        words = ['rebuilt' if self.rebuilt else
                 'sessions ended' if ended else 'sessions went on']
        for stream, kind, number in self.gaps:
            words.append(f'{stream}: {kind} gap of '
                         f'{"?" if number is None else number} bytes')
        for kind, user in self.users.items():
            words += [f'{kind}: {number} {what}' for what, number in (
                ('keys lost', user.lost), ('keys doubled', user.duplicated),
                ('bytes missing', user.output_bytes_missing),
                ('bytes doubled', user.output_bytes_duplicated)) if number]
        return '; '.join(words)

    def line(self) -> str:
        """For people."""
        parts = [self.title, self.verdict.upper(),
                 f'landed in {self.landed}' if self.landed else '',
                 self.nothing, 'moved' if self.moved else 'stayed',
                 self.signature, self.console(), *self.problems,
                 self.corrupted or '',
                 '' if self.settled_s is None
                 else f'settled after {self.settled_s:.0f} s',
                 f'{self.seconds:.0f} s in all']
        return '; '.join(part for part in parts if part)


def load(lines: Iterable[str]) -> list[Outcome]:
    """Outcomes from lines of JSON."""
    found = []
    for line in lines:
        data = json.loads(line)
        data['users'] = {kind: User(**user)
                         for kind, user in data['users'].items()}
        data['gaps'] = tuple(map(tuple, data['gaps']))
        for name in ('rebuilt', 'problems'):
            data[name] = tuple(data[name])
        found.append(Outcome(**data))
    return found
