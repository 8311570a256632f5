# SPDX-License-Identifier: Apache-2.0
"""The real ends of an instance's serial line, on one host.

The keeper's line, the worker's device and its state machine are the real ones,
with real FIFOs; QEMU is a model (uart.py). What the keeper tells the worker
lies in a queue until that one's turn.
"""

import contextlib
import os
import tempfile

from nova_dmore.channel.host import end as host_end
from nova_dmore.channel.host import journal
from nova_dmore.channel import region
from nova_dmore.keeper import moves
from nova_dmore.link import messages
from nova_dmore.posix import fifos
from nova_dmore import wire
from nova_dmore.worker.devices import base
from nova_dmore.worker.devices.serial import device as serial
from nova_dmore.worker import pair_action
from nova_dmore.worker import state_machine
from tests.unit.worker.devices.serial import uart

OUT = wire.Stream.SERIAL0_OUT
IN = wire.Stream.SERIAL0_IN
State = wire.PairState
Action = pair_action.Action
REGION = region.Region(bytearray(1 << 18))


class Killed(BaseException):
    """Ends a worker where it stands."""


class HostEnd(host_end.HostEnd):
    """Closed all the time: what it has produced stays in the journal.

    What Domain R has to send is all that was typed.
    """

    is_killed_in_read = False

    def recover(self, stream, count):
        if self.is_killed_in_read:
            raise Killed
        super().recover(stream, count)

    def readable(self, stream):
        start = self._journal.position(IN)
        return uart.TYPED[start:self.world.typed]

    def take(self, stream, count):
        self._journal.set_position(
            IN, self._journal.position(IN) + count)


class Machine(state_machine.PairMachine):
    """Its Domain R acknowledges at once, and holds nobody up."""

    takes_output = False


class Worker:
    """What the worker's process keeps in memory.

    :param notes: those that the last one has left, if there was one.
    """

    def __init__(self, host, notes=None):
        self._host = host
        self.notes = notes
        self.inbox = []         # what the keeper has told it
        now = host.world.loop.time
        self._now = now
        self.machine = (Machine() if notes is None
                        else Machine.from_notes(notes, now()))
        self.end = HostEnd(REGION, lambda vector: None, host.journal)
        self.end.world = host.world
        written, read, unread = host.line.descriptors
        host.world.loop.remove_reader(read)
        self.device = serial.SerialDevice(base.DeviceContext(
            loop=host.world.loop, region=REGION, ring=None,
            host_end=self.end, journal=host.journal,
            serial=base.SerialPipes(written, read, unread,
                                    **host.line.totals()),
            machine=self.machine, report_gap=host.report_gap, commands=None,
            last_input=None, input_limit_reached=None,
            check_freeze=self._check_freeze, config={}))

    def begin(self):
        self.act(self.machine.domain_r_attached(1, self._now())
                 + self.machine.domain_r_changed(
                     'running', self.machine.role is wire.Role.DESTINATION,
                     self._now()))

    def turn(self):
        """Take in what the keeper has said, and move what can be moved."""
        while self.inbox:
            name, value = self.inbox.pop(0)
            if name == 'vm':
                self.act(self.machine.instance_changed(value, self._now()))
            elif name == 'count':
                self._counted(value)
        self.act(self.machine.tick(self._now()))
        self._check_freeze()

    def act(self, actions):
        while actions:
            action = actions.pop(0)
            if action is Action.STOP:
                self.device.stop(self._now())
            elif action is Action.CARRY:
                self.device.frozen()
            elif action is Action.THAW:
                self.device.thaw()
            else:
                assert action in (Action.OPEN_AS_HOST, Action.OPEN_CARRIED)
                actions += self.machine.opened(self._now())
        if self.machine.output_flows:
            self.device.pump()
        self.notes = self.machine.to_notes()

    def _counted(self, message):
        self.act(self.machine.leaves(self._now()))
        if self.machine.state is State.FREEZING:
            self.device.counted(message)
            self._check_freeze()

    def _check_freeze(self):
        if (self.machine.state is State.FREEZING and self.device.is_saved()
                and not self.device.awaits_answer()):
            self.act(self.machine.freeze_over())

    def kill(self, where):
        """End it, in the middle of something or not."""
        try:
            if where == 'read':
                self.end.is_killed_in_read = True
                self.device.output.pump()
            elif where == 'write' and self.machine.input_flows:
                held = self.device.input
                data = self.end.readable(IN)[held._under_way:]
                with contextlib.suppress(BlockingIOError):
                    os.write(held._pipe, data[:100])
        except Killed:
            pass
        if self.device._timer is not None:
            self.device._timer.cancel()


class Host:
    """A keeper's line, and the worker, of one pair.

    :param taken: up to which offset input was taken before.
    """

    def __init__(self, world, kind, taken):
        self.world = world
        self.folder = tempfile.TemporaryDirectory()
        fifos.make(self.folder.name, 0o600, None)
        self.qemu = None
        #: Whether bytes may be reported as ambiguous, and what was.
        self.may_be_unsure_in = self.may_be_unsure_out = False
        self.unsure_out = 0
        #: The keeper has heard QEMU, and has had no processor since: what it
        #: does next it does with what it knew then.
        self.is_held_up = False
        self.line = kind(world.loop, self.folder.name, self._receive,
                         self._tell)
        self.journal = journal.Journal(bytearray(journal.journal_size()))
        with self.journal.transaction():
            self.journal.jump(IN, taken)
        self.worker = Worker(self)

    def close(self):
        for descriptor in {*self.world.loop.readers,
                           *self.world.loop.writers}:
            self.world.loop.remove_reader(descriptor)
            self.world.loop.remove_writer(descriptor)
        for descriptor in (
                self.line._qemu._fifo_in, self.line._qemu._fifo_out,
                self.line._qemu._to_count,
                self.line._input, self.line._input_end, self.line._output,
                self.line._output_end):
            os.close(descriptor)
        self.folder.cleanup()

    def starts(self, guest, arrives=False):
        self.qemu = uart.Qemu(self.folder.name, guest, self.world.loop.time,
                              arrives)
        if arrives:
            self.arm(wire.Role.DESTINATION)
        self.worker.begin()
        self._status('inmigrate' if arrives else 'running', arrives)
        if not arrives:
            self.worker.act(self.worker.machine.adopt(self.world.loop.time()))

    # -- the keeper

    def turn(self):
        """Its event loop turns once -> whether there was anything to do."""
        moved = self.world.loop.turn()
        self.is_held_up = False
        return moved

    def hold_up(self):
        """It hears QEMU, and has no processor before its next move."""
        self.hear()
        self.is_held_up = True

    def hear(self):
        """It is woken by the monitor."""
        if self.is_held_up:
            return
        for name, at in self.qemu.heard():
            self.line.event(name, at)
            if name in ('STOP', 'RESUME'):
                self._status('running' if name == 'RESUME' else 'paused',
                             False)

    def _receive(self):
        """It hears QEMU right before a move."""
        if not self.is_held_up:
            self.hear()
            return
        self.is_held_up = False
        saving_at = self.qemu.unheard_since(messages.SAVING,
                                            messages.SAVING_POSTCOPY)
        if saving_at is not None or (
                self.qemu.unheard_since('STOP') is not None):
            self.may_be_unsure_in = True
            self.may_be_unsure_out = (
                saving_at is None or
                self.world.loop.time() <= saving_at + moves.MARGIN_S)

    def _status(self, status, arriving):
        self.line.status(True, status, arriving)
        self._is_running = status == 'running'
        self.worker.inbox.append(('vm', self._is_running))

    def _tell(self, message, descriptors=()):
        self.worker.inbox.append(('count', message))

    # -- the worker

    def arm(self, role):
        """A migration begins, or (None) it came to nothing.

        Its worker was asked to by nova-compute, and tells the keeper, which
        hears its worker before anything that QEMU has said.
        """
        machine = self.worker.machine
        on = role is not None
        self.worker.act(machine.arm(
            str(len(self.world.hosts)) if on else machine.migration_id,
            role or machine.role, on, self.world.loop.time()))
        if role is not wire.Role.DESTINATION:
            self.line.leaving(on)

    def kill(self, where):
        self.worker.kill(where)
        self.world.loop.remove_reader(self.line.descriptors[1])
        if self.is_held_up:
            self.turn()     # it starts the next one
        self.worker = Worker(self, self.worker.notes)
        self.worker.begin()
        self.worker.inbox.append(('vm', self._is_running))
        self.line.repeat()

    def report_gap(self, stream, kind, reason, offset, count):
        if kind is not wire.GapKind.AMBIGUOUS or not (
                self.may_be_unsure_out if stream is OUT
                else self.may_be_unsure_in):
            raise AssertionError(f'a gap: {stream} {reason} {offset} {count}')
        if stream is OUT:
            self.unsure_out = count
        else:
            self.world.unsure_in.update(range(offset, offset + count))

    @property
    def produced(self):
        return self.journal.read(OUT, 0, self.journal.position(OUT))

    @property
    def taken(self):
        return self.journal.position(IN)
