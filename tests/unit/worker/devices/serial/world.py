# SPDX-License-Identifier: Apache-2.0
"""An instance that is migrated, and all that may happen meanwhile.

QEMU goes on as its own source says, whether anybody listens or not: the order
is that of a plan.
"""

import dataclasses

from nova_dmore.keeper import line
from nova_dmore import wire
from tests.unit.keeper import poll_loop
from tests.unit.worker.devices.serial import host as host_module
from tests.unit.worker.devices.serial import uart

#: How long the smallest step takes, in seconds.
_STEP_S = 1e-5


@dataclasses.dataclass
class Plan:
    """The plan of one migration.

    :ivar back_after: the stage after which it is rolled back, or None.
    :ivar scripts: what happens after each stage and, two more, at its end:
        (what, how much or where) each.
    :ivar gaps: how long QEMU takes after each stage, in seconds.
    :ivar is_heard: whether the keeper is woken by the monitor in each stage,
        or hears of it when it moves something, or at the end.
    :ivar is_disarmed_first: a rolled-back one, before the keeper hears QEMU.
    """

    scripts: list
    back_after: str | None = None
    version: uart.Version = uart.Version.NEW
    is_paused: bool = False
    is_postcopy: bool = False
    is_heard: bool = True
    is_disarmed_first: bool = False
    gap: float = 0.003


#: What a migration consists of. One that ends in post-copy completes later.
STAGES = ('stop', 'announce', 'save', 'unlock', 'complete', 'arrive')


class World:
    """An instance, wherever it is.

    :param kind: the class of the keepers' lines.
    """

    def __init__(self, kind=line.Line):
        self._kind = kind
        self.loop = poll_loop.PollLoop()
        self.typed = 0
        self.unsure_in = set()  # offsets of keys that may have been lost
        self.guest = uart.Guest()
        self._backlog = 0       # what the guest has to print yet
        #: The output that earlier hosts produced, and how many bytes of it
        #: may come again.
        self._before = []
        self.hosts = []
        self.host = self._new_host(0)
        self.host.starts(self.guest)

    def _new_host(self, taken):
        host = host_module.Host(self, self._kind, taken)
        self.hosts.append(host)
        return host

    def close(self):
        for host in self.hosts:
            host.qemu.close()
        for host in self.hosts:
            host.close()

    def run(self, script):
        host = self.host
        for step, value in script:
            self._pass(_STEP_S)
            if step == 'print':
                self._backlog += value
            elif step == 'key':
                self.typed += value
            elif step == 'get':
                host.qemu.reads(value)
            elif step == 'kill':
                host.kill(value)
            elif step == 'hold up':
                host.hold_up()
            else:
                turn = {'QEMU': host.qemu.main_loop, 'keeper': host.turn,
                        'monitor': host.hear, 'worker': host.worker.turn}[step]
                for _ in range(value):
                    turn()
            self._guest_prints(host)

    def _pass(self, seconds):
        """Time goes by; what keeper or worker wait for, happens."""
        if self.host.is_held_up:
            self.loop.now += seconds
        else:
            self.loop.run(seconds)

    def _guest_prints(self, host):
        before = self.guest.printed
        host.qemu.prints(self._backlog)
        self._backlog -= self.guest.printed - before

    def migrate(self, plan):
        source, qemu = self.host, self.host.qemu
        source.may_be_unsure_in = source.may_be_unsure_out = False
        source.unsure_out = 0
        self._hear_all(source)
        if plan.is_paused:
            qemu.stop()
            self._hear_all(source)
        source.arm(wire.Role.SOURCE)
        self.run(plan.scripts[0])
        state = None
        for stage, script in zip(STAGES, plan.scripts[1:]):
            if stage == 'stop' and not plan.is_paused:
                qemu.stop()
            elif stage == 'announce':
                qemu.announce(plan.version, plan.is_postcopy)
            elif stage == 'save':
                state = qemu.save(plan.version, plan.is_postcopy)
            elif stage == 'unlock':
                qemu.unlock()
            elif stage == 'complete' and not plan.is_postcopy:
                qemu.complete()
            elif stage == 'arrive':
                there = self._arrive(state)
            self._pass(_STEP_S)
            if stage == 'announce' and plan.is_paused and script:
                # It gets room, and the main loop need not turn again.
                source.may_be_unsure_out = True
            self.run(script)
            if plan.is_heard:
                source.hear()
            if plan.back_after == stage:
                if stage == 'arrive':
                    self._fail(there)
                self._roll_back(source, plan)
                return
            # Between the word of the old one and its lock is next to nothing.
            self._pass(_STEP_S if stage == 'announce' else plan.gap)
        self._hand_over(source, there, plan)

    def _arrive(self, state):
        """The state is loaded at the destination."""
        there = self._new_host(0)
        there.starts(self.guest, arrives=True)
        self._turn_all(there)
        there.qemu.load(state)
        self._turn_all(there)
        return there

    def _fail(self, there):
        """A destination comes to nothing: none of what it has is of use."""
        there.line.status(False, None, True)
        self._turn_all(there)
        assert not there.produced, _difference(there.produced, b'')

    def _turn_all(self, host):
        for _ in range(3):
            host.hear()
            self.loop.turn()
            host.worker.turn()

    def _hear_all(self, host):
        host.turn()
        host.hear()
        self._turn_all(host)

    def _roll_back(self, source, plan):
        if plan.is_paused:
            source.qemu.unlock()    # nothing is said
        else:
            source.qemu.resume()
        self.run(plan.scripts[-2])
        if not plan.is_disarmed_first:
            self._hear_all(source)
        source.arm(None)
        self._unpause(source, plan)
        self.run(plan.scripts[-1])
        if not plan.is_heard:
            self._hear_all(source)

    def _unpause(self, host, plan):
        if plan.is_paused:
            self._hear_all(host)
            host.qemu.resume()

    def _hand_over(self, source, there, plan):
        """The source's worker knows everything, and the guest runs there."""
        self._freeze(source)
        produced = source.produced
        self._before.append((produced, source.unsure_out))
        self.run(plan.scripts[-2])
        with there.journal.transaction():
            there.journal.jump(host_module.IN, source.taken)
        there.worker.act(there.worker.machine.carried(self.loop.time()))
        self.host = there
        if plan.is_paused:
            there.line.adopted()
            there.worker.act(there.worker.machine.adopt(self.loop.time()))
            self._unpause(there, plan)
        else:
            there.qemu.resume()
        self.run(plan.scripts[-1])
        if plan.is_postcopy:
            source.qemu.complete()
        self._hear_all(source)
        source.line.status(False, None, False)
        self._turn_all(source)
        assert source.produced == produced, _difference(
            source.produced, produced)

    def _freeze(self, host):
        """The source comes to know all that it carries over."""
        for _ in range(100):
            self._pass(_STEP_S)
            host.turn()
            host.hear()
            host.worker.turn()
            if host.worker.machine.state is wire.PairState.FROZEN:
                return
            self._pass(1e-4)
        raise AssertionError('it never knows')

    def finish(self):
        host = self.host
        self._hear_all(host)
        for _ in range(20000):
            self._pass(1e-3)
            host.qemu.main_loop()
            host.qemu.reads(16)
            self._guest_prints(host)
            moved = host.turn()
            host.worker.turn()
            if not (moved or self._backlog or host.qemu.transmit
                    or host.qemu.receive or host.taken < self.typed):
                return
        raise AssertionError('it does not come to rest')

    def check(self):
        """Each byte is there once, but for those that were reported."""
        at = may_repeat = 0
        printed = uart.PRINTED[:self.guest.printed]
        for got, unsure in [*self._before, (self.host.produced, 0)]:
            begin = next((start for start in range(
                at, max(0, at - may_repeat) - 1, -1) if printed.startswith(
                    got, start)), at)
            wanted = printed[begin:begin + len(got)]
            assert got == wanted, _difference(got, wanted, begin)
            at = max(at, begin + len(got))
            may_repeat = unsure if got else may_repeat + unsure
        assert at == len(printed), _difference(printed[:at], printed)
        got, wanted = bytes(self.guest.got), uart.TYPED[:self.typed]
        if self.unsure_in:
            wanted = self._without_lost(got, wanted)
        assert got == wanted, _difference(got, wanted)

    def _without_lost(self, got, typed):
        """-> what was typed, without what the guest need not have got."""
        kept = bytearray()
        for offset, byte in enumerate(typed):
            if not (offset in self.unsure_in and
                    got[len(kept):len(kept) + 1] != bytes([byte])):
                kept.append(byte)
        return bytes(kept)


def _difference(got, wanted, begin=0):
    at = next((index for index, pair in enumerate(zip(got, wanted))
               if pair[0] != pair[1]), min(len(got), len(wanted)))
    return (f'{len(got)} bytes instead of {len(wanted)}, wrong from '
            f'{begin + at} on')
