# SPDX-License-Identifier: Apache-2.0
"""What Domain R is told that the instance does."""

from collections.abc import Callable

from nova_dmore.posix import loop as loop_module
from nova_dmore import wire

State = wire.InstanceState

#: How long an instance has to stand still to be called paused, in seconds: in
#: a migration that is rolled back, and for a moment at other times (when a
#: snapshot begins), it stops and goes on at once.
PAUSED_AFTER_S = 1.0
#: How long after a reset an instance is called rebooting, in seconds.
REBOOTING_S = 2.0

#: What QEMU's run states are called, but those in which it stands still. A
#: guest that sleeps ("suspended") is woken by a key, so it takes them.
_STATES = {'running': State.RUNNING, 'suspended': State.RUNNING,
           'prelaunch': State.OFF,
           'shutdown': State.OFF, 'guest-panicked': State.CRASHED,
           'internal-error': State.CRASHED}


#: Of a pair that a migration is about to end in, or has begun with.
_MOVING = frozenset({wire.PairState.INCOMING, wire.PairState.FREEZING,
                     wire.PairState.FROZEN})


def state_of(connected: bool, status: str | None, role: wire.Role | None,
             pair: wire.PairState) -> State | None:
    """What an instance does; None: that is not known.

    :param connected: its QEMU's monitor is.
    :param status: QEMU's run state, as the keeper tells it.
    :param role: of an armed pair.
    :param pair: what the pair does.
    """
    if role is not None or pair in _MOVING:
        return State.MIGRATING
    if not connected:
        # A QEMU that is not listened to lives: see qmp.CONFUSED.
        return State.OFF if status is None else None
    return None if status is None else _STATES.get(status, State.PAUSED)


class StateTeller:
    """Tells what an instance does, when it has changed.

    :param tell: called with a State.
    """

    def __init__(self, loop: loop_module.Loop,
                 tell: Callable[[State], None]) -> None:
        self._loop = loop
        self._tell = tell
        #: What was told last.
        self.told: State | None = None
        self._now: State | None = None
        self._timer: loop_module.Handle | None = None

    @property
    def is_off(self) -> bool:
        """Whether there is no QEMU that input would be for."""
        return self._now is State.OFF

    def is_now(self, state: State | None) -> None:
        """What it does may have changed; None: that is not known."""
        if state is None or state is self._now:
            return
        self._now = state
        self._wait(PAUSED_AFTER_S if state is State.PAUSED else 0)

    def was_reset(self) -> None:
        """Its QEMU has reset it."""
        if self._now is State.RUNNING:
            self._say(State.REBOOTING)
            self._wait(REBOOTING_S)

    def _wait(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if seconds:
            self._timer = self._loop.call_later(seconds, self._say_now)
        else:
            self._say_now()

    def _say_now(self) -> None:
        self._timer = None
        assert self._now is not None    # somebody has waited for it
        self._say(self._now)

    def _say(self, state: State) -> None:
        if state is not self.told:
            self.told = state
            self._tell(state)
