# SPDX-License-Identifier: Apache-2.0
"""What a fault is."""

from laboratory.faults import phases
from laboratory.faults.scene import Scene


class NothingThere(Exception):
    """What the fault is for does not exist in this phase."""


class Fault:
    """One fault for one migration; what it keeps is for its repair. This one
    is none: nothing happens.

    :ivar name: as people read it
    :ivar phases: in which it can happen at all
    :ivar ahead: a fault at *begin* is there before the migration is asked
        for: the phase finds it so
    :ivar lasts_s: seconds from the fault to its repair
    :ivar stock: it can happen to an instance without Domain R, too
    """

    name = ''
    phases = phases.PHASES
    ahead = False
    lasts_s = 0.0
    stock = True

    def inject(self, scene: Scene) -> None:
        """Have it happen, at once.

        :raises NothingThere: what it is for is not there
        """

    def moves(self, landed: str) -> bool | None:
        """Whether the instance has to be at the destination in the end;
        nothing if either is right.

        What is a matter of Domain R alone never keeps an instance from
        moving.

        :param landed: the phase in which the fault was injected
        """
        return None if self.stock else True

    def repair(self, scene: Scene) -> None:
        """What an operator or a supervisor does ``lasts_s`` later.

        Also called when :meth:`inject` came to nothing.
        """
