# SPDX-License-Identifier: Apache-2.0
"""Records of input: what is packed is unpacked, what is none is refused."""

import unittest

import hypothesis
from hypothesis import strategies

from nova_dmore.channel import errors
from nova_dmore.channel import input_event
from nova_dmore import wire
from tests import examples

POSITIONS = strategies.integers(0, input_event.POINTER_MAX)
EVENTS = strategies.one_of(
    strategies.builds(input_event.Key, strategies.integers(1, 0xff),
                      strategies.booleans()),
    strategies.builds(input_event.Pointer, strategies.integers(0, 0x1ff),
                      POSITIONS, POSITIONS))


class InputEventTest(unittest.TestCase):

    @examples.settings()
    @hypothesis.given(EVENTS)
    def test_round_trip(self, event):
        record = input_event.pack(event)
        self.assertEqual(wire.INPUT_RECORD_SIZE, len(record))
        self.assertEqual(event, input_event.unpack(record))

    @examples.settings()
    @hypothesis.given(strategies.one_of(
        strategies.binary(min_size=8, max_size=8),
        strategies.tuples(
            strategies.sampled_from([0, 1, 2, 3]),
            strategies.integers(0, 255),
            strategies.lists(strategies.sampled_from(
                [0, 1, 0x7f, 0x80, 0xff]), min_size=6, max_size=6)).map(
                    lambda each: bytes([each[0], each[1], *each[2]]))))
    def test_any_record_is_refused_or_meant(self, record):
        try:
            event = input_event.unpack(record)
        except errors.InputEventError:
            return
        self.assertEqual(record, input_event.pack(event))

    def test_refused(self):
        for record in ('0000000000000000', '0102010000000000',
                       '0101000000000000', '0101000100000000',
                       '0101010000010000', '0280000000000200',
                       '0200008000000000', '0200000000800000',
                       '0200000000000002', '0300000000000000'):
            self.assertRaises(errors.InputEventError, input_event.unpack,
                              bytes.fromhex(record))
