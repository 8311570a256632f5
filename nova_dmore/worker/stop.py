# SPDX-License-Identifier: Apache-2.0
"""The stop of the instance in a migration, at its source.

Domain R is asked to freeze, and stopped if that is wanted. What is left when
the instance's QEMU has saved its state is the carry-over.
"""

import dataclasses
import logging
import time
from collections.abc import Callable
from typing import Any

from nova_dmore.channel.host import end as host_end_module
from nova_dmore.channel import text
from nova_dmore.link import messages
from nova_dmore import wire
from nova_dmore.worker.devices import base
from nova_dmore.worker.devices import group
from nova_dmore.worker import keeper_commands
from nova_dmore.worker import pair_action
from nova_dmore.worker import serial_break as serial_break_module
from nova_dmore.worker import state_machine

LOG = logging.getLogger(__name__)

Action = pair_action.Action


def is_carried(kept: dict[str, Any]) -> bool:
    """Whether an earlier worker that was FROZEN has made the carry-over."""
    return (kept.get('frozen') or {}).get('carry_over') is not None


class Stop:
    """From the instance's stop to its carry-over, or to a thaw.

    :param kept: what an earlier worker has left (:meth:`to_notes`).
    :param note: leaves everything to a successor.
    :param wake: has those answered who wait for what changes here.
    """

    def __init__(self, machine: state_machine.PairMachine,
                 host_end: host_end_module.HostEnd,
                 devices: group.DeviceGroup,
                 serial_break: serial_break_module.SerialBreak,
                 commands: keeper_commands.Commands, kept: dict[str, Any],
                 note: Callable[[], None], wake: Callable[[], None]) -> None:
        self._machine = machine
        self._host_end = host_end
        self._devices = devices
        self._break = serial_break
        self._commands = commands
        self._note = note
        self._wake = wake
        #: Results of FROZEN and HAND_OVER; None while nothing is frozen.
        self.frozen: dict[str, Any] | None = kept.get('frozen')
        #: Whether Domain R is stopped as soon as it may.
        self._lets_go = kept.get('lets_go', False)
        #: Whether the keeper has counted at this stop.
        self._is_counted = False
        #: When the instance stopped, if it has not run since.
        self._stopped_at: float | None = None

    def to_notes(self) -> dict[str, Any]:
        """-> what a successor is to know of it."""
        return {'frozen': self.frozen
                if self._machine.state is wire.PairState.FROZEN else None,
                'lets_go': self._lets_go}

    def event(self, message: messages.Message) -> None:
        """A QEMU said something."""
        if message['vm'] != messages.INSTANCE:
            if message['event'] == 'STOP' and self.frozen is not None:
                self.frozen['at']['domain_r_stopped'] = message['at']
        elif message['event'] == 'STOP':
            self._stopped_at = message['at']
        elif message['event'] == 'RESUME':
            self._stopped_at = None

    def begin(self, now: float) -> list[Action]:
        """The stop sequence: everything here takes well under 1 ms."""
        stopped_at, self._stopped_at = self._stopped_at or now, None
        self._is_counted = False
        self._devices.each(base.ShadowDevice.stop, stopped_at)
        self.frozen = {'acknowledged': False, 'carry_over': None,
                       'at': {'stopped': stopped_at, 'frozen': None,
                              'domain_r_stopped': None}}
        return self.freeze_over()

    def counted(self) -> None:
        """The keeper has counted: QEMU saves its state, and what it answers
        from now on is not in that."""
        self._is_counted = True

    @property
    def domain_r_may_stop(self) -> bool:
        """Whether the instance stopped and Domain R has, or will have, all
        that it can have here."""
        return (self.frozen is not None and
                self.frozen['at']['frozen'] is not None)

    def let_go(self, on: bool) -> None:
        """See :attr:`wire.Request.LET_GO`."""
        if on != self._lets_go:
            self._lets_go = on
            self._note()
            if self.domain_r_may_stop:
                self._stop_domain_r()

    def _stop_domain_r(self) -> None:
        def replied(error: str | None) -> None:
            if error is not None:
                LOG.warning('Domain R cannot be stopped: %s',
                            text.printable(error))
        if self._lets_go and not self._machine.domain_r_stopped:
            self._commands.stop_domain_r(replied)

    def freeze_over(self) -> list[Action]:
        """-> actions, if nothing more can change before the carry-over.

        The machine does not wait for ever.
        """
        awaits_answer = self._devices.awaits_answer() or (
            self._break.number is not None and not self._is_counted)
        if awaits_answer and not self._machine.freeze.is_due:
            return []
        # Once: it may be asked for.
        self._host_end.freeze(final=not awaits_answer)
        if not self.domain_r_may_stop:
            if not (self._host_end.state is host_end_module.HostState.FROZEN or
                    self._machine.domain_r_stopped or
                    self._machine.freeze.is_overdue):
                return []
            self._domain_r_frozen(time.monotonic())
        is_over = not awaits_answer and self._devices.is_saved()
        return self._machine.freeze_over() if is_over else []

    def _domain_r_frozen(self, now: float) -> None:
        """Domain R may stop now, whatever the instance's QEMU still does."""
        assert self.frozen is not None      # since the stop
        self._stop_domain_r()
        at = self.frozen['at']
        at['frozen'] = now
        self.frozen['acknowledged'] = self._host_end.acknowledged
        LOG.info('Frozen %.1f ms after the stop, %sacknowledged',
                 (now - at['stopped']) * 1000,
                 '' if self._host_end.acknowledged else 'not ')
        self._wake()

    def carry(self, now: float) -> None:
        """The freeze is over: keep what a destination needs."""
        self._devices.each(base.ShadowDevice.frozen)
        self._break.frozen()
        self._host_end.poll()    # for the last that Domain R has stored
        carry_over = self._host_end.carry_over()
        if carry_over is not None:
            carry_over = dataclasses.replace(
                carry_over, **self._devices.carry_over())
        if not self.domain_r_may_stop:
            self._domain_r_frozen(now)
        assert self.frozen is not None      # since the stop
        self.frozen['carry_over'] = carry_over and carry_over.to_json()
        LOG.info('Carried over %.1f ms after the stop',
                 (now - self.frozen['at']['stopped']) * 1000)
        self._wake()
        self._note()

    def thaw(self) -> None:
        """The migration came to nothing."""
        self.frozen = None
        self._devices.thaw()
