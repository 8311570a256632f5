# SPDX-License-Identifier: Apache-2.0
"""How many connections may wait for their request at the host service.

One that says nothing must not keep the others out: a keeper asks one thing at
a time, and one that was taken over finds no more room than that needs.
Pure functions.
"""

import dataclasses
from collections.abc import Collection

#: How many connections may wait for their request at a time: of one process
#: of nova-compute's user (nova-compute connects from many threads), and of all
#: processes of that user.
OF_COMPUTE_MAX = 32
OF_COMPUTES_MAX = 64
#: The same for other users.
OF_ANOTHER_MAX = 4
OF_OTHERS_MAX = 32


@dataclasses.dataclass(frozen=True)
class Peer:
    """Who has connected, as the kernel says."""

    pid: int
    is_compute: bool


def has_room(waiting: Collection[Peer], peer: Peer) -> bool:
    """Whether one more connection of a process may wait.

    :param waiting: who waits, one for each connection.
    """
    its_own = sum(each.pid == peer.pid for each in waiting)
    alike = sum(each.is_compute is peer.is_compute for each in waiting)
    if peer.is_compute:
        return its_own < OF_COMPUTE_MAX and alike < OF_COMPUTES_MAX
    return its_own < OF_ANOTHER_MAX and alike < OF_OTHERS_MAX
