# SPDX-License-Identifier: Apache-2.0
"""Input for an instance that stands still.

An instance that is paused or switched off takes nothing, and nothing is kept
for it: what is typed then is dropped, as QEMU's own console does.
"""

import logging
from collections.abc import Callable

from nova_dmore.posix import loop as loop_module
from nova_dmore import wire
from nova_dmore.worker import state_machine

LOG = logging.getLogger(__name__)

#: What waits is dropped when the instance has stood still for so long, in
#: seconds, and no migration is on: it may go on at once
#: (worker/instance_state.py says so of *paused*, too).
_STANDING_S = 1.0


class Standstill:
    """Of one instance.

    :param look: has the device look again: it has lasted
    """

    def __init__(self, machine: state_machine.PairMachine,
                 loop: loop_module.Loop, look: Callable[[], None]) -> None:
        self._machine = machine
        self._loop = loop
        self._look = look
        self._since: float | None = None
        self._told = False      # in the log
        self._timer: loop_module.Handle | None = None

    def has_lasted(self, now: float) -> bool:
        """Whether what waits is to be dropped now."""
        machine = self._machine
        if (machine.instance_running or machine.role is not None
                or not machine.output_flows
                or machine.state is wire.PairState.INCOMING):
            self._since = None
            self._told = False
            return False
        if self._since is None:
            self._since = now
        left = self._since + _STANDING_S - now
        if left <= 0:
            return True
        if self._timer is None:
            self._timer = self._loop.call_later(left, self._on_timer)
        return False

    def _on_timer(self) -> None:
        self._timer = None
        self._look()

    def drops(self) -> None:
        """What waits is dropped now: say so, once."""
        if not self._told:
            self._told = True
            LOG.info('The instance stands still: input is dropped')
