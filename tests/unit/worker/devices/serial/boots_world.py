# SPDX-License-Identifier: Apache-2.0
"""An instance whose boots are told apart by what was typed during each.

The keeper's line, the worker's input and control, and the channel are the real
ones; each of them has its turn when a script says so, and hears late.
"""

import os
import tempfile
import types

from nova_dmore.channel import control
from nova_dmore.channel.domr import end as domr_end
from nova_dmore.channel.host import end as host_end
from nova_dmore.channel.host import journal
from nova_dmore.channel import region
from nova_dmore.keeper import line
from nova_dmore.link import messages
from nova_dmore.posix import fifos
from nova_dmore.posix import pipes
from nova_dmore import wire
from nova_dmore.worker.devices import base
from nova_dmore.worker.devices.serial import input as serial_in
from nova_dmore.worker import domain_r_control
from nova_dmore.worker import serial_break
from tests.unit.keeper import poll_loop

IN = wire.Stream.SERIAL0_IN
TO_HOST = wire.Stream.CONTROL_TO_HOST


class Worker:
    """What hears the keeper and Domain R.

    :param notes: of the one before.
    """

    def __init__(self, world, notes):
        self._world = world
        self.end = host_end.HostEnd(
            world.region, lambda vector: None, world.journal)
        written, _, unread = world.line.descriptors
        self.input = serial_in.SerialInput(types.SimpleNamespace(
            host_end=self.end, journal=world.journal,
            report_gap=None, input_limit_reached=lambda: None,
            input_dropped=self._dropped, kept={'serial': notes},
            note=lambda: None, serial=base.SerialPipes(
                written, None, unread, **world.line.totals())))
        self._break = serial_break.SerialBreak(
            self.end, self.input, self._send_break, None)
        self.control = domain_r_control.DomainRControl(
            self.end, self.input, self._break, {'hears_boots': 1})
        self._runs = self._is_off = False
        self.end.open()

    def _dropped(self, at, count):
        self._world.dropped += count

    def _send_break(self, announce):
        announce(1)
        self._world.breaks += 1
        self._break.answered({'id': 1, 'result': None})

    def hear(self):
        """Take what the keeper has said."""
        inbox, self._world.inbox = self._world.inbox, []
        for kind in inbox:
            if kind in (messages.BOOT, messages.TELLS_BOOTS):
                if kind == messages.BOOT:
                    self.control.begin_boot()
                self._world.outbox.append(self.input.written)
            else:
                self._runs = kind == 'running'
                self._is_off = kind == 'off'

    def lose_domain_r(self):
        """See Pair."""
        self.control.lost()
        self.end.open()

    def poll(self):
        """Poll the region, and move what can be moved."""
        if self.end.poll().opened:
            self.control.opened()
        self.control.pump()
        if self._runs:
            self.input.pump()
            return
        self.input.count_read()
        self.input.drop_old()
        if self._is_off:
            self.input.discard()


class World:
    """An instance, its keeper, a worker and Domain R.

    What is typed says which boot of the instance it is for: the one during
    which it is typed.
    """

    def __init__(self, test):
        self.loop = poll_loop.PollLoop()
        folder = tempfile.TemporaryDirectory()
        test.addCleanup(folder.cleanup)
        fifos.make(folder.name, 0o600, None)
        self.inbox, self.outbox = [], []
        self.typed = self.dropped = self.breaks = 0
        self._said = []
        self.line = line.Line(self.loop, folder.name, self.hear_qemu,
                              self._tell)
        self._input, self._output = fifos.open_both(folder.name)
        self.region = region.Region(bytearray(1 << 18))
        self.journal = journal.Journal(bytearray(journal.journal_size()))
        self._domain_r = domr_end.DomainREnd(
            self.region, lambda vector: None)
        self._codec = control.LineCodec()
        self.boot = 1
        self._left = 0          # in the FIFO when it was reset
        self.got = b''
        self._runs = True
        self._worker = None
        self.kill()
        self._status('running')
        self.quiesce()

    def close(self):
        for name in ('_input', '_output'):
            os.close(getattr(self, name))
        for name in ('_input', '_input_end', '_output', '_output_end'):
            os.close(getattr(self.line, name))
        for name in ('_fifo_in', '_fifo_out', '_to_count'):
            os.close(getattr(self.line._qemu, name))

    # -- the instance

    def type(self, count=1):
        if self._domain_r.sendable(IN) >= count:
            self._domain_r.send(IN, bytes([self.boot % 256]) * count)
            self.typed += count

    def ask_break(self):
        self._say({'type': wire.BREAK, 'stream': 'serial0_in',
                   'at': self._domain_r.position(IN)})

    def _say(self, message):
        line = control.encode(message)
        if self._domain_r.sendable(TO_HOST) >= len(line):
            self._domain_r.send(TO_HOST, line)

    def read(self, count=5):
        """The guest reads its port."""
        if not self._runs:
            return
        try:
            got = os.read(self._input, count)
        except BlockingIOError:
            return
        left = min(self._left, len(got))
        self._left -= left
        assert not got[left:].strip(bytes([self.boot % 256])), (
            self.boot, got)
        self.got += got[left:]

    def reset(self):
        self.boot += 1
        self._left = pipes.unread(self._input)
        self._said.append(messages.RESET)

    def pause(self):
        if self._runs:
            self._runs = False
            self._said += ['STOP', 'paused']

    def resume(self):
        self._runs = True
        self._said += ['RESUME', 'running']

    def restart(self):
        """Its QEMU ends, and another one is started."""
        self.hear_qemu()
        self.boot += 1
        self._left = 0
        self.line.status(False, None, False)
        self.inbox.append('off')
        self._runs = True
        self._status('running')

    # -- keeper, worker, Domain R

    def hear_qemu(self):
        while self._said:
            word = self._said.pop(0)
            if word in ('paused', 'running'):
                self._status(word)
            else:
                self.line.event(word, self.loop.time())

    def _status(self, status):
        self.line.status(True, status, False)
        self.inbox.append(status)

    def _tell(self, message, descriptors):
        self.inbox.append(message['event'])

    def keeper(self):
        while self.outbox:
            self.line.heard(self.outbox.pop(0))
        self.hear_qemu()
        self.loop.turn()

    def worker(self):
        self._worker.hear()
        self._worker.poll()

    def doorbell(self):
        """The worker has yet to hear what the keeper says."""
        self._worker.poll()

    def stop_and_roll_back(self):
        """A migration ends when its carry-over is made."""
        self._worker.hear()
        self._worker.input.frozen()
        self._worker.end.open()

    def domain_r(self):
        if self._domain_r.poll().opened:
            self._say({'type': wire.SERVING, 'hears_boots': 1})
        for message in self._codec.feed(self._domain_r.received(
                wire.Stream.CONTROL_TO_DOMAIN_R)):
            if message['type'] == wire.BOOT:
                self._say({
                    'type': wire.BOOT_HEARD, 'number': message['number'],
                    'at': self._domain_r.position(IN)})

    def end_domain_r(self):
        """Domain R ends, and another one is started."""
        self._domain_r = domr_end.DomainREnd(
            self.region, lambda vector: None)
        self._worker.lose_domain_r()

    def kill(self):
        """The worker ends, and another one begins."""
        notes = self._worker and self._worker.input.fence.to_notes()
        self.inbox, self.outbox = [], []
        self.line.has_worker(False)
        self._worker = Worker(self, notes)
        self.line.has_worker(True)
        if self._worker is not None:
            self.inbox.append('running' if self.line.gate is line.Gate.OPEN
                              else 'paused')

    def quiesce(self):
        for _ in range(12):
            self.keeper()
            self.worker()
            self.domain_r()
            self.loop.run(0.01)
            self.read(1 << 16)
