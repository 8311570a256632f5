# SPDX-License-Identifier: Apache-2.0
"""asciinema's format: all bytes come back, and players can read it."""

import json
import random

from oslotest import base

from nova_dmore.recorder import cast

HEADER = cast.Header(1700000000.5, 'u', 'h', 7)


def _bytes(text):
    return b''.join(event.data for event in cast.events(text.splitlines(True))
                    if event.data is not None)


class CastTest(base.BaseTestCase):

    def test_header(self):
        line = json.loads(HEADER.line())
        self.assertEqual((2, 80, 24, 1700000000), tuple(
            line[name] for name in ('version', 'width', 'height',
                                    'timestamp')))
        self.assertEqual(HEADER, cast.header(HEADER.line()))
        for bad in ('', '[]', '{}', '{"version": 2}', 'x',
                    '{"nova_dmore": {"began": 1}}', '[' * 5000):
            self.assertRaises(ValueError, cast.header, bad)

    def test_text_is_one_event_of_three(self):
        self.assertEqual([1.235, 'o', 'caf\xe9\r\n'], json.loads(
            cast.output(1.23456, 'caf\xe9\r\n'.encode())))

    def test_all_bytes_come_back(self):
        chance = random.Random(0)
        for data in (b'\xff', b'a\xe2\x82', b'\xed\xa0\x80', bytes(range(256)),
                     *(chance.randbytes(50) for _ in range(50))):
            text = cast.output(0, data)
            self.assertEqual(data, _bytes(text))
            # No player trips over half a surrogate.
            for line in text.splitlines():
                json.loads(line)[2].encode('utf-8')

    def test_marks_between(self):
        text = (cast.output(0, b'a') + cast.mark(1, 'here')
                + cast.output(2, b'\xff') + cast.output(3, b'c'))
        self.assertEqual(
            [cast.Event(0, b'a'), cast.Event(1, None, 'here'),
             cast.Event(2, b'\xff'), cast.Event(3, b'c')],
            list(cast.events(text.splitlines(True))))

    def test_a_line_that_is_being_written(self):
        self.assertEqual(
            [cast.Event(0, b'a')],
            list(cast.events([cast.output(0, b'a'), '[1, "o", "b'])))

    def test_what_is_no_event(self):
        for bad in ('x\n', '{}\n', '[1, 2, 3]\n', '[1, "o"]\n',
                    '[true, "o", ""]\n'):
            self.assertRaises(ValueError, lambda: list(cast.events([bad])))

    def test_characters_that_are_not_whole(self):
        for text in 'a\xe9\u20ac\U0001f600':
            data = text.encode()
            for count in range(len(data)):
                self.assertEqual(count, cast.unfinished(
                    b'xyz' + data[:count]), data[:count])
            self.assertEqual(0, cast.unfinished(data))
        for data in (b'', b'\x80\x80\x80\x80', b'\xff', b'\xc0', b'\xc3a'):
            self.assertEqual(0, cast.unfinished(data), data)
