# SPDX-License-Identifier: Apache-2.0
"""Whether all is as it has to be after a fault. Pure."""

import dataclasses
import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from laboratory.faults.state import Bound, On, State
from laboratory.users.entries import User

_GAP = re.compile(r'gap in (\S+): (\w+), (\w+) bytes: ([^\n]*)')
_REBUILT = re.compile(r'was rebuilt, its sessions ended: ([^\n]*)')
_RUNNING = 'running'
_UNDER_WAY = ' migration under way'
_INPUT = ('in', 'input')
#: The kind of a gap that one user alone was told of, and not the operator:
#: his network did not take what the guest printed.
TOO_SLOW = 'too slow'
#: As the plug-in names it.
AMBIGUOUS = 'ambiguous'
_CUT = 200


def signature(state: State, source: str) -> str:
    """What Nova and libvirt say of the instance, without names of hosts."""
    sides = {host: 'source' if host == source else 'destination'
             for host in state.hosts}
    where = [f'{on.instance} at the {sides[host]}' for host, on
             in sorted(state.hosts.items(), key=lambda item: sides[item[0]])
             if on.instance]
    task = f' ({state.task})' if state.task else ''
    ports = sorted({sides.get(host, '?') for port in state.instance_ports
                    for host in port.bindings if host != state.host})
    taps = sorted(sides[host] for host, on in state.hosts.items()
                  if not on.instance and _taps(state, on))
    return (f'Nova: {state.status}{task} at the '
            f'{sides.get(state.host, "?")}; libvirt: '
            f'{", ".join(where) or "none"}'
            + ''.join(f'; a binding at the {side}, too' for side in ports)
            + ''.join(f'; a tap at the {side}, too' for side in taps)
            + (f'; {state.moving}{_UNDER_WAY}' if state.moving
               else ''))


def _taps(state: State, on: On) -> frozenset[str]:
    """The instance's own: they are Nova's."""
    return on.taps & {port.tap for port in state.instance_ports}


def running(state: State) -> list[str]:
    """The hosts on which the instance runs."""
    return [host for host, on in state.hosts.items()
            if on.instance == _RUNNING]


def agrees(state: State) -> bool:
    """Whether Nova, libvirt and Neutron tell of one running copy at one
    host, and nothing of a migration."""
    return (state.status == 'ACTIVE' and state.task is None and
            not state.moving and
            {host for host, on in state.hosts.items() if on.instance} ==
            {state.host} and state.hosts[state.host].instance == _RUNNING and
            all(port.bindings == {state.host: 'ACTIVE'}
                for port in state.instance_ports) and
            not any(_taps(state, on) for host, on in state.hosts.items()
                    if host != state.host))


def problems(state: State, pair: bool, source: str,
             as_stock: Collection[str] = ()) -> list[str]:
    """What is wrong, in words.

    :param pair: the instance has a Domain R
    :param as_stock: the signatures that stock Nova leaves under the same
        fault
    """
    found = []
    here = running(state)
    if len(here) > 1:
        found.append('two copies of the instance run')
    if not agrees(state) and not _is_as_stock(state, source, as_stock):
        found.append(f'{signature(state, source)}; with stock Nova: '
                     f'{" or ".join(sorted(as_stock)) or "not measured"}')
    found += [f'{service} does not run' for service in state.ended]
    if pair and len(here) == 1:
        found += _pair_problems(state, here[0])
    elif pair:
        found += [problem for host, on in state.hosts.items()
                  for problem in _strays(host, on)]
    return found


def _is_as_stock(state: State, source: str, as_stock: Collection[str]
                 ) -> bool:
    """Whether stock Nova leaves the same. If it was seen to leave a migration
    under way, one may be or not: that is a matter of the moment."""
    if signature(state, source) in as_stock:
        return True
    still = {end for end in as_stock if end.endswith(_UNDER_WAY)}
    over = dataclasses.replace(state, moving=0)
    return bool(still) and (agrees(over) or signature(over, source) in {
        end.rpartition('; ')[0] for end in still} | set(as_stock))


def _pair_problems(state: State, here: str) -> list[str]:
    found = []
    for host, on in state.hosts.items():
        if host == here:
            found += _whole(host, on)
        else:
            found += _left(host, on, on.taps - _taps(state, on))
        found += _strays(host, on)
    if len(state.domain_r_ports) != 1:
        found.append(f'Domain R has {len(state.domain_r_ports)} ports')
    return found + [problem for port in state.domain_r_ports
                    for problem in _unbound(port, here)]


def _whole(host: str, on: On) -> list[str]:
    found = []
    if on.domain_r != _RUNNING:
        found.append(f'Domain R is {on.domain_r} on {host}, where the '
                     'instance is')
    for what, number in (('keepers', on.keepers), ('workers', on.workers)):
        if number != 1:
            found.append(f'{number} {what} on {host}')
    if on.qemus != 2:
        found.append(f'{on.qemus} QEMU processes on {host}')
    return found


def _left(host: str, on: On, taps: Iterable[str]) -> list[str]:
    """What the plug-in left. The instance's own domain is Nova's: it is in the
    signature."""
    left = [f'domain of Domain R ({on.domain_r})' if on.domain_r else '',
            f'{on.qemus} QEMU processes' if on.qemus else '',
            f'{on.keepers} keepers' if on.keepers else '',
            *sorted(taps), *sorted(on.files)]
    return [f'left over on {host}: {what}' for what in left if what]


def _strays(host: str, on: On) -> list[str]:
    return [f'{on.strays} workers without a keeper on {host}'
            ] if on.strays else []


def _unbound(port: Bound, here: str) -> list[str]:
    if port.bindings == {here: 'ACTIVE'}:
        return []
    return [f'the port of Domain R is bound {port.bindings}, not on {here} '
            'alone']


def reports(logs: Sequence[str], server: str
            ) -> tuple[list[tuple[str, str, int | None]], list[str]]:
    """What the plug-in said of a console: gaps (stream, kind, bytes), and
    why it was rebuilt."""
    gaps: list[tuple[str, str, int | None]] = []
    rebuilt = []
    for log in logs:
        for line in log.splitlines():
            if server not in line:
                continue
            if found := _GAP.search(line):
                gaps.append((found[1], found[2], int(found[3])
                             if found[3].isdigit() else None))
            elif found := _REBUILT.search(line):
                rebuilt.append(found[1])
    return gaps, rebuilt


def ambiguous(gaps: Iterable[tuple[str, str, int | None]]) -> int:
    """How many of them tell of bytes of which nobody knows whether they have
    arrived."""
    return sum(kind == AMBIGUOUS for _stream, kind, _number in gaps)


def ledger(users: Mapping[str, User],
           gaps: Sequence[tuple[str, str, int | None]],
           rebuilt: Sequence[str]) -> list[str]:
    """What users noticed that nobody had told."""
    found = []
    for kind, user in users.items():
        own = [gap for gap in gaps if gap[1] != TOO_SLOW or gap[0] == kind]
        keys = _told(own, True)
        output = _told(own, False)
        if user.disconnects and not rebuilt:
            found.append(f'{kind}: {user.disconnects} sessions ended, and '
                         'nothing was reported')
        wrong = {'keys lost': user.lost, 'keys doubled': user.duplicated,
                 'keys in another order': user.reordered}
        for what, number in wrong.items():
            if number and keys is not None and number > keys and (
                    what != 'keys lost' or not rebuilt):
                found.append(f'{kind}: {number} {what}, {keys} reported')
        found += _output(kind, user, output, len(own), bool(rebuilt))
    return found


def _output(kind: str, user: User, told: int | None, gaps: int,
            rebuilt: bool) -> list[str]:
    """A gap cuts up to two lines, and is told within the output: what is left
    of a cut line, and what is told, count among the bytes that are too many.
    """
    found = []
    missing = user.output_bytes_missing - user.output_bytes_duplicated
    if missing > 0 and not rebuilt and told is not None and missing > told:
        found.append(f'{kind}: {missing} bytes missing, {told} reported')
    if user.output_bytes_duplicated > gaps * _CUT:
        found.append(f'{kind}: {user.output_bytes_duplicated} bytes doubled, '
                     f'with {gaps} gaps')
    return found


def _told(gaps: Sequence[tuple[str, str, int | None]], keys: bool
          ) -> int | None:
    """Bytes that gaps of input, or of output, tell of; nothing if nobody
    knows how many."""
    numbers = [number for stream, _kind, number in gaps
               if any(word in _INPUT for word in stream.split('_')) == keys]
    return None if None in numbers else sum(numbers)
