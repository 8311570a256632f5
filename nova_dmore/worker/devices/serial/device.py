# SPDX-License-Identifier: Apache-2.0
"""The shadow device of the instance's first serial port."""

import os
from typing import Any

from nova_dmore.link import messages
from nova_dmore.posix import loop as loop_module
from nova_dmore import wire
from nova_dmore.worker.devices import base
from nova_dmore.worker.devices.serial import input as serial_in
from nova_dmore.worker.devices.serial import output as serial_out


class SerialDevice(base.ShadowDevice):
    """The worker's ends of the pipes to the keeper, which outlive it.

    What passes between the keeper and QEMU, and when, is the keeper's
    (:mod:`nova_dmore.keeper.line`).
    """

    streams = (wire.Stream.SERIAL0_OUT, wire.Stream.SERIAL0_IN)

    def __init__(self, context: base.DeviceContext) -> None:
        self.input = serial_in.SerialInput(context)
        self.output = serial_out.SerialOutput(context)
        self._loop = context.loop
        self._machine = context.machine
        self._check_freeze = context.check_freeze
        self._instance_is_off = context.instance_is_off
        self._pipe = context.serial.output
        self._is_reading = False
        self._timer: loop_module.Handle | None = None

    def pump(self) -> None:
        """See :class:`base.ShadowDevice`."""
        self.output.pump()
        if self._machine.input_flows:
            self.input.pump()
        elif self._machine.output_flows:
            self.input.count_read()
            self.input.drop_old()
            if self._instance_is_off():
                self.input.discard()
        self._watch()
        if self._machine.state is wire.PairState.FREEZING:
            self._check_freeze()

    def counted(self, message: messages.Message) -> None:
        """See :class:`base.ShadowDevice`."""
        self.input.counted(message)
        self.output.counted(message)
        self._watch()

    def moved(self, descriptor: int) -> None:
        """The input now lies elsewhere; see
        :attr:`messages.ToWorker.SERIAL`."""
        os.close(self.input.unread_in)
        self.input.unread_in = descriptor

    def stop(self, at: float) -> None:
        """See :class:`base.ShadowDevice`."""
        self.input.stop()
        self.output.stop()
        self._watch()

    def awaits_answer(self) -> bool:
        """See :class:`base.ShadowDevice`."""
        return not self.output.has_all

    def is_saved(self) -> bool:
        """See :class:`base.ShadowDevice`."""
        return self.input.is_final and self.output.has_all

    def frozen(self) -> None:
        """See :class:`base.ShadowDevice`."""
        self.input.frozen()
        self.output.frozen()

    def thaw(self) -> None:
        """See :class:`base.ShadowDevice`."""
        self.input.thaw()
        self.output.thaw()

    def opened(self) -> None:
        """See :class:`base.ShadowDevice`."""
        self.output.opened()

    def to_notes(self) -> dict[str, Any]:
        """See :class:`base.ShadowDevice`."""
        return self.input.fence.to_notes()

    def _watch(self) -> None:
        """Be woken for what is worth waking for."""
        held = self.output.held_for()
        if self._is_reading is bool(held):
            self._is_reading = not held
            if self._is_reading:
                self._loop.add_reader(self._pipe, self.pump)
            else:
                self._loop.remove_reader(self._pipe)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waits = [each for each in (held, self.input.poll_after()) if each]
        if waits:
            self._timer = self._loop.call_later(min(waits), self.pump)
