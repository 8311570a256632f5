# SPDX-License-Identifier: Apache-2.0
"""Input for an instance that stands still.

An instance that is paused or switched off takes nothing, and nothing is kept
for it: what is typed then is dropped, as QEMU's own console does. So is what
waits when it is reset.
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
    """Tells when an instance has stood still for so long that what waits for
    it is to be dropped.

    :param lasted: called when it has lasted
    :param is_off: whether there is no QEMU: the next one is not to get what
        waits, however soon it comes
    """

    def __init__(self, machine: state_machine.PairMachine,
                 loop: loop_module.Loop, lasted: Callable[[], None],
                 is_off: Callable[[], bool]) -> None:
        self._machine = machine
        self._is_off = is_off
        self._loop = loop
        self._lasted = lasted
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
        if left <= 0 or self._is_off():
            return True
        if self._timer is None:
            self._timer = self._loop.call_later(left, self._on_timer)
        return False

    def _on_timer(self) -> None:
        self._timer = None
        self._lasted()

    def drops(self, count: int) -> None:
        """So many events that wait are dropped now: say so, once."""
        if not self._told:
            self._told = True
            LOG.info('The instance stands still or was reset: input is '
                     'dropped (%d events)', count)
