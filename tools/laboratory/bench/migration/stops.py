# SPDX-License-Identifier: Apache-2.0
"""How long a machine stood still, from outside and by its own clock. Pure.

QEMU says when it stops and resumes a machine, by the clock of its host (all
hosts are one machine here). And a machine's own clock stands still with it:
what comes from it at known times of its clock comes later by as much.
"""

import dataclasses
import re
import struct
from collections.abc import Iterable, Sequence

#: What ``virsh qemu-monitor-event`` prints.
_EVENT = re.compile(
    r"^event (STOP|RESUME) at (\d+)\.(\d{6}) for domain '?([\w-]+)'?")
#: Seconds before a stop, and after it, in which a clock is looked at.
_BEFORE_S = 3.0
_AFTER_S = 10.0
_IP_PROTOCOL_TCP = 6
_OPTION_END, _OPTION_NOTHING, _OPTION_TIMESTAMPS = 0, 1, 8


@dataclasses.dataclass(frozen=True)
class Event:
    """What a QEMU said; ``at`` in seconds since 1970."""

    host: str
    domain: str
    name: str
    at: float


def event(host: str, line: str) -> Event | None:
    """What a line of virsh on a host says, if it is of interest."""
    found = _EVENT.match(line)
    return Event(host, found[4], found[1], float(f'{found[2]}.{found[3]}')
                 ) if found else None


@dataclasses.dataclass(frozen=True)
class Stop:
    """A machine stood still on its way; both in seconds since 1970."""

    begin: float
    end: float

    @property
    def ms(self) -> float:
        return (self.end - self.begin) * 1000


def of_migration(events: Iterable[Event], domain: str, source: str,
                 destination: str) -> Stop | None:
    """From the last stop on the source to the resume on the destination."""
    own = sorted((each for each in events if each.domain == domain),
                 key=lambda each: each.at)
    ends = [each.at for each in own
            if each.host == destination and each.name == 'RESUME']
    begins = [each.at for each in own if each.host == source
              and each.name == 'STOP' and ends and each.at <= ends[0]]
    return Stop(begins[-1], ends[0]) if begins else None


def clock_stop_ms(ticks: Sequence[tuple[float, float]], stop: Stop
                  ) -> float | None:
    """How long a machine's own clock stood still.

    :param ticks: of what came from it, the machine's time and that of the
        arrival, in seconds; what came without a delay counts
    :param stop: when that was, as seen from outside
    """
    before = [arrival - own for own, arrival in ticks
              if stop.begin - _BEFORE_S <= arrival <= stop.begin]
    after = [arrival - own for own, arrival in ticks
             if stop.end <= arrival <= stop.end + _AFTER_S]
    if not before or not after:
        return None
    return (min(after) - min(before)) * 1000


def timestamp(packet: bytes) -> tuple[tuple[str, int, int], int] | None:
    """Source and ports of a TCP segment that has a time stamp, and that.

    :param packet: from its IPv4 header on
    """
    if len(packet) < 20 or packet[0] >> 4 != 4 or (
            packet[9] != _IP_PROTOCOL_TCP):
        return None
    segment = packet[(packet[0] & 15) * 4:]
    if len(segment) < 20:
        return None
    ports = struct.unpack_from('!HH', segment)
    options = segment[20:(segment[12] >> 4) * 4]
    while options and options[0] != _OPTION_END:
        if options[0] == _OPTION_NOTHING:
            options = options[1:]
            continue
        if len(options) < 2 or options[1] < 2:
            return None
        if options[0] == _OPTION_TIMESTAMPS and len(options) >= 10:
            value, = struct.unpack_from('!I', options, 2)
            return (('.'.join(map(str, packet[12:16])), *ports), value)
        options = options[options[1]:]
    return None
