# SPDX-License-Identifier: Apache-2.0
"""Read figures out of what programs and logs print. Pure."""

import math
import re
import statistics
from collections.abc import Sequence

_DOWNTIME = re.compile(r'^Total downtime:\s+([\d.]+)\s+(\w+)', re.MULTILINE)
_UNITS = {'ms': 1, 's': 1000, 'sec': 1000}
_RETRANSMITS = re.compile(r'\bretrans:\d+/(\d+)')
_SKEW = re.compile(
    r'Instance stopped, Domain R [-\d.nan]+ ms later frozen and '
    r'(-?[\d.]+|nan) ms later stopped \(acknowledged: (\w+)\)')


def total_downtime_ms(text: str) -> float | None:
    """``virsh domjobinfo --completed``: how long the domain stood still."""
    found = _DOWNTIME.search(text)
    if not found or found[2] not in _UNITS:
        return None
    return float(found[1]) * _UNITS[found[2]]


def percentile(values: Sequence[float], share: float) -> float:
    """By nearest rank."""
    return sorted(values)[math.ceil(share * len(values)) - 1]


def distribution(values: Sequence[float]) -> dict[str, float]:
    """Median, 90th and 99th percentile and the longest, by nearest rank."""
    return {name: round(percentile(values, share), 1)
            for name, share in (('p50', 0.5), ('p90', 0.9), ('p99', 0.99),
                                ('max', 1.0)) if values}


def apart(responses: Sequence[tuple[float, float]], begin: float, end: float
          ) -> tuple[list[float], list[float]]:
    """How long answers took that something may have delayed, and how long
    the others did, in ms.

    :param responses: when each key was typed and when it was answered
    :param begin, end: of what may have delayed them
    """
    during, others = [], []
    for sent, answered in responses:
        among = others if answered < begin or sent > end else during
        among.append((answered - sent) * 1000)
    return during, others


def rate(*spans: tuple[tuple[float, int], tuple[float, int]]) -> float | None:
    """By how much a count grows per second.

    :param spans: what the time was and the count, at a beginning and an end
    """
    seconds = sum(end - begin for (begin, _), (end, _) in spans)
    grown = sum(after - before for (_, before), (_, after) in spans)
    return round(grown / seconds, 1) if seconds > 0 else None


def output_rate(made: dict) -> float | None:
    """The median rate at which output came in a run, from its JSON; nothing if
    it has none."""
    rates = [rate for rate in made.get('dmore', {}).get(
        'output_bytes_per_s', ()) if rate is not None]
    return statistics.median(rates) if rates else None


def retransmits(text: str) -> int:
    """``ss -tinO``: how often the sockets listed sent a segment again."""
    return sum(int(count) for count in _RETRANSMITS.findall(text))


def stop_skew_ms(log: str, instance: str) -> float | None:
    """nova-compute's log: the time between the stops of the two machines.

    :param instance: the server's id; the last line about it counts
    """
    for line in reversed(log.splitlines()):
        found = _SKEW.search(line)
        if found and instance in line:
            return None if found[1] == 'nan' else float(found[1])
    return None
