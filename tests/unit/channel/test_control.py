# SPDX-License-Identifier: Apache-2.0
"""Lines of the control streams."""

import unittest

import hypothesis
from hypothesis import strategies

from nova_dmore.channel import control
from nova_dmore.channel import errors
from tests import examples

MESSAGES = strategies.lists(
    strategies.fixed_dictionaries(
        {'type': strategies.text(max_size=9)},
        optional={'text': strategies.text(max_size=20),
                  'at': strategies.integers()}), max_size=6)


class LineCodecTest(unittest.TestCase):

    @examples.settings()
    @hypothesis.given(MESSAGES, strategies.lists(strategies.integers(1, 40)))
    def test_any_pieces(self, messages, sizes):
        data = b''.join(control.encode(each) for each in messages)
        codec = control.LineCodec()
        got = []
        for size in sizes + [len(data)]:
            got += codec.feed(data[:size])
            data = data[size:]
        self.assertEqual(messages, got)
        self.assertEqual(0, codec.ignored)

    @examples.settings()
    @hypothesis.given(strategies.lists(strategies.binary(max_size=40)))
    def test_any_bytes(self, pieces):
        codec = control.LineCodec(limit=32)
        for piece in pieces:
            codec.feed(piece)
            self.assertLess(len(codec._pending), 32)
        codec.feed(b'\n')
        self.assertEqual([{'type': 'x'}],
                         codec.feed(control.encode({'type': 'x'})))

    def test_cut_line_costs_only_itself(self):
        codec = control.LineCodec()
        self.assertEqual([], codec.feed(control.encode({'type': 'a'})[:-4]))
        self.assertEqual([{'type': 'b'}],
                         codec.feed(control.encode({'type': 'b'})))
        self.assertEqual(1, codec.ignored)

    def test_incomplete_line_is_not_taken(self):
        codec = control.LineCodec()
        first = control.encode({'type': 'a'})
        second = control.encode({'type': 'b'})
        messages, used = codec.decode(first + second[:-1])
        self.assertEqual([{'type': 'a'}], messages)
        # The empty line before the second one is complete.
        self.assertEqual(len(first) + 1, used)

    def test_long_line(self):
        codec = control.LineCodec(limit=16)
        self.assertEqual(([], 16), codec.decode(b'x' * 16))
        messages, used = codec.decode(b'y\n{"type":"a"}\n')
        self.assertEqual([{'type': 'a'}], messages)
        self.assertEqual(15, used)
        self.assertEqual(1, codec.ignored)

    def test_not_a_message(self):
        codec = control.LineCodec()
        lines = [b'[]', b'1', b'{"a":1}', b'{"type":1}', b'\xff', b'{',
                 b'[' * 30000]
        for line in lines:
            self.assertEqual([], codec.feed(line + b'\n'), line[:20])
        self.assertEqual(len(lines), codec.ignored)

    def test_cannot_be_encoded(self):
        self.assertRaises(errors.ControlError, control.encode,
                          {'type': 'a', 'text': 'x' * 40000})
        self.assertRaises(errors.ControlError, control.encode,
                          {'type': 'a', 'text': b''})
