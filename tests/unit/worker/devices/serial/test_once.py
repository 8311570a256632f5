# SPDX-License-Identifier: Apache-2.0
"""The serial line over any number of migrations: each byte exactly once.

A script of small steps runs between all that a migration consists of, whether
it ends there, goes back at any point, or is heard of late (world.py).
"""

import dataclasses
import time
import unittest
from unittest import mock

import hypothesis
from hypothesis import strategies

from nova_dmore.keeper import line
from nova_dmore.keeper import pace
from tests import examples
from tests.unit.worker.devices.serial import uart
from tests.unit.worker.devices.serial import world as world_module

#: In a script; those that are here more often come more often.
STEPS = strategies.sampled_from([
    *(('print', count) for count in (1, 40, 400, 5000)),
    *(('key', count) for count in (1, 5, 40, 400)),
    ('get', 4), ('get', 16),
    ('kill', ''), ('kill', 'read'), ('kill', 'write'),
    *[('QEMU', 1), ('keeper', 1), ('worker', 1)] * 4,
    ('monitor', 1), ('hold up', None)])

#: How a migration finds the instance: what it prints and is sent waits for
#: room, or does not; and with a keeper that has a processor, or has none.
FLOOD = [('print', 5000), ('QEMU', 1)]
PASTE = [('key', 400), ('keeper', 1), ('QEMU', 1)]
BEFORE = strategies.tuples(
    strategies.sampled_from(([], FLOOD)), strategies.sampled_from(([], PASTE)),
    strategies.lists(STEPS, max_size=4),
    strategies.sampled_from(([], [('hold up', None)])))


def _plan(draw):
    is_postcopy = draw(strategies.sampled_from((False, False, False, True)))
    # Nobody goes back when the other has begun to fetch the memory.
    stages = world_module.STAGES[:3 if is_postcopy else None]
    return world_module.Plan(
        scripts=[
            [step for steps in draw(BEFORE) for step in steps],
            *(draw(strategies.lists(STEPS, max_size=6))
              for _ in range(len(world_module.STAGES) + 2))],
        back_after=draw(strategies.sampled_from((None,) * 4 + stages)),
        version=draw(strategies.sampled_from(uart.Version)),
        is_paused=draw(strategies.sampled_from((False, False, False, True))),
        is_postcopy=is_postcopy, is_heard=draw(strategies.booleans()),
        is_disarmed_first=draw(strategies.booleans()),
        gap=draw(strategies.sampled_from((1e-4, 0.003))))


PLANS = strategies.composite(_plan)()


def play(plans, kind=line.Line, rest_s=0.0):
    """-> the world, at its end.

    :param rest_s: how long the keeper rests after it has moved some output.
    """
    world = world_module.World(kind)
    with (mock.patch('time.monotonic', world.loop.time),
          mock.patch.object(pace, 'REST_S', rest_s)):
        try:
            for plan in plans:
                world.migrate(plan)
            world.finish()
            world.check()
            return world
        finally:
            world.close()


def scripts(**given):
    """-> those of a plan, from those that are not empty.

    :param given: by the name of the stage that they follow; ``first`` and
        ``last``.
    """
    names = ('first', *world_module.STAGES, 'before_last', 'last')
    return [given.get(name, []) for name in names]


#: A guest that is held up at the stop, by a full FIFO.
HELD_UP = world_module.Plan(scripts(
    first=[('print', 5000), ('QEMU', 3)], save=[('keeper', 3)],
    unlock=[('QEMU', 1)], complete=[('QEMU', 1)]))

#: The same, and the keeper makes room, long after QEMU has saved: it has
#: heard QEMU before the stop, and has had no processor since.
LATE = world_module.Plan(scripts(
    first=[('print', 5000), ('QEMU', 3), ('hold up', None)],
    unlock=[('keeper', 1), ('QEMU', 1)]))

#: It does so when QEMU may be saving.
TOO_LATE_TO_KNOW = dataclasses.replace(LATE, gap=1e-4)

MOVES = world_module.Plan(scripts())

#: A worker that hears of a stop when that was rolled back, and its input has
#: moved on.
ROLLED_BACK_UNHEARD = [world_module.Plan(
    scripts(save=[('key', 40)], before_last=[('kill', 'write')]),
    back_after='complete', is_heard=False, gap=1e-4), MOVES]

#: A worker that saw input being read before it heard of the stop; the keeper
#: had given that to a QEMU that had saved.
READ_UNHEARD = [world_module.Plan(
    scripts(first=[('hold up', None)], save=[('key', 400)],
            unlock=[('worker', 1), ('keeper', 1), ('QEMU', 1),
                    ('worker', 1)]), is_heard=False)]

#: The same, but the keeper has counted before that was read.
COUNTED_UNHEARD = [world_module.Plan(
    scripts(first=[('key', 400), ('keeper', 1), ('QEMU', 1),
                   ('kill', 'write'), ('hold up', None)],
            complete=[('kill', '')], arrive=[('QEMU', 1)]), gap=1e-4)]

#: A keeper that made room, as late as the command to go on was taken.
ROOM_UNHEARD = [world_module.Plan(
    scripts(first=[('print', 5000), ('hold up', None)],
            announce=[('keeper', 1)], unlock=[('QEMU', 1)]),
    is_heard=False, gap=1e-4), MOVES]


#: Both counts of a stop are told while there is no worker that hears them.
TOLD_NOBODY = [world_module.Plan(scripts(
    first=[('print', 5000), ('hold up', None)], save=[('kill', '')],
    complete=[('QEMU', 1)], arrive=[('kill', 'read')]))]


class ExactlyOnceTest(unittest.TestCase):

    @examples.settings(200)
    @hypothesis.example(ROLLED_BACK_UNHEARD, 0.0)
    @hypothesis.example(READ_UNHEARD, 0.0)
    @hypothesis.example(COUNTED_UNHEARD, 0.0)
    @hypothesis.example(ROOM_UNHEARD, 0.0)
    @hypothesis.example(TOLD_NOBODY, 0.0)
    @hypothesis.given(strategies.lists(PLANS, min_size=1, max_size=3),
                      strategies.sampled_from((0.0, 0.0, 2e-5, 0.004)))
    def test_each_byte_once(self, plans, rest_s):
        play(plans, rest_s=rest_s)

    def test_made_room_too_late(self):
        source, _ = play([LATE]).hosts
        self.assertEqual(0, source.unsure_out)
        source, _ = play([TOO_LATE_TO_KNOW]).hosts
        self.assertEqual(17, source.unsure_out)

    def test_goes_back_at_any_point_and_then_moves(self):
        for plan in HELD_UP, LATE, TOO_LATE_TO_KNOW:
            for stage in world_module.STAGES:
                with self.subTest(plan=plan, stage=stage):
                    world = play([dataclasses.replace(
                        plan, back_after=stage), MOVES])
                    self.assertEqual(5000, world.guest.printed)


class ReadsOn(line.Line):
    """A keeper that goes on reading after the stop."""

    def _move_output(self):
        if self.gate is line.Gate.HELD and not self._count.is_told:
            self._allowed = 1 << 16
        super()._move_output()

    def _watch(self):
        if self.gate is line.Gate.HELD and not self._count.is_told:
            self._allowed = 1 << 16
        super()._watch()


class CountsLate(line.Line):
    """A keeper that makes room at the end, and counts a turn later."""

    def _saved(self):
        self._allowed = 1 << 16
        self._move_output()
        self._receive.__self__.qemu.main_loop()
        super()._saved()


class BelievesItsEars(line.Line):
    """A keeper that takes what it hears for what has just happened."""

    def event(self, name, at):
        super().event(name, time.monotonic())


class Forgets(line.Line):
    """A keeper that throws away at a rollback what it has held back, as if
    the destination were to say it."""

    def _enter(self, gate):
        if self.gate is line.Gate.HELD is not gate:
            self._qemu.empty_output()
        super()._enter(gate)


class Remembers(line.Line):
    """A keeper to which the count of one stop is good for the next."""

    def _enter(self, gate):
        with mock.patch.object(self._count, 'forget'):
            super()._enter(gate)


#: Bytes came twice, or it is not sure that none did, or nobody knows.
_WRONG = 'wrong from|a gap|it never knows'


class FaultyTest(unittest.TestCase):
    """The test above is worth something."""

    def test_the_right_one(self):
        play([HELD_UP])

    def test_one_that_reads_on_after_the_stop(self):
        self._fails(ReadsOn, HELD_UP)

    def test_one_that_counts_late(self):
        self._fails(CountsLate, HELD_UP)

    def test_one_that_believes_its_ears(self):
        self._fails(BelievesItsEars, LATE)

    def test_one_that_forgets_at_a_rollback(self):
        self._fails(Forgets, dataclasses.replace(HELD_UP, back_after='save'))

    def test_one_that_remembers_after_a_rollback(self):
        self._fails(Remembers, dataclasses.replace(
            HELD_UP, back_after='complete'), MOVES)

    def _fails(self, kind, *plans):
        play(plans)
        with self.assertRaisesRegex(AssertionError, _WRONG):
            play(plans, kind)
