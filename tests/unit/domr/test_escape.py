# SPDX-License-Identifier: Apache-2.0
"""Escapes typed at the console."""

import unittest

from nova_dmore.domr import escape


class EscapeParserTest(unittest.TestCase):

    def test_actions_split_the_bytes(self) -> None:
        self.assertEqual(
            [b'ab', escape.Action.BREAK, b'c', escape.Action.DETACH],
            escape.EscapeParser().feed(b'ab\x1dbc\x1d.'))

    def test_any_cut_gives_the_same(self) -> None:
        typed = b'a\x1d\x1d\x1d\x1d.\x1dxb\x1db\x1d'
        for cut in range(len(typed) + 1):
            parser = escape.EscapeParser()
            items = parser.feed(typed[:cut]) + parser.feed(typed[cut:])
            plain = b''.join(item for item in items
                             if isinstance(item, bytes))
            self.assertEqual(b'a\x1d\x1d.\x1dxb', plain)
            self.assertEqual([escape.Action.BREAK],
                             [item for item in items
                              if not isinstance(item, bytes)])

    def test_unknown_escape_passes_unchanged(self) -> None:
        self.assertEqual([b'\x1dq'], escape.EscapeParser().feed(b'\x1dq'))
