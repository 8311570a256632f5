# SPDX-License-Identifier: Apache-2.0
"""Any interleaving of the two ends: each byte once, in order, or a gap."""

import random
import unittest

import hypothesis
from hypothesis import stateful
from hypothesis import strategies

from nova_dmore.channel.host import end as host_end
from tests import examples
from tests.unit.channel import world

OUT = world.OUT
IN = world.IN
HostState = host_end.HostState
SOME = strategies.integers(1, 40)
SETTINGS = examples.settings(
    120, stateful_step_count=60,
    report_multiple_bugs=False,
    suppress_health_check=list(hypothesis.HealthCheck))


class Steps(stateful.RuleBasedStateMachine):
    """One pair on one host after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.world = world.World()
        self.carried = None

    @stateful.initialize(out_ring=strategies.sampled_from([1, 8, 16, 64]),
                         in_ring=strategies.sampled_from([1, 8, 16, 64]),
                         met=strategies.booleans())
    def start(self, out_ring, in_ring, met):
        self.world = world.World(out_ring, in_ring)
        if met:
            self.world.host.open()
            self.meet()

    # -- bytes

    @stateful.rule(count=SOME)
    def produce(self, count):
        end = self.world.host
        if (end.state not in (HostState.FREEZING, HostState.FROZEN)
                and not self.world.stopped):
            self.world.produce(min(count, end.room(OUT), self.space()))

    @stateful.rule(count=SOME)
    def produce_beyond_the_ring(self, count):
        if self.world.host.state is HostState.OPEN:
            self.world.produce(min(count, self.space()))

    def space(self):
        """So that no more is unstored than can be carried over."""
        return max(0, 100 - (self.world.out_sent - self.world.out_next))

    @stateful.rule(count=SOME)
    def take(self, count):
        self.world.take(count)

    @stateful.rule(count=SOME)
    def send(self, count):
        self.world.send(count)

    @stateful.rule()
    def receive(self):
        self.world.receive()

    @stateful.rule()
    def pause(self):
        self.world.domr.pause(OUT)

    @stateful.rule()
    def resume(self):
        self.world.domr.resume(OUT)

    @stateful.rule()
    def host_poll(self):
        if self.world.host_poll().broken:
            # Nobody here is hostile: only a new Domain R breaks an epoch.
            assert self.world.fresh

    @stateful.rule()
    def domr_poll(self):
        self.world.domr_poll()

    @stateful.rule()
    def meet(self):
        self.host_poll()
        self.domr_poll()
        self.host_poll()

    @stateful.rule(count=SOME, paused=strategies.booleans())
    def print_and_type(self, count, paused):
        (self.pause if paused else self.resume)()
        self.send(count)
        self.produce(count)
        self.meet()
        self.take(count // 2)
        self.receive()

    # -- epochs

    @stateful.rule(final=strategies.booleans())
    def freeze(self, final):
        self.world.host.freeze(final)
        self.world.snapshot()

    @stateful.rule(count=SOME)
    def produce_after_the_stop(self, count):
        if self.carried is None and self.world.open_ended:
            self.world.produce(
                min(count, self.world.host.room(OUT), self.space()))

    @stateful.rule(count=SOME)
    def take_after_the_stop(self, count):
        if self.carried is None and self.world.open_ended:
            self.world.take_after_the_stop(count)

    @stateful.rule()
    def roll_back(self):
        if self.carried is None:
            self.world.roll_back()

    @stateful.rule()
    def restart_worker(self):
        self.world.restart_worker()

    @stateful.rule()
    def take_while_opening(self):
        end = self.world.host
        if self.carried is None and end.state is HostState.OPEN:
            data = end.readable(IN)
            end.open()
            end.take(IN, len(data))
            self.world.was_taken(len(data))

    @stateful.rule(seed=strategies.integers(0, 1 << 32))
    def migrate(self, seed):
        # The source knew its offsets; else there is nothing to carry over,
        # which is the next machine's concern.
        # What a Domain R misses that is new is beyond this model.
        if (self.carried is None and not self.world.new
                and self.world.host.carry_over()):
            self.carried = self.world.arrive(random.Random(seed))

    @stateful.rule()
    def carry_over_comes(self):
        if self.carried is not None:
            self.world.adopt(self.carried)
            self.carried = None

    def teardown(self):
        self.carry_over_comes()
        self.world.quiesce()
        self.check_gaps()

    def check_gaps(self):
        assert not self.world.gap_kinds, self.world.gap_kinds


class LossySteps(Steps):
    """The same, with faults that may cost bytes, which must be reported."""

    @stateful.rule()
    def carry_over_is_missing(self):
        if self.carried is not None:
            self.carried = None
            self.world.host.open()

    @stateful.rule()
    def carry_over_is_late(self):
        if self.carried is not None:
            self.world.host.open()
            self.world.quiesce()
            self.world.host.open(self.carried)
            self.carried = None

    @stateful.rule(count=SOME)
    def forget(self, count):
        end = self.world.host
        if end.state in (HostState.CLOSED, HostState.OPENING,
                         HostState.BROKEN) and self.carried is None:
            end.forget(OUT, min(count, end.unstored(OUT)))

    @stateful.rule()
    def replace_domr(self):
        if self.carried is None:
            self.world.replace_domr()

    def check_gaps(self):
        pass


class ExactlyOnceTest(Steps.TestCase):
    settings = SETTINGS


class LossyTest(LossySteps.TestCase):
    settings = SETTINGS


class MovedWithoutFreezeTest(unittest.TestCase):
    """Domain R runs at the destination before anyone there has opened."""

    @examples.settings(150)
    @hypothesis.given(
        counts=strategies.lists(strategies.tuples(
            strategies.integers(1, 20), strategies.booleans()),
            min_size=1, max_size=12),
        seed=strategies.integers(0, 1 << 32))
    def test_old_copies_are_not_output(self, counts, seed):
        pair = world.World(out_ring=64)
        pair.host.open()
        pair.domr_poll()
        pair.host_poll()
        for count, received in counts:
            pair.produce(min(count, pair.host.room(OUT)))
            pair.host_poll()
            if received:
                pair.receive()
                pair.host_poll()
        carried = pair.arrive(random.Random(seed))
        for _ in range(3):
            pair.domr_poll()
            pair.receive()
        pair.adopt(carried)
        pair.quiesce()
        self.assertEqual([], pair.gap_kinds)
