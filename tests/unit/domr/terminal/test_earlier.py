# SPDX-License-Identifier: Apache-2.0
"""Modes of a terminal that was given all of an output."""

import unittest

import hypothesis
from hypothesis import strategies

from nova_dmore.domr.terminal import earlier
from nova_dmore.domr.terminal import modes
from nova_dmore.domr.terminal import rules
from nova_dmore.domr.terminal import stream
from tests import examples

_PIECES = strategies.lists(strategies.sampled_from((
    b'\x1b[?1049h', b'\x1b[?1049l', b'\x1b[?1h\x1b=', b'\x1b[?1l\x1b>',
    b'\x1b[?1000;1006h', b'\x1b[?25l', b'\x1b[?25h', b'\x1b[?2004h', b'\x1bc',
    b'\x1b[4h', b'\x1b[4l', b'text', b'\x1b[1;2H', b'\x1b]0;title\a',
    b'\x1b[?7l', '日'.encode()))).map(b''.join)


def _wanted(output: bytes) -> bytes:
    """What a terminal at rest is given that has missed an output."""
    fed = earlier.Earlier()
    fed.feed(output)
    return modes.Modes().to(fed.modes)


class EarlierTest(unittest.TestCase):

    def test_what_programs_set(self) -> None:
        for output, wanted in (
                (b'', b''), (b'login: \x1b[31m', b''),
                (b'\x1b[?1049h\x1b[?1h\x1b=\x1b[?25l',      # vim
                 b'\x1b[?1049h\x1b[?1h\x1b[?25l\x1b='),
                (b'\x1b[?1049h\x1b[?1049l', b''),
                (b'\x1b[?1000;1006h', b'\x1b[?1000h\x1b[?1006h'),
                (b'\x1b[?7l\x1b[4h', b'\x1b[?7l\x1b[4h'),
                (b'\x1b[?1049;1h\x1b[4h\x1b=\x1b[!p', b'\x1b[?1049h'),
                (b'\x1b[?1049h\x1bc', b''),
                # ESC ends a string.
                (b'\x1b]0;x\x1b[?1h', b'\x1b[?1h')):
            self.assertEqual(wanted, _wanted(output), output)

    @examples.settings(200)
    @hypothesis.given(_PIECES, strategies.data())
    def test_as_a_terminal_has_them(self, output: bytes,
                                    data: strategies.DataObject) -> None:
        cut = data.draw(strategies.integers(0, len(output)))
        fed = earlier.Earlier()
        fed.feed(output[:cut])
        fed = fed.copy()
        fed.feed(output[cut:])
        parser = stream.TerminalStream()
        parser.feed(output, rules.Policy.ALL)
        self.assertEqual(b'', parser.modes.to(fed.modes))
        other = stream.TerminalStream()
        other.feed(b'\x1b[?1049;7;2004h\x1b[?25l\x1b=', rules.Policy.ALL)
        other.restored(fed.modes)
        self.assertEqual(b'', other.modes.to(fed.modes))
