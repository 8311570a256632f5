# SPDX-License-Identifier: Apache-2.0
"""A serial break comes once, whoever is killed, and wherever it goes."""

import hypothesis
from hypothesis import strategies

from nova_dmore import wire
from tests import examples
from tests.unit.worker.devices.keyboard import moved_case
from tests.unit.worker.devices.keyboard import test_killed

_STEPS = strategies.sampled_from([
    ('ask_break',), ('ask_break',), ('obey',), ('obey',), ('quiesce',),
    ('arm',), ('run_instance', False), ('save',), ('disarm',),
    ('sleep', True), ('sleep', False)])
_MOVE = strategies.tuples(
    strategies.just('move'),
    strategies.lists(test_killed.LINES, min_size=4, max_size=12),
    strategies.sampled_from(['first', 'last']))


class BreakTest(moved_case.MovedCase):

    def perform(self, script):
        self.begin()
        for (name, *arguments), lines in script:
            if name == 'quiesce':
                self.quiesce()
            elif name != 'run_instance' or self._is_armed:
                getattr(self.qemu if name == 'obey' else self, name)(
                    *arguments)
                self.turn(lines)
        self.sleep(False)
        self.disarm()
        self.check()

    def check(self):
        self.quiesce()
        self.quiesce()
        self.assertEqual(self.asked_breaks, self.qemu.breaks)

    @examples.settings(60)
    @hypothesis.given(test_killed.scripts(_STEPS, _STEPS, _STEPS, _MOVE))
    def test_each_comes_once(self, script):
        self.perform(script)

    def ask(self):
        """Have one asked for that QEMU has yet to answer."""
        self.begin()
        self.ask_break()
        self.turn()
        self.arm()
        self.turn()
        self.assertIsNotNone(self.pair.serial_break.number)

    def test_it_is_answered_after_the_stop(self):
        for carries in 'first', 'never':
            self.ask()
            self.run_instance(False)
            self.turn(seconds=0)
            self.qemu.obey()
            self.move([], carries)
            self.check()

    def test_it_is_answered_when_the_state_is_saved(self):
        for carries in 'first', 'never':
            self.ask()
            self.move([], carries)
            self.check()

    def test_domain_r_is_told_that_it_does_not_know(self):
        self.ask()
        self.run_instance(False)
        self.turn(seconds=0.5)
        # It has frozen, and left.
        self.qemu.obey()
        self.move([], 'never')
        self.assertEqual([wire.GapKind.UNKNOWN], list({
            gap['kind'] for gap in self.pair.gap_log.reports()
            if gap['stream'] == 'serial0_out'}))

    def test_it_is_answered_late_in_one_that_is_rolled_back(self):
        self.ask()
        self.run_instance(False)
        self.save()
        self.turn()
        self.qemu.obey()
        self.turn()
        self.assertEqual('frozen', self.pair.machine.state)
        self.disarm()
        self.check()

    def test_domain_r_joins_another_epoch_before_it_is_answered(self):
        self.ask()
        self.run_instance(False)
        self.save()
        self.turn()
        self.disarm()
        for _ in range(3):
            self.turn()
        self.assertEqual('live', self.pair.machine.state)
        self.check()

    def test_the_worker_is_killed_before_it_is_answered(self):
        self.ask()
        self.new_worker()
        for _ in range(3):
            self.turn()
        self.check()

    def test_another_domain_r_says_something_in_the_same_place(self):
        self.ask()
        self.turn(0)
        self.reboot()
        self.quiesce()
        self.ask_break()
        self.quiesce()
        self.assertEqual(2, self.qemu.breaks)
