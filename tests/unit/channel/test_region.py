# SPDX-License-Identifier: Apache-2.0
"""The header: written, read, and refused."""

import mmap
import os
import tempfile
import unittest

import hypothesis
from hypothesis import strategies

from nova_dmore.channel import errors
from nova_dmore.channel import region
from nova_dmore.channel import ring
from nova_dmore import wire
from tests import examples
from tests.unit.channel import world


#: Enough for the rings; a whole region would make many examples slow.
SMALL = 1 << 18


class RegionTest(unittest.TestCase):

    def make(self):
        result = region.Region(bytearray(SMALL))
        region.format_region(result)
        return result

    def test_round_trip(self):
        self.assertEqual(region.layout_of(wire.GEOMETRY),
                         region.read_layout(self.make()))

    def test_words_are_where_the_wire_format_says(self):
        made = self.make()
        self.assertEqual(b'DMOREreg', bytes(made.data[:8]))
        at = (wire.STREAM_TABLE + wire.STREAM_TABLE_ENTRY
              * wire.Stream.SERIAL0_IN + wire.STREAM_SIZE)
        self.assertEqual(
            wire.GEOMETRY[wire.Stream.SERIAL0_IN][1],
            int.from_bytes(made.data[at:at + 8], 'little'))

    def test_rings_end_before_the_picture(self):
        for each in region.layout_of(wire.GEOMETRY).values():
            self.assertLessEqual(each.start + each.size, wire.CURSOR_START)
        self.assertLessEqual(
            wire.CURSOR_START + wire.CURSOR_SIDE_MAX ** 2 * 4,
            wire.FRAMEBUFFER_START)
        for size, pixels in ((wire.REGION_SIZE, 2560 * 1600),
                             (wire.LARGE_REGION_SIZE, 3840 * 2160)):
            self.assertEqual(0, size & (size - 1))
            self.assertLessEqual(pixels * 4, size - wire.FRAMEBUFFER_START)
        self.assertLessEqual(
            wire.DISPLAY_DAMAGE + 8 * wire.DAMAGE_RECORDS,
            wire.DATA_START - wire.DISPLAY_PAGE)

    def test_what_is_forgotten_takes_no_memory(self):
        with tempfile.TemporaryFile() as file:
            file.truncate(wire.LARGE_REGION_SIZE)
            made = region.Region(mmap.mmap(
                file.fileno(), wire.LARGE_REGION_SIZE))
            made.data[0] = made.data[-1] = 1
            made.data[wire.FRAMEBUFFER_START:] = (
                b'1' * made.framebuffer_size)
            self.assertGreater(os.fstat(file.fileno()).st_blocks * 512,
                               made.framebuffer_size)
            made.forget(wire.FRAMEBUFFER_START)
            self.assertLess(os.fstat(file.fileno()).st_blocks * 512, 1 << 20)
            self.assertEqual((1, 0), (made.data[0], made.data[-1]))
            made.forget(made.size)

    def test_memory_of_a_test_is_not_forgotten(self):
        made = self.make()
        made.data[-1] = 1
        made.forget(0)
        self.assertEqual(1, made.data[-1])

    def test_tables_do_not_overlap(self):
        table_end = (wire.STREAM_TABLE
                     + wire.STREAM_TABLE_ENTRY * len(wire.Stream))
        self.assertLessEqual(table_end, wire.POSITIONS)
        self.assertLessEqual(
            wire.POSITIONS + wire.POSITIONS_ENTRY * len(wire.Stream),
            wire.PUBLISHED)
        self.assertLessEqual(
            wire.PUBLISHED + wire.PUBLISHED_ENTRY * len(wire.Stream),
            wire.DOMAIN_R_PAGE)

    def test_unusable_buffers(self):
        for buffer in (bytearray(4096), bytes(SMALL),
                       bytearray(SMALL + 8)):
            self.assertRaises(errors.RegionError, region.Region, buffer)

    def test_rings_do_not_fit(self):
        small = region.Region(bytearray(wire.DATA_START + 0x1000))
        self.assertRaises(errors.RegionError, region.format_region, small)

    @examples.settings()
    @hypothesis.given(
        strategies.sampled_from(
            [each for each in range(0, 0x38, 8)
             if each not in (wire.HOST_PEER_ID, wire.HOST_DOMAIN_R_PEER_ID,
                             wire.HOST_VECTOR_COUNT)]
            + [wire.STREAM_TABLE + wire.STREAM_TABLE_ENTRY * stream + each
               for stream in wire.Stream for each in (0, 8, 16)]),
        strategies.integers(0, (1 << 64) - 1)
        | strategies.sampled_from([1 << each for each in range(64)]))
    def test_any_header_word(self, place, value):
        made = self.make()
        made.words[place >> 3] = value
        try:
            layout = region.read_layout(made)
        except errors.RegionError:
            return
        used = set()
        for each in layout.values():
            taken = range(each.start, each.start + each.size)
            self.assertGreaterEqual(taken.start, wire.DATA_START)
            self.assertLessEqual(taken.stop, made.size)
            self.assertTrue(used.isdisjoint(taken))
            used.update(taken)


class RingBufferTest(unittest.TestCase):

    @examples.settings()
    @hypothesis.given(
        strategies.sampled_from([1, 2, 16]),
        strategies.integers(0, 1 << 40), strategies.binary(max_size=16))
    def test_round_trip_touches_nothing_else(self, size, offset, data):
        data = data[:size]
        memory = bytearray(b'\xa5' * 64)
        place = region.Ring(world.OUT, world.TO_DOMAIN_R, 24, size)
        buffer = ring.RingBuffer(memoryview(memory), place)
        buffer.put(offset, data)
        self.assertEqual(data, buffer.get(offset, len(data)))
        self.assertEqual(b'\xa5' * 24, memory[:24])
        self.assertEqual(b'\xa5' * (40 - size), memory[24 + size:])
        self.assertEqual(
            size - len(data),
            memory[24:24 + size].count(0xa5) - data.count(0xa5))

    def test_published_word_knows_its_offset(self):
        word = ring.pack_published((5 << 32) + 7, 0x1234)
        self.assertEqual((7 << 32) | 0x1235, word)
        self.assertNotEqual(0, ring.pack_published(1 << 32, 0))
