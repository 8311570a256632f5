# SPDX-License-Identifier: Apache-2.0
"""What a destination says of a Domain R that is on its way there.

The source asks when the destination has prepared
(:meth:`nova_dmore.virt.rpc.destination.DestinationAPI.arrival`), and again
until Domain R's port is wired there
(:mod:`nova_dmore.virt.migration.wire_wait`). The destination's role answers.

Wire format: a dictionary. What this release does not know in it is ignored,
and what is not in it is not known.
"""

import dataclasses
import re
from typing import Any

from nova_dmore.virt import received

#: As libvirt lists processors: ``0-3,8``. No host has so many.
_CPUS = re.compile(r'\d{1,5}(-\d{1,5})?(,\d{1,5}(-\d{1,5})?)*', re.ASCII)
_CPUS_MAX = 4096


@dataclasses.dataclass(frozen=True)
class Arrival:
    """How one Domain R is to be, and what is ready for it, over there."""

    #: Processors of the destination for all of its threads, as libvirt lists
    #: them; None: any, or not known.
    cpus: str | None = None
    #: Whether the destination has seen that its port is wired there.
    is_wired: bool = False


def to_wire(arrival: Arrival) -> dict[str, Any]:
    """The answer, as it is sent."""
    return {'cpus': arrival.cpus, 'wired': arrival.is_wired}


def from_wire(answer: object) -> Arrival:
    """The answer, as it was received.

    :raises ValueError: no release sends such a one.
    """
    if not isinstance(answer, dict):
        raise received.wrong('arrival', answer)
    cpus = answer.get('cpus')
    return Arrival(
        None if cpus is None else received.text(
            'cpus', cpus, _CPUS_MAX, _CPUS),
        received.boolean('wired', answer.get('wired', False)))
