# SPDX-License-Identifier: Apache-2.0
"""What the worker does where an epoch begins, or Domain R has ended.

The machine says when (:mod:`nova_dmore.worker.state_machine`).
"""

from typing import Any

from nova_dmore.channel import carry_over as carry_over_module
from nova_dmore.channel import errors
from nova_dmore.channel.host import end as host_end_module
from nova_dmore import wire
from nova_dmore.worker.devices import base
from nova_dmore.worker.devices import group
from nova_dmore.worker import domain_r_control
from nova_dmore.worker import pair_action
from nova_dmore.worker import state_machine

Action = pair_action.Action


class EpochActions:
    """Those actions of the machine that raise an epoch, or end one.

    :param report_gap: :meth:`nova_dmore.worker.pair.Pair.report_gap`.
    """

    def __init__(self, machine: state_machine.PairMachine,
                 host_end: host_end_module.HostEnd,
                 devices: group.DeviceGroup,
                 control: domain_r_control.DomainRControl,
                 report_gap: base.ReportGap) -> None:
        self._machine = machine
        self._host_end = host_end
        self._devices = devices
        self._control = control
        self._report_gap = report_gap

    def open(self, action: Action, carried: dict[str, Any] | None) -> None:
        """Raise the epoch, as one of the actions ``OPEN_...`` says.

        :param carried: the carry-over as JSON, for OPEN_CARRIED.
        """
        carry_over = None
        if action in (Action.OPEN_AS_DOMAIN_R, Action.OPEN_CARRIED):
            self._devices.each(base.ShadowDevice.arrived, None)
        if action is Action.OPEN_CARRIED:
            carry_over = carry_over_module.CarryOver.from_json(carried)
            self._devices.each(base.ShadowDevice.arrived, carry_over)
            if not self._machine.domain_r_has_come:
                self._devices.each(base.ShadowDevice.domain_r_lost)
        try:
            self.raise_epoch(carry_over)
        except errors.StateError as e:
            self._output_unknown(f'what was carried over is of no use: {e}')
            self._host_end.open()
        if action is Action.OPEN_UNKNOWN:
            self._output_unknown('the source carried nothing over in time')

    def _output_unknown(self, reason: str) -> None:
        self._report_gap(wire.Stream.SERIAL0_OUT, wire.GapKind.UNKNOWN,
                         reason, None, None)

    def close(self) -> None:
        """Wait for another Domain R, which needs no old messages.

        An epoch that is opening begins anew, too: the one that is gone may
        have acknowledged it, and what it sent would be taken for another's.
        """
        if self._host_end.state is not host_end_module.HostState.CLOSED:
            self.raise_epoch()
            stream = wire.Stream.CONTROL_TO_DOMAIN_R
            self._host_end.forget(stream, self._host_end.unstored(stream))

    def raise_epoch(self, carried: carry_over_module.CarryOver | None = None
                    ) -> None:
        """See :meth:`host_end.HostEnd.open`. If Domain R has started anew
        while nobody could see that, first drop what it had sent before."""
        if self._host_end.is_renewed:
            self.domain_r_lost()
        self._host_end.open(carried)

    def domain_r_lost(self) -> None:
        """Report what Domain R alone had, and drop what it had sent."""
        self._control.lost()
        self._devices.each(base.ShadowDevice.domain_r_lost)
        for stream in (wire.Stream.SERIAL0_IN, wire.Stream.INPUT0_IN):
            # A console that nobody used has lost nothing.
            if (stream is wire.Stream.SERIAL0_IN or
                    self._host_end.positions()[stream][0]):
                self._report_gap(
                    stream, wire.GapKind.UNKNOWN,
                    'Domain R ended; what only it had is lost', None, None)
        # Last: until then a successor begins anew.
        self._host_end.lost()
