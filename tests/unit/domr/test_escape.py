# SPDX-License-Identifier: Apache-2.0
"""Escapes typed at the console."""

import unittest

from nova_dmore.domr import escape


class EscapeParserTest(unittest.TestCase):

    def test_actions_split_the_bytes(self) -> None:
        self.assertEqual(
            [b'ab\r', escape.Action.BREAK, escape.Action.SIZE, b'c\n',
             escape.Action.HELP, escape.Action.DETACH],
            escape.EscapeParser().feed(b'ab\r\x1db\x1dsc\n\x1d?\x1d.'))

    def test_any_cut_gives_the_same(self) -> None:
        typed = b'a\r\x1d\x1d\r\x1d\x1d.\r\x1dxb\r\x1db\x1d'
        for cut in range(len(typed) + 1):
            parser = escape.EscapeParser()
            items = parser.feed(typed[:cut]) + parser.feed(typed[cut:])
            plain = b''.join(item for item in items
                             if isinstance(item, bytes))
            self.assertEqual(b'a\r\x1d\r\x1d.\r\x1dxb\r', plain)
            self.assertEqual([escape.Action.BREAK],
                             [item for item in items
                              if not isinstance(item, bytes)])

    def test_only_where_a_line_starts(self) -> None:
        """In vim, Ctrl-] and a b go back by a word from where a tag is."""
        parser = escape.EscapeParser()
        self.assertEqual([b':help\x1dbx'], parser.feed(b':help\x1dbx'))
        self.assertEqual([b'\r', escape.Action.BREAK],
                         parser.feed(b'\r\x1db'))

    def test_another_key_or_none(self) -> None:
        self.assertEqual([escape.Action.BREAK, b'\x1db'],
                         escape.EscapeParser(0x1e).feed(b'\x1eb\x1db'))
        self.assertEqual([b'\x1db'],
                         escape.EscapeParser(None).feed(b'\x1db'))
        self.assertIn('Ctrl-^ b', escape.help_of(0x1e))
        self.assertNotIn('Ctrl', escape.help_of(None))

    def test_some_actions_alone(self) -> None:
        parser = escape.EscapeParser(actions=[escape.Action.BREAK])
        self.assertEqual([b'\x1d.\r', escape.Action.BREAK],
                         parser.feed(b'\x1d.\r\x1db'))

    def test_unknown_escape_passes_unchanged(self) -> None:
        self.assertEqual([b'\x1dq'], escape.EscapeParser().feed(b'\x1dq'))
