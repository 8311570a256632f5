# SPDX-License-Identifier: Apache-2.0
"""The journal is consistent wherever its worker was killed."""

import random
import unittest

import hypothesis
from hypothesis import strategies

from nova_dmore.channel import errors
from nova_dmore.channel.host import end as host_end
from nova_dmore.channel.host import handover
from nova_dmore.channel.host import journal
from nova_dmore import wire
from tests import examples
from tests.unit.channel import world

OUT = world.OUT
IN = world.IN


class Killed(BaseException):
    """The worker ended here."""


class Countdown:
    """How many more memory accesses the worker lives."""

    def __init__(self, left):
        self.left = left

    def step(self):
        if self.left == 0:
            raise Killed
        self.left -= 1


class Mortal:
    """A view of memory whose writer may be killed before each access."""

    def __init__(self, view, countdown):
        self._view = view
        self._countdown = countdown

    def __len__(self):
        return len(self._view)

    def __getitem__(self, index):
        return self._view[index]

    def __setitem__(self, index, value):
        self._countdown.step()
        if isinstance(index, slice) and len(self._view[index]) > 1:
            # A long write may be cut.
            first = index.start or 0
            half = len(self._view[index]) // 2
            self._view[first:first + half] = value[:half]
            self._countdown.step()
        self._view[index] = value


def kill_after(host, accesses):
    """Let the end die after so many writes to the journal or its page."""
    countdown = Countdown(accesses)
    kept = host._journal
    kept._words = Mortal(kept._words, countdown)
    for stream, area in kept._areas.items():
        kept._areas[stream] = Mortal(area, countdown)
    words = Mortal(host._words, countdown)
    host._words = host._opening._words = words
    for each in (*host._out.values(), *host._in.values()):
        each._words = words


class KilledTest(unittest.TestCase):

    @examples.settings(300)
    @hypothesis.given(
        script=strategies.lists(
            strategies.tuples(
                strategies.sampled_from(
                    ['produce', 'take', 'send', 'open', 'poll', 'domr',
                     'forget']),
                strategies.integers(1, 30)), max_size=20),
        carried=strategies.booleans(),
        accesses=strategies.integers(0, 120))
    def test_worker(self, script, carried, accesses):
        pair = world.World()
        pair.host.open()
        pair.domr_poll()
        pair.host_poll()
        pair.produce(20)
        carry = pair.host.carry_over()
        if carried:
            # The worker dies while it makes a carry-over its own.
            pair.journal_buffer[:] = bytes(len(pair.journal_buffer))
            pair.host = pair.new_host()
            pair.produce(7)
        kill_after(pair.host, accesses)
        killed_in = None
        try:
            if carried:
                killed_in = 'carry'
                pair.host.open(carry)
            for killed_in, count in script:
                self.step(pair, killed_in, count)
        except Killed:
            pass
        else:
            killed_in = None
        self.continued(pair, killed_in, carry if carried else None)

    def step(self, pair, step, count):
        if step == 'produce':
            count = min(count, pair.host.room(OUT))
            pair.produce(count)
        elif step == 'take':
            count = min(count, len(pair.host.readable(IN)))
            pair.take(count)
        elif step == 'send':
            pair.send(count)
        elif step == 'open':
            pair.host.open()
        elif step == 'poll':
            pair.host_poll()
        elif step == 'domr':
            pair.domr_poll()
            pair.receive()

    def continued(self, pair, killed_in, carry):
        before = pair.out_sent, pair.in_taken
        pair.host = pair.new_host()
        kept = pair.host._journal
        if killed_in == 'produce':
            # World counts what was produced only when that returned.
            pair.out_sent = self.sent(pair, kept.position(OUT))
        if killed_in == 'take':
            pair.was_taken(kept.position(IN) - pair.in_taken)
        self.assertIn(pair.out_sent - before[0], range(31))
        self.assertIn(pair.in_taken - before[1], range(31))
        pair.host.open(None if kept.anchored else carry)
        pair.quiesce()
        self.assertEqual([], pair.gap_kinds)

    def sent(self, pair, position):
        """Offsets are indices into the pattern here: nothing is lost."""
        return position


class JournalTest(unittest.TestCase):

    def make(self, buffer=None):
        limits = {wire.Stream.CONTROL_TO_DOMAIN_R: 8, OUT: 16}
        if buffer is None:
            buffer = bytearray(journal.journal_size(limits))
        return journal.Journal(buffer, limits=limits), buffer

    def test_too_small(self):
        self.assertRaises(errors.JournalError, journal.Journal,
                          bytearray(4096))

    def test_other_version(self):
        _, buffer = self.make()
        buffer[8] = 9
        self.assertRaises(errors.JournalError, self.make, buffer)

    def test_room_for_carried_bytes(self):
        kept, _ = self.make()
        self.assertEqual(8, kept.room(OUT))
        kept.append(OUT, b'12345678')
        self.assertRaises(errors.NoRoomError, kept.append, OUT, b'9')
        with kept.transaction():
            kept.prepend(OUT, 100, b'abcdefgh')
            kept.anchored = True
        self.assertEqual(b'abcdefgh12345678', kept.read(OUT, 100, 116))
        self.assertEqual(0, kept.room(OUT))

    def test_oldest_carried_bytes_are_left_out(self):
        kept, _ = self.make()
        kept.append(OUT, b'12')
        with kept.transaction():
            kept.prepend(OUT, 100, b'0123456789')
        self.assertEqual(102, kept.base(OUT))
        self.assertEqual(b'2345678912', kept.read(OUT, 102, 112))

    def test_carried_bytes_do_not_cover_a_hole(self):
        kept, _ = self.make()
        kept.append(OUT, b'1234')
        kept.set_base(OUT, 3)
        with kept.transaction():
            kept.prepend(OUT, 100, b'abc')
        self.assertEqual(106, kept.base(OUT))
        self.assertEqual(b'4', kept.read(OUT, 106, kept.position(OUT)))

    def test_failed_transaction_changes_nothing(self):
        kept, buffer = self.make()
        kept.append(OUT, b'abc')
        with self.assertRaises(ZeroDivisionError):
            with kept.transaction():
                kept.set_base(OUT, 2)
                raise ZeroDivisionError
        for each in (kept, self.make(buffer)[0]):
            self.assertEqual(0, each.base(OUT))

    def test_what_was_moved_in_all(self):
        kept, buffer = self.make()
        kept.append(OUT, b'12')
        kept.set_position(IN, 5)
        with kept.transaction():
            kept.prepend(OUT, 100, b'abc')
            kept.jump(IN, 70)
        kept.append(OUT, b'3')
        kept.set_position(IN, 71)
        kept = self.make(buffer)[0]
        self.assertEqual((106, 3), (kept.position(OUT), kept.moved(OUT)))
        self.assertEqual((71, 6), (kept.position(IN), kept.moved(IN)))

    def test_area_is_what_comes_next(self):
        kept, _ = self.make()
        kept.append(OUT, b'123456')
        kept.anchored = True
        kept.set_base(OUT, 6)
        kept.append(OUT, b'789012')
        first, second = kept.area(OUT, 8)
        self.assertEqual((4, 4), (len(first), len(second)))
        first[:], second[:2] = b'abcd', b'ef'
        kept.set_position(OUT, 18)
        self.assertEqual(b'789012abcdef', kept.read(OUT, 6, 18))
        self.assertRaises(errors.NoRoomError, kept.area, OUT, 5)

    def test_dropped(self):
        kept, buffer = self.make()
        kept.add_dropped(OUT, 3)
        kept.set_reported(OUT)
        kept.add_dropped(OUT, 4)
        kept = self.make(buffer)[0]
        self.assertEqual((7, 4), (kept.dropped(OUT), kept.unreported(OUT)))
        self.assertEqual(0, kept.moved(OUT))


class StatesTest(unittest.TestCase):

    def test_carry_over_needs_an_empty_journal(self):
        pair = world.World()
        pair.host.open()
        pair.domr.poll()
        pair.host.poll()
        carried = pair.host.carry_over()
        other = world.World()
        other.host.open()
        other.domr.poll()
        other.host.poll()
        other.restart_worker()
        later = type(carried)(other.host.epoch + 1, False, carried.taken,
                              carried.unstored)
        self.assertRaises(errors.StateError, other.host.open, later)
        other.host.open(type(carried)(other.host.epoch, False, carried.taken,
                                      carried.unstored))
        self.assertIs(host_end.HostState.OPENING, other.host.state)

    def test_killed_when_it_has_adopted_a_carry_over(self):
        pair = world.World()
        pair.host.open()
        pair.domr_poll()
        pair.host_poll()
        pair.produce(5)
        carried = pair.arrive(random.Random(0))
        handover.adopt(pair.host._journal, carried)
        pair.restart_worker()
        pair.adopt(carried)
        pair.quiesce()
        self.assertEqual([], pair.gap_kinds)

    def test_forget_while_open(self):
        pair = world.World()
        pair.host.open()
        pair.domr.poll()
        pair.host.poll()
        pair.produce(3)
        self.assertRaises(errors.StateError, pair.host.forget, OUT, 1)

    def test_nothing_to_carry_over(self):
        self.assertIsNone(world.World().host.carry_over())

    def test_freeze_without_domain_r(self):
        pair = world.World()
        pair.host.open()
        pair.host.freeze()
        self.assertIs(host_end.HostState.FROZEN, pair.host.state)
        self.assertFalse(pair.host.acknowledged)

    def test_frozen_domain_r_is_complete(self):
        pair = world.World(out_ring=16)
        pair.host.open()
        pair.domr_poll()
        pair.host_poll()
        pair.produce(16)
        pair.host.freeze()
        self.assertFalse(pair.host.domain_r_complete)
        pair.domr_poll()
        pair.host_poll()
        self.assertTrue(pair.host.acknowledged)
        self.assertTrue(pair.host.domain_r_complete)

    def test_frozen_with_a_remainder_is_not_complete(self):
        pair = world.World(out_ring=16)
        pair.host.open()
        pair.domr_poll()
        pair.host_poll()
        pair.produce(17)
        pair.host.freeze()
        pair.domr_poll()
        pair.host_poll()
        self.assertTrue(pair.host.acknowledged)
        self.assertFalse(pair.host.domain_r_complete)

    def test_frozen_before_the_device_was_done_is_not_complete(self):
        pair = world.World(out_ring=16)
        pair.host.open()
        pair.domr_poll()
        pair.host_poll()
        pair.host.freeze(final=False)
        pair.domr_poll()
        pair.host_poll()
        self.assertTrue(pair.host.acknowledged)
        self.assertFalse(pair.host.domain_r_complete)

    def test_frozen_before_a_roll_back_is_not_complete(self):
        pair = world.World(out_ring=16)
        pair.host.open()
        pair.domr_poll()
        pair.host_poll()
        pair.host.freeze()
        pair.domr_poll()
        pair.host_poll()
        pair.roll_back()
        # Domain R is moved before it has seen that epoch.
        pair.produce(5)
        pair.arrive(random.Random(0))
        self.assertFalse(pair.host.domain_r_complete)
        # Nor is this forgotten when the host page is this host's.
        pair.host.open()
        self.assertFalse(pair.host.domain_r_complete)
        pair.restart_worker()
        pair.host.open()
        pair.quiesce()
        self.assertIn(wire.GapKind.UNKNOWN, pair.gap_kinds)

    def test_hold(self):
        pair = world.World()
        pair.host.open()
        pair.domr.poll()
        self.assertFalse(pair.domr.hold_wanted)
        pair.host.hold(True)
        self.assertTrue(pair.domr.hold_wanted)
        # Who asked for it does not know of another worker.
        pair.host = pair.new_host()
        pair.host.open()
        pair.domr.poll()
        self.assertTrue(pair.domr.hold_wanted)
        pair.host.hold(False)
        self.assertFalse(pair.domr.hold_wanted)
