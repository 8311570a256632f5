# SPDX-License-Identifier: Apache-2.0
"""The serial line over any number of migrations: each byte exactly once.

The keeper's line and the worker's device are the real ones, with real FIFOs;
QEMU is a model (uart.py). A script of small steps runs between all that a
migration consists of.
"""

import contextlib
import os
import tempfile
import types
import unittest
from unittest import mock

import hypothesis
from hypothesis import strategies

from nova_dmore.channel.host import end as host_end
from nova_dmore.channel.host import journal
from nova_dmore.channel import region
from nova_dmore.keeper import line
from nova_dmore.link import messages
from nova_dmore.posix import fifos
from nova_dmore import wire
from nova_dmore.worker.devices import base
from nova_dmore.worker.devices.serial import device as serial
from tests import examples
from tests.unit.keeper import poll_loop
from tests.unit.worker.devices.serial import uart

OUT = wire.Stream.SERIAL0_OUT
IN = wire.Stream.SERIAL0_IN
State = wire.PairState
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


class Host:
    """A keeper's line, and the worker's device, of one pair."""

    def __init__(self, world, kind, taken):
        self.world = world
        self.folder = tempfile.TemporaryDirectory()
        fifos.make(self.folder.name, 0o600, None)
        self.qemu = None
        self.unsure = 0
        self.line = kind(world.loop, self.folder.name, self.look, self.tell)
        self.journal = journal.Journal(bytearray(journal.journal_size()))
        with self.journal.transaction():
            self.journal.jump(IN, taken)
        self.machine = types.SimpleNamespace(
            state=State.LIVE, input_flows=True, output_flows=True,
            takes_output=False, domain_r_left=False, domain_r_running=True)
        self.start_worker()

    def close(self):
        for descriptor in {*self.world.loop.readers,
                           *self.world.loop.writers}:
            self.world.loop.remove_reader(descriptor)
            self.world.loop.remove_writer(descriptor)
        for descriptor in (
                self.line._fifo_in, self.line._fifo_out, self.line._to_count,
                self.line._input, self.line._input_end, self.line._output,
                self.line._output_end):
            os.close(descriptor)
        self.folder.cleanup()

    def starts(self, guest, arrives=False):
        self.qemu = uart.Qemu(self.folder.name, guest, arrives)
        self.line.status(True, 'inmigrate' if arrives else 'running', arrives)

    def look(self):
        """The keeper's monitor: what QEMU has said is heard at once."""
        for name in self.qemu.heard():
            self.line.event(name, self.world.loop.time())
            if name in ('STOP', 'RESUME'):
                self.line.status(
                    True, 'running' if name == 'RESUME' else 'paused', False)
                if name == 'STOP':
                    self.machine.state = State.FREEZING
                    self.machine.input_flows = False
                    self.machine.output_flows = False
                    self.device.stop(0)
                else:
                    self.device.thaw()
                    self.machine.state = State.LIVE
                    self.machine.input_flows = True
                    self.machine.output_flows = True

    def tell(self, message, descriptors=()):
        self.unsure += message['unsure_in'] + message['unsure_out']
        self.device.counted(message)

    # -- the worker

    def start_worker(self):
        self.end = HostEnd(REGION, lambda vector: None, self.journal)
        self.end.world = self.world
        written, read, unread = self.line.descriptors
        self.world.loop.remove_reader(read)
        self.device = serial.SerialDevice(base.DeviceContext(
            loop=self.world.loop, region=REGION, ring=None,
            host_end=self.end, journal=self.journal,
            serial=base.SerialPipes(written, read, unread,
                                    **self.line.totals()),
            machine=self.machine, report_gap=self.fail, commands=None,
            last_input=None, input_limit_reached=None, settled=lambda: None,
            config={}))
        self.line.repeat()

    def fail(self, *gap):
        raise AssertionError(f'a gap: {gap}')

    def pump(self):
        self.device.pump()

    def kill(self, where):
        """End the worker, in the middle of something or not."""
        try:
            if where == 'read':
                self.end.is_killed_in_read = True
                self.device.output.pump()
            elif where == 'write' and self.machine.input_flows:
                held = self.device.input
                data = self.end.readable(IN)[held._under_way:]
                with contextlib.suppress(BlockingIOError):
                    os.write(self.line.descriptors[0], data[:100])
        except Killed:
            pass
        if self.device._timer is not None:
            self.device._timer.cancel()
        self.start_worker()

    @property
    def produced(self):
        return self.journal.read(OUT, 0, self.journal.position(OUT))

    @property
    def is_settled(self):
        return self.device.is_saved() and not self.device.is_settling()


STEPS = strategies.one_of(
    strategies.tuples(strategies.sampled_from(('print', 'key')),
                      strategies.sampled_from((1, 5, 40, 400, 5000))),
    strategies.tuples(strategies.sampled_from(('get',)),
                      strategies.integers(1, 16)),
    strategies.tuples(strategies.just('kill'),
                      strategies.sampled_from(('', 'read', 'write'))),
    strategies.tuples(strategies.sampled_from(
        ('loop', 'keeper', 'worker')), strategies.integers(1, 3)))
SCRIPT = strategies.lists(STEPS, max_size=12)
MIGRATION = strategies.tuples(
    strategies.sampled_from(('moves', 'moves', 'is rolled back',
                             'ends in post-copy')),
    strategies.lists(SCRIPT, min_size=7, max_size=7))


class World:
    """An instance, wherever it is."""

    def __init__(self, kind=line.Line):
        self.kind = kind
        self.loop = poll_loop.PollLoop()
        self.typed = 0
        self.guest = uart.Guest()
        self.backlog = 0        # what the guest has to print yet
        self.before = b''       # the output that earlier hosts produced
        self.hosts = []
        self.host = self.new_host(0)
        self.host.starts(self.guest)

    def new_host(self, taken):
        host = Host(self, self.kind, taken)
        self.hosts.append(host)
        return host

    def close(self):
        for host in self.hosts:
            host.qemu.close()
        for host in self.hosts:
            host.close()

    def run(self, script, host=None):
        host = host or self.host
        for step, value in script:
            self.loop.run(1e-5)
            if step == 'print':
                self.backlog += value
            elif step == 'key':
                self.typed += value
            elif step == 'get':
                host.qemu.reads(value)
            elif step == 'kill':
                host.kill(value)
            for _ in range(value if step in ('loop', 'keeper', 'worker')
                           else 0):
                {'loop': host.qemu.main_loop, 'keeper': self.loop.turn,
                 'worker': host.pump}[step]()
            self.guest_prints(host)

    def guest_prints(self, host):
        before = self.guest.printed
        host.qemu.prints(self.backlog)
        self.backlog -= self.guest.printed - before

    def migrate(self, outcome, scripts):
        source = self.host
        source.line.leaving(True)
        self.run(scripts[0])
        source.qemu.stop()
        self.run(scripts[1])
        source.look()
        self.loop.run(1e-5)
        state = source.qemu.save()
        if outcome == 'ends in post-copy':
            source.qemu.heard()
            source.line.event(messages.SAVING_POSTCOPY, self.loop.time())
        self.run(scripts[2])
        source.look()
        self.loop.run(0.01)
        self.run(scripts[3])
        source.qemu.completed()
        self.run(scripts[4])
        self.settle(source)
        if outcome == 'is rolled back':
            self.run(scripts[5])
            source.qemu.resume()
            source.look()
            source.line.leaving(False)
            self.run(scripts[6])
            return
        self.run(scripts[5])
        there = self.new_host(source.journal.position(IN))
        there.starts(self.guest, arrives=True)
        there.qemu.load(state)
        for _ in range(3):
            self.loop.turn()
            there.pump()
        self.before += source.produced
        source.machine.input_flows = False
        self.host = there
        there.qemu.resume()
        there.look()
        self.run(scripts[6])

    def settle(self, host):
        """The source comes to know all that it carries over."""
        for _ in range(1000):
            host.look()
            self.loop.turn()
            host.pump()
            if host.is_settled:
                return
        raise AssertionError('it never knows')

    def finish(self):
        host = self.host
        for _ in range(20000):
            host.look()
            host.qemu.main_loop()
            host.qemu.reads(16)
            self.guest_prints(host)
            moved = self.loop.turn()
            host.pump()
            if not (moved or self.backlog or host.qemu.transmit
                    or len(self.guest.got) < self.typed):
                return
        raise AssertionError('it does not come to rest')

    def check(self):
        got = self.before + self.host.produced
        wanted = uart.PRINTED[:self.guest.printed]
        assert got == wanted, _difference(got, wanted)
        got, wanted = bytes(self.guest.got), uart.TYPED[:self.typed]
        assert got == wanted, _difference(got, wanted)


def _difference(got, wanted):
    at = next((index for index, pair in enumerate(zip(got, wanted))
               if pair[0] != pair[1]), min(len(got), len(wanted)))
    return f'{len(got)} bytes instead of {len(wanted)}, wrong from {at} on'


def play(migrations, kind=line.Line):
    world = World(kind)
    with mock.patch('time.monotonic', world.loop.time):
        try:
            for outcome, scripts in migrations:
                world.migrate(outcome, scripts)
            world.finish()
            world.check()
        finally:
            world.close()


class ExactlyOnceTest(unittest.TestCase):

    @examples.settings(200)
    @hypothesis.given(strategies.lists(MIGRATION, max_size=3))
    def test_each_byte_once(self, migrations):
        play(migrations)


#: Bytes came twice, or it is not sure that none did.
_WRONG = 'wrong from|a gap'


class ReadsOn(line.Line):
    """A keeper that goes on reading after the stop."""

    def _move_output(self):
        if self.gate is line.Gate.HELD and self._count is None:
            self._allowed = 1 << 16
        super()._move_output()

    def _watch(self):
        if self.gate is line.Gate.HELD and self._count is None:
            self._allowed = 1 << 16
        super()._watch()


class CountsLate(line.Line):
    """A keeper that makes room at the end, and counts a turn later."""

    def _saved(self):
        self._allowed = 1 << 16
        self._move_output()
        self._look.__self__.qemu.main_loop()
        super()._saved()


class FaultyTest(unittest.TestCase):
    """The test above is worth something."""

    #: A guest that is held up at the stop, by a full FIFO.
    HELD_UP = [('moves', [[('print', 5000), ('loop', 3)], [],
                          [('keeper', 3)], [], [('loop', 1)], [], []])]

    def test_the_right_one(self):
        play(self.HELD_UP)

    def test_one_that_reads_on_after_the_stop(self):
        with self.assertRaisesRegex(AssertionError, _WRONG):
            self._search(ReadsOn)

    def test_one_that_counts_late(self):
        with self.assertRaisesRegex(AssertionError, _WRONG):
            self._search(CountsLate)

    def _search(self, kind):
        @examples.settings(400, phases=[hypothesis.Phase.explicit,
                                        hypothesis.Phase.generate])
        @hypothesis.example(self.HELD_UP)
        @hypothesis.given(strategies.lists(MIGRATION, max_size=2))
        def search(migrations):
            play(migrations, kind)
        search()
