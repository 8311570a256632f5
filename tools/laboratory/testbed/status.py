# SPDX-License-Identifier: Apache-2.0
"""What runs of a cloud, and what does not."""

import dataclasses

from laboratory.testbed import services
from laboratory.testbed.settings import Place


@dataclasses.dataclass(frozen=True)
class Line:
    """A service's state; no pid means that it has ended."""

    host: str
    service: str
    pid: int | None


@dataclasses.dataclass(frozen=True)
class Status:
    """The state of a cloud.

    :param complete: the start of the cloud came to its end
    :param holders: each host's first process, if the host is up
    """

    complete: bool
    storage: str
    holders: dict[str, int | None]
    lines: list[Line]


def collect(place: Place) -> Status:
    hosts = place.hosts()
    return Status(
        (place.records / 'complete').exists(),
        'block migration' if place.cloud.block else 'shared storage',
        {host.name: host.holder() for host in hosts},
        [Line(service.host.name, service.name, service.pid())
         for service in services.recorded(hosts)])


def healthy(status: Status) -> bool:
    """Whether the cloud came up and nothing of it has ended since."""
    return (status.complete and None not in status.holders.values()
            and all(line.pid is not None for line in status.lines))


def render(status: Status) -> str:
    """A table for people; pids are those inside the host."""
    text = [f'cloud: {"up" if status.complete else "start not complete"}, '
            f'{status.storage}']
    for host, holder in status.holders.items():
        text.append(f'{host}: ' + (f'up, held by process {holder}' if holder
                                   else 'down'))
        text += [f'  {line.service:28} '
                 + ('ENDED' if line.pid is None else f'pid {line.pid}')
                 for line in status.lines if line.host == host]
    return '\n'.join(text)
