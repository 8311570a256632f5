# SPDX-License-Identifier: Apache-2.0
"""Escapes typed at the console."""

import unittest

from nova_dmore.domr import escape

#: What a terminal says by itself.
REPORTS = (
    b'\x1b[24;80R', b'\x1b[?1;1;1R', b'\x1b[0n', b'\x1b[?62;22c',
    b'\x1b[>41;390;0c', b'\x1b[?2026;2$y', b'\x1b[8;24;80t',
    b'\x1b[I', b'\x1b[O', b'\x1b[<35;12;7M', b'\x1b[<0;1;1m',
    b'\x1b[M !!', b'\x1b[32;10;5M', b'\x1b[?1u',
    b'\x1b]11;rgb:0000/0000/0000\x1b\\', b'\x1b]10;x\a',
    b'\x1bP1$r0m\x1b\\', b'\x1bP>|XTerm(390)\x1b\\',
    b'\x1b_Gi=1;OK\x1b\\', b'\x1b[1;1R' * 3)


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

    def test_after_what_the_terminal_says_by_itself(self) -> None:
        for report in REPORTS:
            for start in (b'', b'ls\r'):
                self._leaves(start + report, b'\x1d.')

    def test_the_terminal_answers_late(self) -> None:
        """The guest, which prints its prompt, is slower than who types."""
        for report in REPORTS:
            self._leaves(b'ls\r', b'\x1d' + report + b'.', report)

    def _leaves(self, before: bytes, escaped: bytes, after: bytes = b''
                ) -> None:
        typed = before + escaped
        for cut in range(len(typed)):
            parser = escape.EscapeParser()
            items = parser.feed(typed[:cut]) + parser.feed(typed[cut:])
            self.assertEqual(before + after, b''.join(
                item for item in items if isinstance(item, bytes)))
            self.assertIs(escape.Action.DETACH, items[-1], typed)

    def test_other_keys_after_an_escape(self) -> None:
        for keys in (b'\x1b[A', b'\x1bOA', b'\x1b[3~', b'\x1b[97;5u', b'\x1bb',
                     b'\x1b\x1d', b'\x1b[24;80.', b'\x1b[1;1R\x1b[B', b'q',
                     b'\x1b]' + b'x' * 300):
            typed = b'\r\x1d' + keys + b'.'
            for cut in range(len(typed)):
                parser = escape.EscapeParser()
                items = parser.feed(typed[:cut]) + parser.feed(typed[cut:])
                passed = b''.join(
                    item for item in items if isinstance(item, bytes))
                self.assertEqual(len(passed), len(typed), typed)
                if b'R' not in keys:
                    self.assertEqual(typed, passed)

    def test_after_keys(self) -> None:
        for keys in (b'\x1b', b'\x1b[A', b'\x1bOA', b'\x1b[3~', b'\x1b[15~',
                     b'\x1b[1;5C', b'\x1bb', b'\x1b[97;5u', b'\x1b[200~x',
                     b'\x1b]', b'\x1b]x', b'\x1b[', b'\x1b[24;80', b'\x1bP',
                     b'\x1b]' + b'x' * 300 + b'\a', b'x\x1b[24;80R',
                     b'\x1b[24;80Rx', b'\x1dq\x1b[24;80R'):
            self.assertEqual([b'\r' + keys + b'\x1d.'],
                             escape.EscapeParser().feed(
                                 b'\r' + keys + b'\x1d.'), keys)

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
