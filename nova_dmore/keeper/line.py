# SPDX-License-Identifier: Apache-2.0
"""The keeper's part of the instance's serial port: what passes, and when.

QEMU reads from one FIFO and writes to the other, and the keeper alone moves
bytes between these and two pipes of the worker's, with ``splice``, which moves
them or does not, whoever is killed. Right before each move it takes in what
QEMU has said, so that nothing passes when the instance has stopped to leave:
then the kernel's counts of the unread bytes are those of QEMU's saved state
(doc/source/architecture/serial.rst says why; :mod:`.stop_count` tells them).
"""

import enum
import logging
import os
import socket
import time
from collections.abc import Callable, Iterable

from nova_dmore.keeper import boots
from nova_dmore.keeper import moves
from nova_dmore.keeper import pace
from nova_dmore.keeper import peers
from nova_dmore.keeper import qemu_end
from nova_dmore.keeper import stop_count
from nova_dmore.link import messages
from nova_dmore.posix import loop as loop_module
from nova_dmore.posix import pipes
from nova_dmore import wire

LOG = logging.getLogger(__name__)

#: How many bytes of input are moved at once at most.
_MOVE_MAX = 1 << 16
#: How often to poll whether QEMU has read the byte in a socket, in seconds.
_SOCKET_POLL_S = 0.002

#: So long the guest may wait for a worker, in seconds: as for a client
#: (``[dmore] serial_stall_ms``).
ALONE_S = wire.STALL_MS_DEFAULT / 1000


class Gate(enum.Enum):
    """What passes between QEMU and the worker."""

    CLOSED = 'closed'       # nothing: no QEMU has run here yet, or one arrives
    OPEN = 'open'           # both directions: the instance runs
    OUTPUT = 'output'       # only output: the instance is paused, or off
    HELD = 'held'           # only counted output: it has stopped to leave


class Line:
    """One serial port.

    :param directory: where the FIFOs lie.
    :param receive: takes in what QEMU has said; called before each move.
    :param tell: called with a COUNT or SERIAL message for the worker, and its
        descriptors.
    :raises OSError: there are no FIFOs.
    """

    def __init__(self, loop: loop_module.Loop, directory: str,
                 receive: Callable[[], None],
                 tell: Callable[[messages.Message, Iterable[int]], None]
                 ) -> None:
        self._loop = loop
        self._receive = receive
        self._tell = tell
        self._qemu = qemu_end.QemuEnd(directory)
        # The worker's pipes: its end, and the keeper's.
        self._input_end, self._input = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._output, self._output_end = os.pipe2(
            os.O_NONBLOCK | os.O_CLOEXEC)
        pipes.resize(self._output_end, qemu_end.OUTPUT_ROOM)
        self._socket_timer: loop_module.Handle | None = None
        self.gate = Gate.CLOSED
        self._leaving = False
        self._allowed = 0           # counted bytes that may pass while HELD
        self._saving_timer: loop_module.Handle | None = None
        self._written = 0           # input that has left the worker's pipe
        self._read = 0              # output that was put into its pipe
        self._dropped = 0           # output that nobody was there to take
        self._drops = False
        self._alone_timer: loop_module.Handle | None = None
        self._rest_timer: loop_module.Handle | None = None
        self._moves = moves.Moves()
        self._count = stop_count.StopCount(self._moves, self._qemu, tell)
        self._pace = pace.Pace(qemu_end.OUTPUT_ROOM)
        #: Whether the last QEMU has ended, and no other is connected.
        self._has_ended = False
        self._boots = boots.Boots(tell)
        #: Whether a move of 'input' or 'output' found none.
        self._has_no_room: dict[str, bool] = {}
        self._watches = loop_module.Watches(loop)

    # -- for the worker

    @property
    def descriptors(self) -> tuple[int, int, int]:
        """-> (to write input to, to read output from, to count the unread).
        """
        return self._input, self._output, self._qemu.to_count

    def totals(self) -> dict[str, int]:
        """-> ``serial`` of START; to be asked while there is no worker."""
        return {'written': self._written + pipes.unread(self._input),
                'read': self._read - pipes.unread(self._output),
                'dropped': self._dropped}

    def has_worker(self, on: bool) -> None:
        """There is a worker, or there is none any more: the guest waits for
        the next one for a while, and no longer."""
        if self._alone_timer is not None:
            self._alone_timer.cancel()
            self._alone_timer = None
        self._drops = False
        if self._boots.has_worker(on):
            self._throw_away()
        if not on:
            self._alone_timer = self._loop.call_later(
                ALONE_S, self._begin_to_drop)

    def _begin_to_drop(self) -> None:
        self._alone_timer = None
        LOG.warning('There is no worker: output is dropped')
        self._drops = True
        self._has_no_room['output'] = False
        self._watch()

    def heard(self, written: int) -> None:
        """See :attr:`messages.ToKeeper.HEARD`."""
        if self._boots.heard() and written > self._written:
            self._written += pipes.throw_away(
                self._input_end, written - self._written) or 0
        self._watch()

    @property
    def saving(self) -> str | None:
        """How far QEMU is with the state that the instance leaves with:
        ``messages.SAVING`` or ``messages.SAVED``; None: it has not said that
        it saves one."""
        return self._count.saving if self.gate is Gate.HELD else None

    def repeat(self) -> None:
        """Tell a new worker what the last one was told."""
        self._count.repeat()

    # -- what happens

    def status(self, connected: bool, status: str | None, arriving: bool
               ) -> None:
        """QEMU's run state, as :class:`qmp.QmpLink` tells it."""
        if not connected:
            # A QEMU that is left alone (qmp.CONFUSED) lives, and may read.
            if status is None:
                self._gone(arriving)
            return
        if self._has_ended:
            # What was typed for the last QEMU is not for this one.
            self._has_ended = False
            self._throw_away()
            if status != 'inmigrate' and not arriving:
                self._boots.began()
        if status in messages.AWAKE:
            self._enter(Gate.OPEN)
        elif status == 'inmigrate':
            self._enter(Gate.CLOSED)
        elif self.gate is Gate.CLOSED and not arriving:
            self._enter(Gate.OUTPUT)
        elif self.gate is Gate.OPEN:
            self._enter(Gate.HELD if self._leaving else Gate.OUTPUT)

    def event(self, name: str, at: float) -> None:
        """QEMU said something at a time (CLOCK_MONOTONIC seconds)."""
        if name == messages.RESET and self.gate in (Gate.OPEN, Gate.OUTPUT):
            # What is in its FIFO already cannot be taken from it.
            self._boots.began()
            if not self._boots.is_waiting:
                self._throw_away()
            self._watch()
        if name == 'STOP':
            self._count.stopped_at = at
        if name == 'STOP' and self._leaving and self.gate is Gate.OPEN:
            self._enter(Gate.HELD)
        elif name == messages.SAVED or (
                name == messages.SAVING_POSTCOPY and self._count.saving_at):
            self._saved()       # QEMU 10.0 sends both, this one second
        elif self._leaving and name in (messages.SAVING,
                                        messages.SAVING_POSTCOPY):
            if self.gate in (Gate.OPEN, Gate.OUTPUT):
                self._enter(Gate.HELD)      # it was paused: no STOP came
            self._count.saving_at = at
            self._saving_timer = self._loop.call_later(
                max(0, at + moves.MARGIN_S - time.monotonic()), self._saving,
                name == messages.SAVING_POSTCOPY)

    def leaving(self, on: bool) -> None:
        """See :attr:`messages.ToKeeper.LEAVING`."""
        self._leaving = on
        if not on and self.gate is Gate.HELD:
            self._enter(Gate.OUTPUT)

    def adopted(self) -> None:
        """The instance belongs here, and need not run."""
        if self.gate is Gate.CLOSED:
            self._enter(Gate.OUTPUT)

    def connect(self, sock: socket.socket) -> None:
        """Take the socket of an instance that release 0.1 started.

        :raises peers.RefusedError: another one lives.
        """
        if self._qemu.is_connected():
            raise peers.RefusedError('the serial port is connected')
        LOG.info('The instance was started by release 0.1: its serial port '
                 'is a socket')
        self._disconnect()
        self._watches.end()
        self._qemu.connect(sock)
        self._say_where_input_lies()
        self._watch()

    def _disconnect(self) -> None:
        if self._qemu.has_socket:
            self._watches.end()
            self._qemu.disconnect()
            self._say_where_input_lies()
            self._watch()

    def _say_where_input_lies(self) -> None:
        self._tell({'type': messages.ToWorker.SERIAL}, self.descriptors[-1:])

    # -- the gate

    def _enter(self, gate: Gate) -> None:
        if gate is self.gate:
            return
        LOG.info('Serial port: %s', gate.value)
        self.gate = gate
        self._allowed = 0
        self._count.forget()
        if self._saving_timer is not None:
            # It is of this stop: a rollback may be heard with the next one.
            self._saving_timer.cancel()
            self._saving_timer = None
        self._watch()

    def _gone(self, arriving: bool) -> None:
        """QEMU has ended: what it left counts, what it did not read is lost.
        """
        if self.gate is Gate.HELD:
            self._saved()
        elif self.gate is Gate.CLOSED and arriving:
            # It never ran here: the source has this output, too.
            self._qemu.empty_output()
        else:
            self._enter(Gate.OUTPUT)
        self._has_ended = True
        self._qemu.empty_input()
        if self.gate is not Gate.HELD:
            self._throw_away()

    def _throw_away(self) -> None:
        """What the worker has written by now is for nobody."""
        self._written += pipes.empty(self._input_end)

    def _saving(self, for_postcopy: bool) -> None:
        """QEMU saves its state; its main loop stands still."""
        if self.gate is not Gate.HELD or self._count.is_told:
            return
        if for_postcopy:
            self._saved()       # what is sent from now on is memory
            return
        if has_all_output := not self._qemu.is_crowded():
            # QEMU does not wait for room: it will not write any more.
            self._allowed = self._count.output(self._read + self._dropped)
        self._report(has_all_output, False)

    def _saved(self) -> None:
        """QEMU's state is saved: what it did by now is in it."""
        if self.gate is not Gate.HELD or self._count.is_final:
            return      # what it did after that is not in its state
        self._allowed = self._count.output(self._read + self._dropped)
        self._report(True, True)

    def _report(self, has_all_output: bool, is_final: bool) -> None:
        self._count.tell(
            self._read + self._allowed if has_all_output else None, is_final)
        self._watch()

    # -- moving

    def _move_output(self) -> None:
        self._receive()
        most = self._allowed if self.gate is Gate.HELD else self._pace.piece
        if self.gate is Gate.CLOSED or not most:
            return
        began_at = time.monotonic()
        crowded = self._qemu.is_crowded()
        moved = pipes.splice(self._qemu.source, self._output_end, most)
        dropped = 0
        if moved is None and self._drops and self.gate is not Gate.HELD:
            moved = pipes.throw_away(self._qemu.source, most)
            dropped = moved or 0
        if moved is None:
            self._has_no_room['output'] = self._qemu.waiting() > 0
        elif not moved:
            self._disconnect()      # the end of a socket
            return
        else:
            self._read += moved - dropped
            self._dropped += dropped
            left = self._qemu.waiting()
            # QEMU may have filled the page while bytes were moved.
            crowded = self._qemu.moved(moved, most, left) or crowded
            now = time.monotonic()
            if crowded:
                self._moves.made_room(
                    began_at, now, self._read + self._dropped + left)
            if self._has_no_room.pop('output', False):
                self._pace.waited(began_at)
            self._pace.moved(now)
            if self.gate is Gate.HELD:
                self._allowed -= moved
            elif (moved <= pace.SMALL and self._rest_timer is None
                  and not self._qemu.has_socket):
                self._rest_timer = self._loop.call_later(
                    pace.REST_S, self._rested)
        self._watch()

    def _rested(self) -> None:
        self._rest_timer = None
        self._watch()

    def _move_input(self) -> None:
        self._receive()
        if self.gate is not Gate.OPEN or self._boots.is_waiting:
            return
        self._has_no_room['input'] = False
        if not self._qemu.has_socket:
            moved = pipes.splice(self._input_end, self._qemu.sink, _MOVE_MAX)
            if moved is None and pipes.unread(self._input_end):
                self._has_no_room['input'] = True
        else:
            # A socket can tell of one byte alone whether it was read.
            self._has_no_room['input'] = bool(self._qemu.unread())
            moved = None if self._has_no_room['input'] else pipes.splice(
                self._input_end, self._qemu.sink, 1)
            if moved == 0:
                self._disconnect()      # it takes nothing any more
                return
        if moved:
            self._written += moved
            self._moves.gave(time.monotonic(), moved)
        self._watch()

    def _on_socket_timer(self) -> None:
        self._socket_timer = None
        self._move_input()

    def make_room(self) -> None:
        """Let the guest go on for a while without a keeper."""
        self._qemu.make_room()

    def _watch(self) -> None:
        """Be woken for what can be moved, and for nothing else."""
        output = (self._allowed > 0 if self.gate is Gate.HELD else
                  self.gate is not Gate.CLOSED and self._rest_timer is None)
        no_room = self._has_no_room.get('output', False)
        self._watches.reader('output', output and not no_room,
                             self._qemu.source, self._move_output)
        self._watches.writer('its room', output and no_room, self._output_end,
                             self._move_output)
        opened = self.gate is Gate.OPEN and not self._boots.is_waiting
        no_room = self._has_no_room.get('input', False)
        self._watches.reader('input', opened and not no_room, self._input_end,
                             self._move_input)
        if not self._qemu.has_socket:
            self._watches.writer('room for it', opened and no_room,
                                 self._qemu.sink, self._move_input)
        elif opened and no_room and self._socket_timer is None:
            self._socket_timer = self._loop.call_later(
                _SOCKET_POLL_S, self._on_socket_timer)
