# SPDX-License-Identifier: Apache-2.0
"""Any words in either page: no exception, nothing touched out of bounds."""

import unittest

import hypothesis
from hypothesis import strategies

from nova_dmore.channel import carry_over
from nova_dmore.channel.domr import end as domr_end
from nova_dmore.channel.host import end as host_end
from nova_dmore.channel import region
from nova_dmore import wire
from tests import examples
from tests.unit.channel import world

OUT = world.OUT
IN = world.IN

WORD = strategies.one_of(
    strategies.integers(0, 200),
    strategies.integers(0, (1 << 64) - 1),
    strategies.sampled_from([
        1 << 32, (1 << 32) - 1, wire.JUMP_MAX, wire.JUMP_MAX + 1,
        wire.EPOCH_MAX - 1, wire.EPOCH_MAX, (1 << 64) - 1]))
PLACES = sorted(
    {each >> 3 for each in range(0x00, 0x60, 8)}
    | {(wire.POSITIONS + each) >> 3 for each in range(
        0, wire.POSITIONS_ENTRY * len(wire.Stream), 8)})
HOST_PLACES = PLACES + sorted(
    {(wire.PUBLISHED + each) >> 3
     for each in range(0, wire.PUBLISHED_ENTRY * len(wire.Stream), 8)}
    | {(wire.STREAM_TABLE + each) >> 3
       for each in range(0, wire.STREAM_TABLE_ENTRY * len(wire.Stream), 8)})
SETTINGS = examples.settings(150)


def spoils(places):
    """What is written at a time, and the step taken after it."""
    return strategies.lists(
        strategies.tuples(
            strategies.dictionaries(strategies.sampled_from(places), WORD,
                                    max_size=4),
            strategies.booleans(),      # the true epoch goes where it is read
            strategies.integers(0, 5)),
        min_size=1, max_size=12)


class HostileDomainRTest(unittest.TestCase):
    """The host end against a Domain R page full of lies."""

    def outside(self, pair):
        """Everything that the host must not write."""
        layout = region.layout_of(pair.geometry)
        kept = bytearray(pair.buffer)
        kept[:wire.DOMAIN_R_PAGE] = bytes(wire.DOMAIN_R_PAGE)
        for stream, ring in layout.items():
            if ring.direction is world.TO_DOMAIN_R:
                kept[ring.start:ring.start + ring.size] = bytes(ring.size)
        return bytes(kept)

    @SETTINGS
    @hypothesis.given(script=spoils(PLACES), opened=strategies.booleans())
    def test_any_words(self, script, opened):
        pair = world.World()
        if opened:
            pair.host.open()
            pair.domr.poll()
            pair.host.poll()
        words = pair.region.words
        page = wire.DOMAIN_R_PAGE >> 3
        for values, agree, step in script:
            for place, value in values.items():
                words[page + place] = value
            if agree:
                words[page + (wire.DOMAIN_R_EPOCH_ACK >> 3)] = pair.host.epoch
                words[page + (wire.DOMAIN_R_ACK_BY >> 3)] = words[
                    page + (wire.DOMAIN_R_INCARNATION >> 3)]
            before = self.outside(pair)
            if step == 0:
                pair.host.open()
            elif step == 1:
                pair.host.produce(OUT, bytes(min(9, pair.host.room(OUT))))
            elif step == 2:
                data = pair.host.readable(IN)
                self.assertLessEqual(len(data), 16)
                pair.host.take(IN, len(data) // 2)
            elif step == 3:
                pair.host.freeze()
            changes = pair.host.poll()
            if pair.host.state is host_end.HostState.BROKEN:
                self.assertTrue(changes.broken or not changes.opened)
            self.assertLessEqual(pair.host.unstored(OUT), pair.limits[OUT])
            self.assertGreaterEqual(pair.host.unstored(OUT), 0)
            self.assertEqual(before, self.outside(pair))
        self.recovers(pair)

    def recovers(self, pair):
        """An honest successor works, whatever was written before it."""
        pair.domr = pair.new_domr()
        pair.host.open()
        got = b''
        pair.domr.send(IN, b'typed')
        unstored = pair.host.unstored(OUT)
        pair.host.produce(OUT, b'printed')
        taken = b''
        for _ in range(40):
            if pair.host.poll().broken:
                pair.host.open()
            pair.domr.poll()
            got += pair.domr.received(OUT)
            data = pair.host.readable(IN)
            pair.host.take(IN, len(data))
            taken += data
        self.assertIs(host_end.HostState.OPEN, pair.host.state)
        self.assertEqual(unstored + 7, len(got))
        self.assertEqual(b'printed', got[-7:])
        # What the predecessor sent was copied, and comes first.
        self.assertEqual(b'typed', taken[-5:])
        self.assertLessEqual(len(taken), 16 + 5)


class FarAheadTest(unittest.TestCase):
    """A Domain R that pushes the host as far ahead as it can."""

    def test_carry_overs_of_its_successors_are_of_use(self):
        pair = world.World()
        words = pair.region.words
        page = wire.DOMAIN_R_PAGE >> 3
        pair.host.open()
        for _ in range(3):      # it does so again and again
            words[page + (wire.DOMAIN_R_EPOCH_ACK >> 3)] = wire.JUMP_MAX - 1
            pair.host.open()
            words[page + (wire.DOMAIN_R_EPOCH_ACK >> 3)] = pair.host.epoch
            words[page + (wire.DOMAIN_R_ACK_BY >> 3)] = words[
                page + (wire.DOMAIN_R_INCARNATION >> 3)]
            for stream in (OUT, IN):
                for word in (0, 1):
                    words[region.position_word(
                        wire.DOMAIN_R_PAGE, stream) + word] = wire.JUMP_MAX
            pair.host.poll()
        self.assertGreater(pair.host.epoch, wire.JUMP_MAX - 1)
        # A rebuilt one prints and types.
        pair.domr = pair.new_domr()
        pair.host.open()
        pair.host.produce(OUT, b'printed')
        for _ in range(10):
            if pair.host.poll().broken:
                pair.host.open()
            pair.domr.poll()
            pair.domr.received(OUT)
        self.assertIs(host_end.HostState.OPEN, pair.host.state)
        pair.host.produce(OUT, b'more')
        self.assertGreater(pair.host.positions()[OUT][0], wire.JUMP_MAX)
        pair.host.freeze()
        pair.domr.poll()
        pair.host.poll()
        sent = pair.host.carry_over()
        # The destination has a region that Domain R arrives in.
        carried = carry_over.CarryOver.from_json(sent.to_json())
        self.assertEqual(sent, carried)
        arrived = bytes(pair.buffer)
        pair.journal_buffer[:] = bytes(len(pair.journal_buffer))
        pair.buffer[:] = bytes(len(pair.buffer))
        pair.host = pair.new_host()
        pair.buffer[:] = arrived
        pair.host.open(carried)
        pair.host.produce(OUT, b', and there')
        got = b''
        for _ in range(10):
            self.assertIsNone(pair.host.poll().broken)
            pair.domr.poll()
            got += pair.domr.received(OUT)
        self.assertIs(host_end.HostState.OPEN, pair.host.state)
        self.assertTrue(got.endswith(b', and there'), got)


class GreedyTest(unittest.TestCase):
    """A Domain R that starts again and again, and always types."""

    def test_what_the_device_does_not_take_is_bounded(self):
        pair = world.World()
        for start in range(20):
            pair.host.open()
            for _ in range(10):
                self.assertIsNone(pair.host.poll().broken)
                pair.domr.poll()
                pair.domr.send(world.IN, bytes(pair.domr.sendable(world.IN)))
            pair.host.poll()
            if start < 19:
                pair.domr = pair.new_domr()
                self.assertIsNotNone(pair.host.poll().broken)
        copied = len(pair.host._in[world.IN].readable())
        self.assertLessEqual(copied, 4 * 16)
        self.assertGreater(copied, 2 * 16)
        # What the last one had sent comes when the device takes it.
        sent = pair.domr.position(world.IN)
        while taken := len(pair.host.readable(world.IN)):
            pair.host.take(world.IN, taken)
            pair.domr.poll()
            pair.host.poll()
        self.assertEqual(
            sent, pair.host.positions()[world.IN][0])


class HostileHostPageTest(unittest.TestCase):
    """Domain R's end against a host page, and rings, full of lies."""

    def outside(self, pair):
        """Everything that Domain R must not write while the header lies."""
        kept = bytearray(pair.buffer)
        kept[wire.DOMAIN_R_PAGE:wire.DISPLAY_PAGE] = bytes(
            wire.DISPLAY_PAGE - wire.DOMAIN_R_PAGE)
        kept[wire.DATA_START:] = bytes(len(kept) - wire.DATA_START)
        return bytes(kept)

    @SETTINGS
    @hypothesis.given(script=spoils(HOST_PLACES))
    def test_any_words(self, script):
        pair = world.World()
        pair.host.open()
        pair.domr.poll()
        pair.host.poll()
        words = pair.region.words
        epoch = pair.host.epoch
        for values, agree, step in script:
            for place, value in values.items():
                words[place] = value
            if agree:
                words[wire.HOST_EPOCH >> 3] = pair.domr.epoch
            if step == 1:
                epoch = min(epoch + 1, wire.EPOCH_MAX - 1)
                words[wire.HOST_EPOCH >> 3] = epoch
            before = self.outside(pair)
            if step == 0:
                pair.domr.send(IN, bytes(min(9, pair.domr.sendable(IN))))
            pair.domr.poll()
            # All that is published begins with nothing: no checksum fits.
            data = pair.domr.received(OUT)
            self.assertEqual(b'', data)
            self.assertGreaterEqual(pair.domr.sendable(IN), 0)
            self.assertEqual(before, self.outside(pair))

    def test_higher_epoch_heals(self):
        pair = world.World()
        pair.host.open()
        pair.domr.poll()
        pair.host.poll()
        pair.produce(5)
        pair.buffer[region.layout_of(pair.geometry)[OUT].start] ^= 1
        self.assertEqual(b'', pair.domr.received(OUT))
        self.assertIs(domr_end.DomainRState.WAITING, pair.domr.state)
        pair.quiesce()


class OverwrittenTest(unittest.TestCase):
    """Domain R's memory arrives over what the host has written."""

    def test_while_opening(self):
        pair = world.World()
        arriving = bytes(pair.buffer)
        pair.host.open()
        pair.buffer[:] = arriving
        pair.domr.poll()
        self.assertIs(domr_end.DomainRState.WAITING, pair.domr.state)
        pair.quiesce()

    def test_epoch_of_arrived_domain_r_is_higher(self):
        pair = world.World()
        pair.host.open()
        pair.domr_poll()
        pair.host_poll()
        pair.produce(5)
        carried = pair.host.carry_over()
        arriving = bytes(pair.buffer)
        # The destination opens too early, by a lower epoch.
        pair.journal_buffer[:] = bytes(len(pair.journal_buffer))
        pair.buffer[:] = bytes(len(pair.buffer))
        pair.host = pair.new_host()
        pair.host.open()
        pair.buffer[:] = arriving
        pair.host.poll()
        self.assertGreater(pair.host.epoch, pair.domr.epoch)
        self.assertGreater(pair.host.epoch, carried.epoch)

    def test_while_open(self):
        pair = world.World()
        old = bytes(pair.buffer[:0x1000])
        pair.host.open()
        pair.domr.poll()
        self.assertTrue(pair.host.poll().opened)
        pair.buffer[:0x1000] = old
        self.assertIsNotNone(pair.host.poll().broken)
        pair.quiesce()
