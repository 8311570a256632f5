# SPDX-License-Identifier: Apache-2.0
"""What one migration gave: a row of the results. Pure."""

import dataclasses
import re
from collections.abc import Sequence
from datetime import datetime, timezone

from laboratory.bench.migration.plan import CLIENTS, Measurement
from laboratory.bench.migration.stops import Stop
from laboratory.users.entries import User

#: When the source enters a phase of the co-migration.
_PHASE = re.compile(
    r'^(\S+ \d\d:\d\d:\d\d\.\d{3}) .*Co-migration \S+ to \S+: ([\w -]+)$',
    re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Moved:
    """A migration, whoever looked on; ``None``: not known.

    :param began: seconds since 1970, when the API was asked
    :param total_s: until the API says that it is over
    :param instance, domr: when they stood still, by what QEMU said
    :param instance_clock_ms, domr_clock_ms: for how long, by their own clocks
    :param instance_libvirt_ms, domr_libvirt_ms: for how long, by libvirt
    :param phases: of the co-migration, to seconds after the beginning
    """

    source: str
    destination: str
    began: float
    total_s: float
    instance: Stop | None
    instance_clock_ms: float | None
    instance_libvirt_ms: float | None
    domr: Stop | None = None
    domr_clock_ms: float | None = None
    domr_libvirt_ms: float | None = None
    phases: dict[str, float] = dataclasses.field(default_factory=dict)


def phases(log: str, instance: str, began: float) -> dict[str, float]:
    """The phases in nova-compute's log at the source, see :class:`Moved`.

    :param log: in UTC, which the test cloud's is
    :param instance: its uuid
    """
    found: dict[str, float] = {}
    for line in log.splitlines():
        if instance in line and (match := _PHASE.match(line)):
            at = datetime.fromisoformat(match[1]).replace(tzinfo=timezone.utc)
            found.setdefault(match[2], round(at.timestamp() - began, 3))
    return found


def rows(what: Measurement, moved: Moved, users: dict[str, User],
         excluded: str | None) -> list[dict]:
    """A row for the client that typed; without input, one for each client.

    :param users: by client
    :param excluded: why it does not count, if it does not
    """
    common = {
        'run': what.run, 'side': what.side,
        'instance_mib': what.cell.instance_mib, 'guest': what.cell.guest,
        'key_interval_ms': what.cell.key_interval_ms,
        'source': moved.source, 'destination': moved.destination,
        'total_s': round(moved.total_s, 2),
        'instance_stop_ms': _ms(moved.instance),
        'instance_stop_clock_ms': _rounded(moved.instance_clock_ms),
        'instance_stop_libvirt_ms': moved.instance_libvirt_ms,
        'domr_stop_ms': _ms(moved.domr),
        'domr_stop_clock_ms': _rounded(moved.domr_clock_ms),
        'domr_stop_libvirt_ms': moved.domr_libvirt_ms,
        'stop_skew_ms': _skew_ms(moved), 'timeline': timeline(moved),
        'excluded': excluded}
    typing = [what.cell.client] if what.cell.client else CLIENTS
    return [{**common, 'client': client,
             **_of_user(what, users[client], client)} for client in typing]


def _of_user(what: Measurement, user: User, client: str) -> dict:
    typed = what.cell.client is not None
    keys = {
        'keys_sent': user.sent, 'keys_lost': user.lost,
        'keys_lost_silently': user.silent,
        'keys_doubled': user.duplicated, 'keys_reordered': user.reordered,
        # Who has no console waits as well.
        'max_response_ms': max(user.max_response_ms, user.break_s * 1000),
        'response_ms': user.responses}
    return {
        **(keys if typed else dict.fromkeys(keys)),
        'disconnects': user.disconnects, 'break_s': user.break_s,
        # Of a connection that was cut, nobody can tell any more.
        'tcp_retransmits': (None if what.side == 'stock'
                            else user.tcp_retransmits),
        'output_bytes_missing': (user.output_bytes_missing
                                 if client == 'ssh' else None),
        'output_bytes_duplicated': (user.output_bytes_duplicated
                                    if client == 'ssh' else None)}


def timeline(moved: Moved) -> dict[str, float]:
    """What happened when, in seconds after the API was asked."""
    made = dict(moved.phases)
    for name, stop in (('instance', moved.instance),
                       ('Domain R', moved.domr)):
        if stop:
            made[f'{name} stops'] = round(stop.begin - moved.began, 3)
            made[f'{name} runs'] = round(stop.end - moved.began, 3)
    made['over'] = round(moved.total_s, 3)
    return dict(sorted(made.items(), key=lambda item: item[1]))


def _skew_ms(moved: Moved) -> float | None:
    if moved.instance is None or moved.domr is None:
        return None
    return round((moved.domr.begin - moved.instance.begin) * 1000, 1)


def _ms(stop: Stop | None) -> float | None:
    return None if stop is None else round(stop.ms, 1)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def counted(made: Sequence[dict]) -> list[dict]:
    """Rows without those that do not count."""
    return [row for row in made if row['excluded'] is None]
