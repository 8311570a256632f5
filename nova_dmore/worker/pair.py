# SPDX-License-Identifier: Apache-2.0
"""A pair in its worker: the channel, the devices and the requests, together.

All that is known lies in memory that the keeper owns, so the process may be
killed at any time. Here what happened, from whichever of them, becomes an
action of the machine, and an action something that all of them do.
"""

import logging
import os
import socket
import time
from typing import Any

from nova_dmore.channel import errors
from nova_dmore.channel.host import end as host_end_module
from nova_dmore.channel import text
from nova_dmore.link import messages
from nova_dmore.posix import loop as loop_module
from nova_dmore.posix import pipes
from nova_dmore import wire
from nova_dmore.worker.devices import base
from nova_dmore.worker.devices import group
from nova_dmore.worker.devices.serial import device as serial_device
from nova_dmore.worker.devices import table
from nova_dmore.worker import domain_r_control
from nova_dmore.worker import epoch_actions
from nova_dmore.worker import gaps
from nova_dmore.worker import instance_state
from nova_dmore.worker import keeper_commands
from nova_dmore.worker import keeper_messages
from nova_dmore.worker import notes_writer
from nova_dmore.worker import pair_action
from nova_dmore.worker import recorded
from nova_dmore.worker import request_handler
from nova_dmore.worker import requests
from nova_dmore.worker import serial_break as serial_break_module
from nova_dmore.worker import sessions
from nova_dmore.worker import start_descriptors
from nova_dmore.worker import state_machine
from nova_dmore.worker import stop as stop_module

LOG = logging.getLogger(__name__)

Action = pair_action.Action
State = wire.PairState


class Pair:
    """One pair, on this host.

    :param link: its end of :func:`messages.pair`.
    :param start: the START message.
    :param descriptors: what came with it; they become the pair's.
    """

    def __init__(self, loop: loop_module.Loop, link: socket.socket,
                 start: messages.Message, descriptors: list[int]) -> None:
        self.loop = loop
        self.keeper_pid = start['keeper_pid']
        self.worker_starts = start['worker_starts']
        given = start_descriptors.Given(start, descriptors)
        self._from_domain_r = given.from_domain_r
        self._to_domain_r = given.to_domain_r
        self.notes = given.notes
        kept = self.notes.read() or {}
        self.gap_log = gaps.GapLog(kept.get('gaps'))
        self.recorded = recorded.Recorded(kept.get('recorded'))
        #: Destination: the carry-over as JSON, or None.
        self.carried: dict[str, Any] | None = kept.get('carried')
        self.vms: dict[str, tuple[bool, str | None]] = {
            messages.INSTANCE: (False, None),
            messages.DOMAIN_R: (False, None)}
        self.domain_r_attached = False
        now = time.monotonic()
        self.machine = (
            state_machine.PairMachine.from_notes(
                kept['machine'], now, stop_module.is_carried(kept))
            if 'machine' in kept else state_machine.PairMachine())
        self._noted = self.machine.to_notes()
        self.host_end = host_end_module.HostEnd(
            given.region, self._ring, given.journal)
        self.commands = keeper_commands.Commands(link, self.worker_starts)
        self.instance_state = instance_state.StateTeller(
            loop, lambda state: self.control.state(state, self._is_open()))
        self._context = base.DeviceContext(
            loop=loop, region=given.region, ring=self._ring,
            host_end=self.host_end, journal=given.journal,
            serial=given.serial, machine=self.machine,
            report_gap=self.report_gap, note=self.note,
            kept=kept.get('devices', {}),
            commands=self.commands, last_input=start['last_input'],
            input_limit_reached=lambda: loop.call_soon(self.move),
            check_freeze=self.check_freeze,
            config={}, instance_is_off=lambda: self.instance_state.is_off,
            input_dropped=lambda at, count: self.control.input_dropped(
                at, count, self._is_open() or self.machine.state is
                State.FROZEN))      # it is carried over then
        self.devices = group.DeviceGroup(table.DEVICES, self._context)
        serial = self.devices['serial']
        assert isinstance(serial, serial_device.SerialDevice)
        self.serial = serial
        self.serial_break = serial_break_module.SerialBreak(
            self.host_end, serial.input, self._send_break, self._is_leaving,
            kept.get('break'), start.get('last_break'), self.note)
        if (number := self.serial_break.number) is not None:
            self.commands.expect(number, self._break_answered)
        self.control = domain_r_control.DomainRControl(
            self.host_end, serial.input, self.serial_break,
            kept.get('serving'), kept.get('waiting', ()),
            sessions.SessionLog(kept.get('sessions')), self._noted_sessions)
        self.waiters = requests.Waiters(loop)
        self.stop = stop_module.Stop(
            self.machine, self.host_end, self.devices, self.serial_break,
            self.commands, kept, self.note, self.waiters.wake)
        self._epochs = epoch_actions.EpochActions(
            self.machine, self.host_end, self.devices, self.control,
            self.report_gap)
        #: How much of what the keeper has dropped was reported.
        self._reported_dropped: int = kept.get('reported_dropped', 0)
        self._notes_writer = notes_writer.NotesWriter(
            self.notes, self._to_notes,
            (self.control.sessions.shorten, self.gap_log.shorten,
             self.control.shorten))
        self._timer: loop_module.Handle | None = None
        self._handler = request_handler.RequestHandler(self)
        self._keeper_messages = keeper_messages.KeeperMessages(
            self, self._handler.handle)
        if kept.get('config'):
            self.configure(kept['config'])

    def start(self) -> None:
        """Begin to serve everything."""
        for each in self._from_domain_r:
            self.loop.add_reader(each, self._on_doorbell, each)
        self._poll_regularly()
        self._report_dropped()

    def _report_dropped(self) -> None:
        """Report what the keeper has dropped since the last worker did so.

        It comes after what the worker's pipe holds now.
        """
        serial, stream = self._context.serial, wire.Stream.SERIAL0_OUT
        count = serial.dropped - self._reported_dropped
        if count > 0:
            # Both are left to a successor at once.
            self._reported_dropped = serial.dropped
            self.report_gap(
                stream, wire.GapKind.EXACT,
                'there was no process that could take them',
                self.host_end.positions()[stream][0]
                + pipes.waiting(serial.output), count)

    def on_message(self, message: messages.Message, descriptors: list[int]
                   ) -> None:
        """One message of the keeper."""
        self._keeper_messages.take(message, descriptors)

    # -- what follows from what happened

    def act(self, actions: list[Action]) -> None:
        """Perform what the machine asked for, then all that is possible."""
        while actions:
            for action in actions:
                LOG.info('%s (%s)', action.value, self.machine.state)
            actions = [more for action in actions
                       for more in self._perform(action)]
        if self.machine.wants_exact and self.host_end.domain_r_complete:
            self.machine.exact = True
            return self.act(self.machine.tick(time.monotonic()))
        if self.machine.state is State.LIVE:
            self.carried = None     # the journal has it
        self._tell_state()
        self._note_machine()    # before anything moves because of it
        self.move()
        self.waiters.wake()
        self._set_timer()

    def _tell_state(self) -> None:
        self.instance_state.is_now(instance_state.state_of(
            *self.vms[messages.INSTANCE], self.machine.role,
            self.machine.state))

    def _perform(self, action: Action) -> list[Action]:
        """-> further actions."""
        if action is Action.STOP:
            return self.stop.begin(time.monotonic())
        if action is Action.CARRY:
            self.carried = None     # it is in this one
            self.stop.carry(time.monotonic())
        elif action is Action.THAW:
            self.stop.thaw()
        elif action is Action.CLOSE:
            self._epochs.close()
        elif action is Action.DOMAIN_R_LOST:
            self._epochs.domain_r_lost()
        else:
            self._epochs.open(action, self.carried)
        return []

    def check_freeze(self) -> None:
        """Go on with a freeze, if what it waited for may have come."""
        if self.machine.state is State.FREEZING:
            self.act(self.stop.freeze_over())

    def _on_doorbell(self, descriptor: int) -> None:
        try:
            os.eventfd_read(descriptor)
        except BlockingIOError:
            pass
        self._poll()

    def _poll_regularly(self) -> None:
        self.loop.call_later(wire.POLL_INTERVAL_S, self._poll_regularly)
        self._poll()

    def _poll(self) -> None:
        """Poll the region."""
        if (self.host_end.is_renewed and self.machine.domain_r_running and
                self.host_end.state is host_end_module.HostState.OPENING):
            self._epochs.raise_epoch()
        changes = self.host_end.poll()
        now = time.monotonic()
        actions = []
        if changes.opened:
            self.devices.each(base.ShadowDevice.opened)
            self.control.opened()
            actions += self.machine.opened(now)
        for gap in changes.gaps:
            self.report_gap(gap.stream, gap.kind, gap.reason, gap.at,
                            gap.count)
        if changes.frozen:
            actions += self.stop.freeze_over()
        if changes.broken is not None:
            LOG.warning('Domain R: %s', text.printable(changes.broken))
            actions += self.machine.broken(changes.restarted, now)
        if actions or changes.opened or changes.broken is not None:
            self.act(actions)
        elif changes.readable or changes.writable:
            self.move()
        self.devices.each(base.ShadowDevice.update)

    def move(self) -> None:
        """Move all bytes that can be moved."""
        if self.machine.output_flows:
            if self.control.pump():
                self.recorded.serves(self.control.serving, self._printed())
                self.note()
            self.devices.each(base.ShadowDevice.pump)

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self.machine.next_deadline
        if deadline is not None:
            self._timer = self.loop.call_later(
                max(0, deadline - time.monotonic()) + 0.001, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self.act(self.machine.tick(time.monotonic()))
        self.check_freeze()

    # -- services

    def configure(self, config: dict[str, Any]) -> None:
        """Take the CONFIG message.

        :raises errors.ControlError: it is too long.
        """
        self.control.configure(config, self._is_open())
        self.recorded.configure(config, self._printed())
        self._context.config.clear()
        for name in ('stall_ms', 'scrollback_bytes'):
            if type(config.get(name)) is int:
                self._context.config[name] = config[name]

    def _printed(self) -> int:
        """How many bytes of output this host has moved in all."""
        return self._context.journal.moved(wire.Stream.SERIAL0_OUT)

    def report_gap(self, stream: wire.Stream, kind: wire.GapKind, reason: str,
                   at: int | None, count: int | None) -> None:
        """Report bytes that did not, or may not have, arrived."""
        gap = self.gap_log.add(stream, kind, reason, at, count,
                               self.machine.migration_id)
        LOG.warning('Gap: %s', gap)
        self.recorded.add_gap(gap)
        self.control.gap(
            {'type': wire.GAP, 'stream': gap['stream'], 'at': at,
             'bytes': count, 'kind': gap['kind'], 'reason': gap['reason']},
            self._is_open())
        self.note()
        self.waiters.wake()

    def carried_limit(self, stream: wire.Stream) -> int:
        """How many bytes of a stream are taken of what is carried over."""
        return self._context.journal.carried_limit(stream)

    def shut_down(self) -> None:
        """Ask the keeper to end."""
        self.commands.shut_down()

    def note(self) -> None:
        """Leave everything to a successor."""
        self._notes_writer.write()

    def _to_notes(self) -> dict[str, Any]:
        return {
            'machine': self.machine.to_notes(),
            'gaps': self.gap_log.to_notes(),
            'recorded': self.recorded.to_notes(),
            **self.stop.to_notes(),
            'devices': self.devices.to_notes(),
            'carried': self.carried,
            'reported_dropped': self._reported_dropped,
            'break': self.serial_break.to_notes(),
            'serving': self.control.serving,
            'sessions': self.control.sessions.to_notes(),
            'waiting': self.control.waiting,
            'config': self.control.config}

    def _noted_sessions(self) -> None:
        self.note()
        self.waiters.wake()

    def _note_machine(self) -> None:
        if self.machine.to_notes() != self._noted:
            self._noted = self.machine.to_notes()
            self.note()

    def end_session(self, number: int) -> None:
        """Have a client cut off.

        :raises errors.StateError: Domain R is not there.
        """
        if not self._is_open():
            raise errors.StateError('Domain R is not there')
        self.control.end_session(number)

    def _is_open(self) -> bool:
        return self.host_end.state is host_end_module.HostState.OPEN

    def _ring(self, vector: wire.Vector) -> None:
        try:
            os.eventfd_write(self._to_domain_r[vector], 1)
        except BlockingIOError:
            pass    # 2**64 - 2 times unheard: it has been rung

    def _send_break(self, announce: serial_break_module.Announce) -> None:
        self.commands.send_break(self._break_answered, announce)

    def _break_answered(self, reply: messages.Message) -> None:
        self.serial_break.answered(reply)
        self.move()

    def _is_leaving(self, reply: messages.Message) -> bool:
        """QEMU has answered a break late: see :class:`SerialBreak`."""
        self.act(self.machine.leaves(time.monotonic()))
        if self.machine.state not in (State.FREEZING, State.FROZEN):
            return False
        if reply['late'] == messages.SAVING:
            # QEMU 7.2 says so a moment before it does.
            self.report_gap(
                wire.Stream.SERIAL0_IN, wire.GapKind.AMBIGUOUS,
                'QEMU got a break while it saved its state: it may come a '
                'second time', self.serial.input.taken, 1)
        return True
