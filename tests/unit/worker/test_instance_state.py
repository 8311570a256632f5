# SPDX-License-Identifier: Apache-2.0
"""What Domain R is told that the instance does."""

from oslotest import base

from nova_dmore import wire
from nova_dmore.worker import instance_state
from tests.unit.worker import fake_loop

State = wire.InstanceState
PairState = wire.PairState


class TestStateOf(base.BaseTestCase):

    def check(self, expected, connected, status, role=None,
              pair=PairState.LIVE):
        self.assertIs(expected, instance_state.state_of(
            connected, status, role, pair), (status, role, pair))

    def test_run_states(self):
        for expected, names in (
                (State.RUNNING, ['running', 'suspended']),
                (State.OFF, ['prelaunch', 'shutdown']),
                (State.CRASHED, ['guest-panicked', 'internal-error']),
                (State.PAUSED, ['paused', 'io-error',
                                'inmigrate', 'what QEMU calls it in 2030'])):
            for name in names:
                self.check(expected, True, name)

    def test_no_qemu(self):
        self.check(State.OFF, False, None)
        self.check(None, False, 'confused')     # qmp.CONFUSED: it lives
        self.check(None, True, None)

    def test_a_migration(self):
        """Whoever types meanwhile is heard: it stands still for a moment."""
        for status in ('running', 'paused', 'postmigrate'):
            self.check(State.MIGRATING, True, status, wire.Role.SOURCE)
        self.check(State.MIGRATING, False, None, wire.Role.SOURCE)
        self.check(State.MIGRATING, True, 'paused', pair=PairState.FROZEN)
        self.check(State.MIGRATING, False, None, pair=PairState.INCOMING)


class TestStateTeller(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.loop = fake_loop.FakeLoop()
        self.told = []
        self.teller = instance_state.StateTeller(self.loop, self.told.append)

    def test_each_change_once(self):
        for state in (State.OFF, State.OFF, None, State.RUNNING,
                      State.RUNNING, State.OFF):
            self.teller.is_now(state)
        self.assertEqual([State.OFF, State.RUNNING, State.OFF], self.told)

    def test_a_moment_is_no_pause(self):
        """Keys are refused while it is paused, and none may be lost when a
        migration is rolled back."""
        self.teller.is_now(State.MIGRATING)
        self.teller.is_now(State.PAUSED)
        self.loop.run(0.9)
        self.teller.is_now(State.RUNNING)
        self.loop.run(10)
        self.assertEqual([State.MIGRATING, State.RUNNING], self.told)
        self.teller.is_now(State.PAUSED)
        self.loop.run(1.1)
        self.assertEqual(State.PAUSED, self.told[-1])

    def test_a_reset(self):
        self.teller.was_reset()
        self.teller.is_now(State.RUNNING)
        for _ in range(3):
            self.teller.was_reset()
            self.loop.run(1.5)
        self.assertEqual([State.RUNNING, State.REBOOTING], self.told)
        self.loop.run(1)
        self.assertEqual(State.RUNNING, self.told[-1])

    def test_off_after_a_reset(self):
        self.teller.is_now(State.RUNNING)
        self.teller.was_reset()
        self.assertFalse(self.teller.is_off)
        self.teller.is_now(State.OFF)
        self.assertTrue(self.teller.is_off)
        self.loop.run(10)
        self.assertEqual(State.OFF, self.told[-1])
