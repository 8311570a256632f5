# SPDX-License-Identifier: Apache-2.0
"""The state machine of a pair."""

import math

from hypothesis import stateful
from hypothesis import strategies
from oslotest import base

from nova_dmore import wire
from nova_dmore.worker import pair_action
from nova_dmore.worker import state_machine
from tests import examples

State = wire.PairState
Action = pair_action.Action
SOURCE = wire.Role.SOURCE
DESTINATION = wire.Role.DESTINATION

_OPENINGS = {Action.OPEN_AS_HOST, Action.OPEN_CARRIED,
             Action.OPEN_AS_DOMAIN_R, Action.OPEN_UNKNOWN}


def live_machine(now=0.0):
    machine = state_machine.PairMachine()
    machine.instance_changed(True, now)
    machine.domain_r_attached(1, now)
    assert machine.domain_r_changed('running', False, now) == [
        Action.OPEN_AS_HOST]
    machine.opened(now)
    assert machine.state is State.LIVE
    return machine


class TestPairMachine(base.BaseTestCase):

    def test_nothing_opens_before_domain_r_runs(self):
        machine = state_machine.PairMachine()
        machine.instance_changed(True, 0)
        self.assertTrue(machine.region_writable)
        self.assertEqual([], machine.domain_r_attached(1, 0))
        self.assertFalse(machine.region_writable)
        self.assertEqual([], machine.domain_r_changed('inmigrate', True, 0))
        self.assertEqual([], machine.domain_r_changed('paused', True, 0))
        self.assertEqual([Action.OPEN_AS_HOST],
                         machine.domain_r_changed('running', True, 0))

    def test_plain_pause_freezes_nothing(self):
        machine = live_machine()
        self.assertEqual([], machine.instance_changed(False, 1))
        self.assertIs(State.LIVE, machine.state)
        self.assertFalse(machine.input_flows)
        self.assertTrue(machine.output_flows)

    def test_migration_and_rollback(self):
        machine = live_machine()
        machine.arm('m', SOURCE, True, 1)
        self.assertEqual([Action.STOP], machine.instance_changed(False, 1.1))
        self.assertFalse(machine.output_flows)
        self.assertEqual([Action.CARRY], machine.freeze_over())
        self.assertEqual([], machine.freeze_over())
        self.assertIs(State.FROZEN, machine.state)
        self.assertEqual([Action.THAW, Action.OPEN_AS_HOST],
                         machine.instance_changed(True, 2))
        machine.opened(2)
        self.assertIs(State.LIVE, machine.state)

    def test_freeze_ends_by_itself(self):
        machine = live_machine()
        machine.arm('m', SOURCE, True, 1)
        machine.instance_changed(False, 1)
        # It is asked at once, or when QEMU has had its time to save.
        self.assertEqual(1 + wire.FREEZE_DELAY_S, machine.next_deadline)
        self.assertEqual([], machine.tick(machine.next_deadline - 0.001))
        self.assertFalse(machine.freeze.is_due)
        self.assertEqual([], machine.tick(machine.next_deadline))
        self.assertTrue(machine.freeze.is_due)
        # Domain R has its time, and QEMU a longer one.
        self.assertEqual(1 + wire.FREEZE_DELAY_S + wire.FREEZE_TIMEOUT_S,
                         machine.next_deadline)
        self.assertEqual([], machine.tick(machine.next_deadline - 0.001))
        self.assertFalse(machine.freeze.is_overdue)
        self.assertEqual([], machine.tick(machine.next_deadline))
        self.assertTrue(machine.freeze.is_overdue)
        # QEMU has as long as it takes: what is left of it may be much.
        self.assertIsNone(machine.next_deadline)
        self.assertEqual([Action.CARRY], machine.freeze_over())

    def arriving(self):
        machine = state_machine.PairMachine()
        machine.arm('m', DESTINATION, True, 0)
        machine.domain_r_attached(1, 0)
        machine.domain_r_changed('inmigrate', True, 0)
        machine.instance_changed(False, 0)
        return machine

    def test_carry_over_first(self):
        machine = self.arriving()
        self.assertEqual([], machine.carried(1))
        self.assertEqual([], machine.instance_changed(True, 2))
        self.assertEqual([Action.OPEN_CARRIED],
                         machine.domain_r_changed('running', True, 3))
        self.assertRaises(ValueError, machine.carried, 3)
        machine.opened(3)
        self.assertIs(State.LIVE, machine.state)
        self.assertIsNone(machine.role)

    def test_carry_over_last(self):
        machine = self.arriving()
        machine.instance_changed(True, 2)
        machine.domain_r_changed('running', True, 3)
        self.assertTrue(machine.wants_exact)
        self.assertEqual([Action.OPEN_CARRIED], machine.carried(4))

    def test_exact_domain_r(self):
        machine = self.arriving()
        machine.instance_changed(True, 2)
        machine.domain_r_changed('running', True, 3)
        machine.exact = True
        # What is carried over may say more: Domain R's word is the last.
        self.assertEqual([], machine.tick(3))
        self.assertEqual([Action.OPEN_AS_DOMAIN_R],
                         machine.tick(machine.next_deadline))

    def test_no_carry_over(self):
        machine = self.arriving()
        machine.instance_changed(True, 2)
        machine.domain_r_changed('running', True, 3)
        self.assertEqual(3 + wire.CARRY_OVER_LIMIT_S, machine.next_deadline)
        self.assertEqual([], machine.tick(machine.next_deadline - 0.01))
        self.assertEqual([Action.OPEN_UNKNOWN],
                         machine.tick(machine.next_deadline))

    def test_domain_r_that_moved_is_not_lost(self):
        machine = live_machine()
        machine.arm('m', SOURCE, True, 1)
        machine.instance_changed(False, 1)
        machine.freeze_over()
        self.assertEqual([], machine.domain_r_detached(2))
        self.assertIn(Action.THAW, machine.instance_changed(True, 3))
        # It comes back, or another one does.
        back, fresh = machine, state_machine.PairMachine.from_notes(
            machine.to_notes(), 4)
        fresh.instance_changed(True, 4)
        self.assertEqual([], back.domain_r_attached(2, 4))
        self.assertEqual([Action.OPEN_AS_HOST],
                         back.domain_r_changed('running', True, 5))
        fresh.domain_r_attached(2, 4)
        self.assertEqual([Action.DOMAIN_R_LOST, Action.OPEN_AS_HOST],
                         fresh.domain_r_changed('running', False, 5))

    def test_restart_in_the_middle_of_a_freeze(self):
        machine = live_machine()
        machine.arm('m', SOURCE, True, 1)
        machine.instance_changed(False, 1)
        second = state_machine.PairMachine.from_notes(machine.to_notes(), 2)
        # What is to stay in the socket stays there.
        self.assertFalse(second.output_flows)
        second.domain_r_attached(1, 2)
        self.assertFalse(second.output_flows)
        self.assertEqual([Action.STOP], second.instance_changed(False, 2))

    def test_restart_in_the_middle_of_a_freeze_that_ended(self):
        machine = live_machine()
        machine.arm('m', SOURCE, True, 1)
        machine.instance_changed(False, 1)
        second = state_machine.PairMachine.from_notes(machine.to_notes(), 2)
        self.assertIn(Action.THAW, second.instance_changed(True, 2))
        self.assertTrue(second.output_flows)

    def test_a_source_that_stopped_during_a_restart(self):
        machine = live_machine()
        machine.arm('m', SOURCE, True, 1)
        second = state_machine.PairMachine.from_notes(machine.to_notes(), 2)
        self.assertFalse(second.output_flows)
        self.assertEqual([Action.STOP], second.instance_changed(False, 2))

    def test_a_domain_r_that_breaks_one_epoch_after_the_other(self):
        machine = live_machine()
        now, opened = 1.0, []
        while now < 200:
            if Action.OPEN_AS_HOST in machine.broken(False, now):
                opened.append(now)
            else:
                now = machine.next_deadline
                self.assertEqual([Action.OPEN_AS_HOST], machine.tick(now))
                opened.append(now)
            machine.opened(now)
            now += 0.001
        self.assertEqual(1.0, opened[0])
        self.assertAlmostEqual(0.1, opened[1] - opened[0], 2)
        self.assertLess(len(opened), 20)
        # It behaves: the next one comes at once.
        self.assertEqual([Action.OPEN_AS_HOST],
                         machine.broken(False, now + 60))

    def test_restart_while_the_carry_over_is_made(self):
        machine = live_machine()
        machine.arm('m', SOURCE, True, 1)
        machine.instance_changed(False, 1)
        machine.freeze_over()
        second = state_machine.PairMachine.from_notes(
            machine.to_notes(), 2, is_carried=False)
        self.assertFalse(second.output_flows)
        self.assertEqual([Action.STOP], second.instance_changed(False, 2))
        self.assertEqual([Action.CARRY], second.freeze_over())

    def test_one_that_arrived_exact_and_ended(self):
        machine = self.arriving()
        machine.instance_changed(True, 2)
        machine.domain_r_changed('running', True, 3)
        machine.exact = True
        machine.domain_r_detached(4)
        machine.domain_r_attached(2, 5)
        machine.domain_r_changed('running', False, 5)
        self.assertEqual([Action.OPEN_UNKNOWN],
                         machine.tick(machine.next_deadline))

    def test_restart_does_not_lose_domain_r(self):
        second = state_machine.PairMachine.from_notes(
            live_machine().to_notes(), 2)
        self.assertEqual([], second.domain_r_attached(1, 2))
        self.assertIn(Action.DOMAIN_R_LOST, second.domain_r_attached(2, 2))


class Pairs(stateful.RuleBasedStateMachine):
    """Anything may happen at any time, in any order."""

    def __init__(self):
        super().__init__()
        self.now = 0.0
        self.machine = state_machine.PairMachine()
        self.generation = 0
        self.stopped_at = -math.inf

    def check(self, actions):
        machine = self.machine
        if Action.STOP in actions:
            self.stopped_at = self.now
        for action in actions:
            if action in _OPENINGS:
                # Until Domain R runs, QEMU writes the region.
                assert machine.domain_r_running
            if action is Action.OPEN_CARRIED:
                assert machine.migration_id is not None
        assert actions.count(Action.STOP) <= 1
        if Action.CARRY in actions or Action.STOP in actions:
            assert machine.state in (State.FREEZING, State.FROZEN,
                                     State.STARTING)

    @stateful.rule(running=strategies.booleans())
    def instance(self, running):
        frozen = self.machine.state is State.FROZEN
        actions = self.machine.instance_changed(running, self.now)
        assert (Action.THAW in actions) == (
            running and (frozen or Action.THAW in actions))
        self.check(actions)

    @stateful.rule()
    def attach(self):
        self.generation += 1
        self.check(self.machine.domain_r_attached(
            self.generation, self.now))

    @stateful.rule()
    def detach(self):
        self.check(self.machine.domain_r_detached(self.now))

    @stateful.rule(status=strategies.sampled_from(
        [None, 'inmigrate', 'paused', 'running']),
        arriving=strategies.booleans())
    def domain_r(self, status, arriving):
        self.check(self.machine.domain_r_changed(
            status, arriving, self.now))

    @stateful.rule(role=strategies.sampled_from([SOURCE, DESTINATION]),
                   number=strategies.integers(0, 2),
                   on=strategies.booleans())
    def arm(self, role, number, on):
        try:
            self.check(self.machine.arm(f'm{number}', role, on, self.now))
        except ValueError:
            assert role is DESTINATION and on

    @stateful.rule()
    def carried(self):
        try:
            self.check(self.machine.carried(self.now))
        except ValueError:
            pass

    @stateful.rule()
    def opened(self):
        self.check(self.machine.opened(self.now))

    @stateful.rule()
    def freeze_over(self):
        self.check(self.machine.freeze_over())

    @stateful.rule(restarted=strategies.booleans())
    def broken(self, restarted):
        self.check(self.machine.broken(restarted, self.now))

    @stateful.rule(seconds=strategies.sampled_from([0.01, 0.06, 2.1]))
    def later(self, seconds):
        self.now += seconds
        self.check(self.machine.tick(self.now))
        # Or the timer would be due again and again.
        assert (self.machine.next_deadline or self.now) >= self.now

    @stateful.rule()
    def leaves(self):
        self.check(self.machine.leaves(self.now))

    @stateful.rule()
    def adopt(self):
        self.check(self.machine.adopt(self.now))

    @stateful.rule(is_carried=strategies.booleans())
    def restart(self, is_carried):
        self.machine = state_machine.PairMachine.from_notes(
            self.machine.to_notes(), self.now, is_carried)

    @stateful.invariant()
    def input_only_into_a_running_instance(self):
        if self.machine.input_flows:
            assert self.machine.instance_running
            assert self.machine.state is State.LIVE

    @stateful.invariant()
    def domain_r_is_waited_for_no_longer_than_that(self):
        # QEMU has as long as it takes.
        if self.machine.state is State.FREEZING:
            may_end = self.now >= self.stopped_at + (
                wire.FREEZE_DELAY_S + wire.FREEZE_TIMEOUT_S)
            assert may_end or self.machine.next_deadline is not None
            assert may_end or not self.machine.freeze.is_overdue


TestPairs = Pairs.TestCase
TestPairs.settings = examples.settings(100, stateful_step_count=30)
