# SPDX-License-Identifier: Apache-2.0
"""What runs of a cloud, and what does not."""

import dataclasses

from laboratory.testbed import services
from laboratory.testbed.settings import Place


@dataclasses.dataclass(frozen=True)
class Status:
    """The state of a cloud.

    :param complete: the start of the cloud came to its end
    :param holders: each host's first process, if the host is up
    :param pids: of each service by host and name; none if it has ended
    """

    complete: bool
    storage: str
    holders: dict[str, int | None]
    pids: dict[tuple[str, str], int | None]


def collect(place: Place) -> Status:
    hosts = place.hosts()
    return Status(
        (place.records / 'complete').exists(),
        'block migration' if place.cloud.block else 'shared storage',
        {host.name: host.holder() for host in hosts},
        {(service.host.name, service.name): service.pid()
         for service in services.recorded(hosts)})


def healthy(status: Status) -> bool:
    """Whether the cloud came up and nothing of it has ended since."""
    return (status.complete and None not in status.holders.values()
            and None not in status.pids.values())


def render(status: Status) -> str:
    """A table for people; pids are those inside the host."""
    text = [f'cloud: {"up" if status.complete else "start not complete"}, '
            f'{status.storage}']
    for host, holder in status.holders.items():
        text.append(f'{host}: ' + (f'up, held by process {holder}' if holder
                                   else 'down'))
        text += [f'  {service:28} '
                 + ('ENDED' if pid is None else f'pid {pid}')
                 for (there, service), pid in status.pids.items()
                 if there == host]
    return '\n'.join(text)
