# SPDX-License-Identifier: Apache-2.0
"""What was typed before a boot never reaches what runs after it."""

import unittest
from unittest import mock

import hypothesis
from hypothesis import strategies

from nova_dmore.worker import domain_r_control
from tests import examples
from tests.unit.worker.devices.serial import boots_world

#: In a script: those that matter together come together more often.
STEPS = (
    *((name,) for name in (
        'type', 'ask_break', 'read', 'reset', 'pause', 'resume', 'restart',
        'keeper', 'worker', 'doorbell', 'domain_r', 'end_domain_r', 'kill',
        'stop_and_roll_back')),
    ('type', 'domain_r'), ('ask_break', 'domain_r'),
    ('reset', 'keeper'), ('restart', 'keeper'),
    ('pause', 'keeper'), ('resume', 'keeper'), ('doorbell', 'keeper'),
    ('worker', 'keeper'), ('worker', 'domain_r'), ('keeper', 'read'))


class FenceTest(unittest.TestCase):

    def play(self, steps):
        world = boots_world.World(self)
        with mock.patch('time.monotonic', world.loop.time):
            try:
                for step in steps:
                    getattr(world, step)()
                world.resume()
                world.quiesce()
                world.got = b''
                world.type(3)
                world.quiesce()
                self.assertEqual(3, len(world.got))
            finally:
                world.close()
        return world

    @hypothesis.given(strategies.lists(
        strategies.sampled_from(STEPS), max_size=30))
    @hypothesis.example([
        ('type',), ('doorbell', 'keeper'), ('end_domain_r',), ('kill',),
        ('restart', 'keeper')])
    @examples.settings(1000)
    def test_nothing_reaches_a_later_boot(self, script):
        self.play([step for steps in script for step in steps])

    def _world(self):
        world = boots_world.World(self)
        self.addCleanup(world.close)
        return world

    def _typed_in_a_pause(self):
        """-> a world in which that was done, and all have heard."""
        world = self._world()
        world.pause()
        world.keeper()
        world.type(5)
        world.quiesce()
        return world

    def test_typed_in_a_pause(self):
        """It waits for the guest, as in stock Nova's socket."""
        world = self._typed_in_a_pause()
        world.resume()
        world.quiesce()
        self.assertEqual((b'\x01' * 5, 0), (world.got, world.dropped))

    def test_typed_in_a_pause_before_a_boot(self):
        for boot in 'reset', 'restart':
            with self.subTest(boot):
                world = self._typed_in_a_pause()
                getattr(world, boot)()
                world.quiesce()
                world.resume()
                world.quiesce()
                self.assertEqual((b'', 5), (world.got, world.dropped))

    def test_two_boots_drop_it_once(self):
        """The keeper still has it when it tells of the second one."""
        world = self._world()
        world.type(5)
        world.domain_r()
        world.doorbell()
        world.reset()
        world.reset()
        world.quiesce()
        self.assertEqual((b'', 5), (world.got, world.dropped))

    def test_many_boots_that_domain_r_is_slow_to_hear_of(self):
        world = self._world()
        with self.assertNoLogs(domain_r_control.LOG, 'WARNING'):
            for _ in range(5000):
                world.reset()
                world.keeper()
                world.worker()
        world.quiesce()
        world.type(3)
        world.quiesce()
        self.assertEqual(3, len(world.got))

    def test_a_boot_while_there_is_no_domain_r(self):
        world = self._typed_in_a_pause()
        world.end_domain_r()
        world.reset()
        world.keeper()
        world.worker()
        world.resume()
        world.quiesce()
        self.assertEqual((b'', 5), (world.got, world.dropped))
        world.type(3)
        world.quiesce()
        self.assertEqual(3, len(world.got))

    def test_a_boot_before_a_migration_that_is_rolled_back(self):
        """Domain R has yet to hear of it, and has sent more than was read."""
        world = self._typed_in_a_pause()
        world.type(7)
        world.reset()
        world.keeper()
        world.stop_and_roll_back()
        world.resume()
        world.quiesce()
        self.assertEqual((b'', 12), (world.got, world.dropped))
        world.type(3)
        world.quiesce()
        self.assertEqual(3, len(world.got))

    def test_breaks_before_a_boot(self):
        """The guest does not read what was typed before them."""
        world = self._typed_in_a_pause()
        for _ in range(3):
            world.ask_break()
        world.quiesce()
        world.reset()
        world.resume()
        world.quiesce()
        world.type(3)
        world.quiesce()
        self.assertEqual((b'\x02' * 3, 0), (world.got, world.breaks))

    def test_each_of_them_hears_late(self):
        for steps in (
                ['type', 'domain_r', 'doorbell', 'reset', 'keeper'],
                ['pause', 'keeper', 'type', 'domain_r', 'doorbell', 'reset',
                 'resume', 'keeper', 'doorbell', 'keeper', 'read'],
                ['restart', 'type', 'domain_r', 'doorbell', 'keeper', 'read'],
                ['type', 'domain_r', 'reset', 'keeper', 'doorbell', 'keeper',
                 'read'],
                ['reset', 'keeper', 'worker', 'domain_r', 'type', 'domain_r',
                 'reset', 'keeper', 'worker', 'keeper', 'worker', 'keeper',
                 'read'],
                ['reset', 'keeper', 'worker', 'reset', 'domain_r', 'type',
                 'keeper', 'worker', 'domain_r', 'worker', 'read'],
                ['type', 'domain_r', 'doorbell', 'reset', 'keeper', 'kill',
                 'keeper', 'worker', 'domain_r', 'read']):
            with self.subTest(steps):
                self.play(steps)
