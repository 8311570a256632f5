# SPDX-License-Identifier: Apache-2.0
"""What is held down in the guest when a migration begins, and ends or not."""

import contextlib

import hypothesis
from hypothesis import strategies

from nova_dmore import wire
from nova_dmore.worker import requests
from tests import examples
from tests.unit.worker.devices.keyboard import moved_case
from tests.unit.worker.devices.keyboard import test_killed

_MOVE = strategies.sampled_from(
    [('arm',), ('run_instance', False), ('save',), ('save',), ('disarm',)])
_REBOOT = strategies.just(('reboot',))
_SLEEP = strategies.tuples(strategies.just('sleep'), strategies.booleans())
#: No buttons: a destination that does not know them presses them again.
_PRESSED = test_killed.PRESSED


def _moved(*told):
    """A migration, after how many lines of each step of it a worker is killed,
    and when the destination is told what the source had."""
    return strategies.tuples(
        strategies.just('move'),
        strategies.lists(test_killed.LINES, min_size=4, max_size=12),
        strategies.sampled_from(told))


_MOVE_AWAY = _moved('first', 'last')
_MOVE_UNTOLD = _moved('late', 'never')


class MovedTest(moved_case.MovedCase):

    def perform(self, script):
        self.begin()
        for (name, *arguments), lines in script:
            if name == 'quiesce':
                self.quiesce()
            elif name == 'wait':
                self.turn(lines, seconds=1.2)
            elif name == 'run_instance' and not self._is_armed:
                continue
            elif name == 'move' and self.domr is None:
                continue    # nobody is there who would tell it
            else:
                getattr(self.qemu if name == 'obey' else self, name)(
                    *arguments)
                self.turn(lines)
        self.sleep(False)
        self.disarm()
        self.run_instance(True)
        self.quiesce()
        self.assertEqual(self.held, self.qemu.keys | self.qemu.buttons)

    @examples.settings(200)
    @hypothesis.given(test_killed.scripts(
        test_killed.TYPED, test_killed.DOMAIN_R, test_killed.OTHERS, _MOVE,
        _MOVE, _SLEEP))
    def test_a_migration_that_is_rolled_back(self, script):
        self.perform(script)

    @examples.settings(80)
    @hypothesis.given(test_killed.scripts(
        test_killed.TYPED, test_killed.TYPED, _REBOOT, test_killed.OTHERS,
        _MOVE, _MOVE_AWAY, _SLEEP))
    def test_a_migration(self, script):
        self.perform(script)

    @examples.settings(40)
    @hypothesis.given(test_killed.scripts(
        _PRESSED, _PRESSED, test_killed.OTHERS, _MOVE, _MOVE_UNTOLD, _SLEEP))
    def test_a_migration_without_the_sources_word_in_time(self, script):
        self.perform(script)

    def test_domain_r_starts_anew_after_a_migration(self):
        for carries in 'first', 'last':
            self.begin()
            self.press(29, True)
            self.quiesce()
            self.move([], carries)
            self.assertEqual({29}, self.qemu.keys)
            self.reboot()
            self.quiesce()
            self.assertEqual(set(), self.qemu.keys)

    def test_it_moves_on_before_domain_r_has_joined(self):
        # Domain R joins late, and the worker is killed meanwhile.
        for role in wire.Role.SOURCE, wire.Role.DESTINATION:
            self.begin()
            self.sleep(True)
            self.move([], 'first')
            with contextlib.suppress(requests.Refused):
                self.pair._handler.handle(wire.Request.ARM, {
                    'migration_id': 'another', 'role': role, 'on': True})
            self.new_worker()
            self.sleep(False)
            self.quiesce()
            self.assertEqual('live', self.pair.machine.state)

    def test_let_go_in_a_pause_in_which_it_is_migrated(self):
        self.begin()
        self.press(29, True)
        self.click(1)
        self.quiesce()
        self.run_instance(False)
        self.turn()
        self.press(29, False)
        self.click(0)
        self.turn(seconds=1.2)
        self.move([], 'first')
        self.assertEqual(set(), self.qemu.keys | self.qemu.buttons)

    def test_domain_r_cannot_follow(self):
        self.begin()
        self.press(29, True)
        self.click(1)
        self.quiesce()
        self.move([], 'first', follows=False)
        self.assertEqual(set(), self.qemu.keys | self.qemu.buttons)

    def test_domain_r_ends_in_one_that_is_rolled_back(self):
        for saves in False, True:
            self.begin()
            self.press(29, True)
            self.click(1)
            self.quiesce()
            self.arm()
            self.turn()
            if saves:
                self.run_instance(False)
                self.save()
                self.turn()
            self.lose()
            self.turn(seconds=0.1)
            # It may have left.
            self.assertEqual({29, 'left'}, self.qemu.keys | self.qemu.buttons)
            self.disarm()
            self.quiesce()
            self.assertEqual(set(), self.qemu.keys | self.qemu.buttons)

    def test_what_waits_at_a_reset_that_it_stops_after(self):
        for seconds in 0, 0.1:      # Domain R has frozen by then, or not
            self.begin()
            self.arm()
            for number in (29, 30, 31):
                self.press(number, True)
            self.turn()
            self.qemu.obey()
            self.turn()     # one is on its way
            self.reset()
            self.turn(seconds=0)
            self.run_instance(False)
            self.turn(seconds=seconds)
            self.move([], 'first')
            self.assertEqual([], self.qemu.events)
            self.press(30, False)
            self.press(30, True)
            self.quiesce()
            self.assertEqual({30}, self.qemu.keys)

    def stop_with_a_key(self):
        """Have a migration whose stop comes before a key has gone to QEMU."""
        self.begin()
        self.arm()
        self.turn()
        self.press(29, True)
        self.turn()         # QEMU is asked first whether it has room
        self.run_instance(False)
        self.turn()

    def test_domain_r_starts_anew_in_one_that_is_rolled_back(self):
        self.stop_with_a_key()
        self.save()
        self.turn()
        self.reboot()
        self.turn()
        self.disarm()
        self.quiesce()
        self.assertEqual(set(), self.qemu.keys)

    def test_domain_r_starts_anew_before_it_has_joined_the_next_epoch(self):
        self.stop_with_a_key()
        self.sleep(True)
        self.disarm()
        self.turn()
        self.reboot()
        self.sleep(False)
        self.quiesce()
        self.assertEqual(set(), self.qemu.keys)
