# SPDX-License-Identifier: Apache-2.0
"""How a terminal is brought back to rest."""

import unittest

import hypothesis

from nova_dmore.domr.terminal import earlier
from nova_dmore.domr.terminal import modes
from nova_dmore.domr.terminal import rules
from nova_dmore.domr.terminal import stream
from tests import examples
from tests.unit.domr.terminal import model
from tests.unit.domr.terminal import test_stream


def _at_rest(output: bytes) -> bytes:
    parser = stream.TerminalStream()
    parser.feed(output, rules.Policy.ALL)
    return parser.cut() + parser.modes.at_rest()


class ModesTest(unittest.TestCase):

    def test_what_programs_change(self) -> None:
        for output, undone in (
                (b'', b''),
                (b'\x1b[?1049h\x1b[?1000;1006h\x1b[?25l',   # htop
                 b'\x1b[?25h\x1b[?1000l\x1b[?1006l\x1b[?1049l'),
                (b'\x1b[?1049h\x1b[?25l\x1b[?25h\x1b[?1049l', b''),
                (b'\x1b[?2004h', b'\x1b[?2004l'),   # bash
                (b'\x1b[?7l', b'\x1b[?7h'),
                (b'\x1b[4h\x1b[20h\x1b[20l', b'\x1b[4l'),
                (b'\x1b[?1h\x1b=', b'\x1b>\x1b[?1l'),       # less
                (b'\x1b(0\x0e', b'\x1b(B\x0f'),
                (b'\x1b[2;20r', b'\x1b7\x1b[r\x1b8'),
                (b'\x1b[4 q', b'\x1b[0 q'),
                (b'\x1b[>1u', b'\x1b[<9u\x1b[=0u'),
                (b'\x1b]11;#000\x07', b'\x1b]111\x1b\\'),
                (b'\x1b]8;;http://x/\x07', b'\x1b]8;;\x1b\\'),
                (b'\x1b[?8l', b'\x1b[?8h'), (b'\x1b[?8h', b''),
                (b'\x1b[5i', b'\x1b[4i'),
                (b'\x1b[?1049h\x1b=\x1bc', b'')):
            self.assertEqual(b'\x1b[m' + undone, _at_rest(output), output)

    def test_a_full_screen_program(self) -> None:
        parser = stream.TerminalStream()
        for output, drawn in ((b'\x1b[?1049h', True), (b'\x1b[?1049l', False),
                              (b'\x1b[?47h', True), (b'\x1bc', False)):
            parser.feed(output, rules.Policy.ALL)
            self.assertIs(drawn, parser.modes.is_alternate)

    def test_what_is_no_mode_takes_no_memory(self) -> None:
        for mark in (b'', b'?'):
            output = b''.join(
                b'\x1b[%b%bh' % (mark, b';'.join(
                    b'%d' % each for each in range(first, first + 50)))
                for first in range(0, 20000, 50)) + b'\x1b[4h'
            at_rest = _at_rest(output)
            self.assertLess(len(at_rest), 1000)
            self.assertIn(b'\x1b[4l', at_rest)
            before = earlier.Earlier()
            before.feed(output)
            self.assertLess(len(modes.Modes().to(before.modes)), 1000)

    @examples.settings(200)
    @hypothesis.given(test_stream.OUTPUT)
    def test_whatever_was_printed(self, output: bytes) -> None:
        terminal = model.Terminal()
        terminal.feed(output + _at_rest(output))
        self.assertTrue(terminal.is_whole)
        self.assertLessEqual(terminal.modes & {
            '?1', '?47', '?1000', '?1002', '?1003', '?1004', '?1006',
            '?1049', '?2004', '4'}, set())
