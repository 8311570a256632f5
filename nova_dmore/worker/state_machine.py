# SPDX-License-Identifier: Apache-2.0
"""What a pair does when: the state machine, without any I/O.

The worker reports what happened (an input method) and performs the actions
that come back, in their order. Times are seconds of one monotonic clock.
"""

from typing import Any

from nova_dmore import wire
from nova_dmore.worker import epoch
from nova_dmore.worker import freeze
from nova_dmore.worker import pair_action

Action = pair_action.Action
Role = wire.Role
State = wire.PairState

#: What the worker after this one has to know beside state and role; in its
#: notes without the underscore.
_NOTED = ('migration_id', 'instance_running', '_attached', '_generation',
          '_ever_open', '_lost_unreported', '_adopted', '_carried')


class PairMachine:
    """States of a pair (:class:`wire.PairState`) and what moves it on.

    ``migration_id`` stays known after the arrival or the disarming, so that
    a repeated or late carry-over is recognised.
    """

    def __init__(self) -> None:
        self.state = State.STARTING
        self.role: Role | None = None
        self.migration_id: str | None = None
        self.instance_running = False
        #: At a destination: Domain R's page shows that it froze, and nothing
        #: was left over; see ``wants_exact``.
        self.exact = False
        self._domain_r_status: str | None = None
        self._attached = False
        self._generation = 0
        self._arriving = False      # this Domain R came by migration
        self._epoch = epoch.Epoch()
        self._ever_open = False
        self._lost_unreported = False
        self._carried = False
        self._both_since: float | None = None
        #: The freeze of the last stop.
        self.freeze = freeze.Freeze()
        #: Whether the instance runs is not known; its output waits for that.
        self._instance_unknown = False
        #: The instance belongs to this host, though it need not run.
        self._adopted = False

    # -- what the worker may do now

    @property
    def input_flows(self) -> bool:
        """Whether bytes may be sent to the instance's device.

        Not when Domain R has left ahead of its instance: it could not learn
        here what was taken.
        """
        return (self.state is State.LIVE and self.instance_running
                and not self.domain_r_left)

    @property
    def output_flows(self) -> bool:
        """Whether the instance's device may be read."""
        return (self.state not in (State.FREEZING, State.FROZEN)
                and not self._instance_unknown)

    @property
    def domain_r_running(self) -> bool:
        """Whether Domain R is connected and runs."""
        return self._attached and self._domain_r_status == 'running'

    @property
    def domain_r_has_come(self) -> bool:
        """Whether the Domain R that is here came by migration."""
        return self._arriving

    @property
    def domain_r_stopped(self) -> bool:
        """Whether Domain R is known not to run."""
        return (not self._attached or
                self._domain_r_status not in (None, 'running'))

    @property
    def domain_r_left(self) -> bool:
        """Whether Domain R waits at the destination, or is on its way."""
        return (self.role is Role.SOURCE and self._ever_open
                and self.domain_r_stopped)

    @property
    def takes_output(self) -> bool:
        """Whether a Domain R that has served may slow the guest down.

        Also before its first status and while an epoch is raised for it.
        """
        return (self._ever_open and self._attached and
                self._domain_r_status in (None, 'running'))

    @property
    def wants_exact(self) -> bool:
        """Whether ``exact`` would make a difference now."""
        return (self.state is State.INCOMING and self._epoch.is_due and
                self._arriving and self.domain_r_running and not self.exact)

    @property
    def region_writable(self) -> bool:
        """Whether no incoming migration can be writing the region too."""
        return not self._attached or self.domain_r_running

    @property
    def next_deadline(self) -> float | None:
        """When :meth:`tick` is due, or None."""
        if self.state is State.FREEZING:
            return self.freeze.next_deadline
        if not (self._epoch.is_due and self.domain_r_running):
            return None
        if self.state is State.STARTING:
            return self._epoch.not_before
        if self.state is State.INCOMING and self._both_since is not None:
            return (self._epoch.not_before if self._carried else
                    max(self._epoch.not_before,
                        self._both_since + wire.CARRY_OVER_LIMIT_S))
        return None

    # -- what happened

    def instance_changed(self, running: bool, now: float) -> list[Action]:
        """The instance's QEMU runs the guest (QMP ``running``), or not."""
        was, self.instance_running = self.instance_running, running
        unknown, self._instance_unknown = self._instance_unknown, False
        if was and not running and self.role is Role.SOURCE:
            return self._stop(now)
        if running and (self.state in (State.FREEZING, State.FROZEN)
                        or unknown):
            return self._thaw(now)
        return self.tick(now)

    def domain_r_attached(self, generation: int, now: float) -> list[Action]:
        """A Domain R connected to the ivshmem server.

        :param generation: number of the connection; a repetition is none.
        """
        if self._attached and generation == self._generation:
            return self.tick(now)
        actions = self.domain_r_detached(now)
        self._attached = True
        self._generation = generation
        self._epoch.end()
        return actions + self.tick(now)

    def domain_r_detached(self, now: float) -> list[Action]:
        """The Domain R of the current connection is gone."""
        if not self._attached:
            return []
        actions: list[Action] = []
        self._attached = self.exact = False
        self._domain_r_status = None    # of that one
        self._epoch.end()
        if self._ever_open:
            if self.role is Role.SOURCE or self.state is State.FROZEN:
                # It moves, or moved; only if a fresh one takes its place
                # is anything lost.
                self._lost_unreported = True
            else:
                self._ever_open = False
                actions.append(Action.DOMAIN_R_LOST)
        if self.state is State.LIVE:
            self.state = State.STARTING
        if self.state is State.STARTING:
            actions.append(Action.CLOSE)
        return actions + self.tick(now)

    def domain_r_changed(self, status: str | None, arriving: bool, now: float
                         ) -> list[Action]:
        """Domain R's QMP run state.

        :param status: text, or None when its QMP does not answer.
        :param arriving: this Domain R came by migration.
        """
        self._domain_r_status = status
        self._arriving = arriving
        return self.tick(now)

    def broken(self, restarted: bool, now: float) -> list[Action]:
        """Domain R wrote what cannot be, or its guest started anew."""
        # Where an epoch is due already, the loss was reported when it became
        # due: by a new connection of Domain R, or at the end of a freeze.
        first = not self._epoch.is_due
        self._epoch.end_broken(now)
        actions = [Action.DOMAIN_R_LOST] if restarted and first else []
        if self.state is State.FREEZING:
            actions += self._carry()
        return actions + self.tick(now)

    def arm(self, migration_id: str, role: Role, on: bool, now: float
            ) -> list[Action]:
        """See :attr:`wire.Request.ARM`.

        :raises ValueError: a pair that is live cannot be a destination.
        """
        if not on:
            return (self._disarm(now) if migration_id == self.migration_id
                    else self.tick(now))
        if (migration_id, role) == (self.migration_id, self.role):
            return self.tick(now)
        if role is Role.DESTINATION:
            if migration_id == self.migration_id:
                return self.tick(now)   # it arrived already
            if self._epoch.is_open or self.state is not State.STARTING:
                raise ValueError(f'a pair that is {self.state} cannot be '
                                 f'the destination of a migration')
            self.state = State.INCOMING
            self._carried = self.exact = self._adopted = False
            self._both_since = None
        self.migration_id = migration_id
        self.role = role
        return self.tick(now)

    def _disarm(self, now: float) -> list[Action]:
        actions: list[Action] = []
        if (self.role is Role.SOURCE and self._lost_unreported
                and not self._attached):
            # One that had left would be back by now: it has ended.
            self._lost_unreported = self._ever_open = False
            actions.append(Action.DOMAIN_R_LOST)
        self.role = None
        if self.state is State.INCOMING:
            self.state = State.STARTING
        elif (self.state in (State.FREEZING, State.FROZEN)
                and not self.instance_running):
            # It was paused before, and stays so.
            return self._thaw(now) + actions
        return actions + self.tick(now)

    def leaves(self, now: float) -> list[Action]:
        """QEMU saves the instance's state. A paused instance sends no STOP
        event, so this is its stop."""
        if (self.role is Role.SOURCE and not self.instance_running and
                self.state not in (State.FREEZING, State.FROZEN)):
            return self._stop(now)
        return []

    def adopt(self, now: float) -> list[Action]:
        """See :attr:`wire.Request.ADOPT`."""
        self._adopted = True
        return self.tick(now)

    def carried(self, now: float) -> list[Action]:
        """The source's carry-over is here -> actions.

        :raises ValueError: it is of no use (any more).
        """
        if self.state is not State.INCOMING or not self._epoch.is_due:
            raise ValueError(f'too late: the pair is {self.state}')
        self._carried = True
        return self.tick(now)

    def opened(self, now: float) -> list[Action]:
        """Domain R acknowledged the epoch."""
        if not self._epoch.is_due:
            self._epoch.is_open = self._ever_open = True
        return self.tick(now)

    def freeze_over(self) -> list[Action]:
        """Domain R acknowledged the freeze, or cannot do so, and the
        instance's QEMU takes and gives nothing more."""
        return self._carry() if self.state is State.FREEZING else []

    def tick(self, now: float) -> list[Action]:
        """Time passed, or something above changed -> actions."""
        actions: list[Action] = []
        if self.state is State.FREEZING:
            self.freeze.tick(now)
        if self.state is State.INCOMING:
            actions += self._arrive(now)
        if self.state is State.STARTING:
            actions += self._open(now)
        if (self.state in (State.STARTING, State.INCOMING) and
                self._epoch.is_open and self._is_here):
            if self.state is State.INCOMING:
                self.role = None
            self.state = State.LIVE
        elif self.state is State.LIVE and self._epoch.is_due:
            self.state = State.STARTING
            actions += self._open(now)
        return actions

    # -- transitions

    def _open(self, now: float) -> list[Action]:
        if not (self._epoch.may_be_raised(now) and self.domain_r_running):
            return []
        actions = [Action.OPEN_AS_HOST]
        if self._lost_unreported and not self._arriving:
            actions.insert(0, Action.DOMAIN_R_LOST)
        self._raise_epoch()
        return actions

    @property
    def _is_here(self) -> bool:
        return self.instance_running or self._adopted

    def _arrive(self, now: float) -> list[Action]:
        if not (self._is_here and self.domain_r_running):
            self._both_since = None
            return []
        if self._both_since is None:
            self._both_since = now
        if not self._epoch.may_be_raised(now):
            return []
        if self._carried:
            action = Action.OPEN_CARRIED
        elif now - self._both_since < wire.CARRY_OVER_LIMIT_S:
            return []
        elif self.exact:
            action = Action.OPEN_AS_DOMAIN_R
        else:
            action = Action.OPEN_UNKNOWN
        self._raise_epoch()
        return [action]

    def _raise_epoch(self) -> None:
        self._epoch.raised()
        self._lost_unreported = False

    def _stop(self, now: float) -> list[Action]:
        if self.state in (State.FREEZING, State.FROZEN):
            return []
        self.state = State.FREEZING
        self.freeze.begin(now)
        return [Action.STOP]

    def _carry(self) -> list[Action]:
        self.state = State.FROZEN
        return [Action.CARRY]

    def _thaw(self, now: float) -> list[Action]:
        self.state = State.STARTING
        self._epoch.end()
        actions = [Action.THAW]
        if not self._attached:
            actions.append(Action.CLOSE)
        return actions + self.tick(now)

    # -- a restarted worker

    def to_notes(self) -> dict[str, Any]:
        """-> a JSON object from which :meth:`from_notes` continues."""
        return {
            'state': self.state.value,
            'role': self.role and self.role.value,
            **{name.lstrip('_'): getattr(self, name) for name in _NOTED}}

    @classmethod
    def from_notes(cls, notes: dict[str, Any], now: float,
                   is_carried: bool = True) -> 'PairMachine':
        """Continue for a worker that ended.

        The epoch is raised again in any case. A freeze that was not over is
        made again if the instance is found to be stopped, and ends if not.
        Until then nothing that the instance of a source has printed is read:
        if it has stopped to leave, those bytes are part of the state that
        QEMU saves, and have to stay where they are.

        :param is_carried: False: the carry-over of a freeze that was over
            was not made
        """
        machine = cls()
        state = State(notes['state'])
        machine.role = notes['role'] and Role(notes['role'])
        for name in _NOTED:
            setattr(machine, name, notes[name.lstrip('_')])
        if state is State.FREEZING or (
                state is State.FROZEN and not is_carried):
            machine.instance_running = machine._instance_unknown = True
        elif state in (State.INCOMING, State.FROZEN):
            machine.state = state
        else:
            machine._instance_unknown = machine.role is Role.SOURCE
        return machine
