# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""What a fault is."""

from faultlib import phases
from faultlib.scene import Scene


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
