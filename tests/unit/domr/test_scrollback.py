# SPDX-License-Identifier: Apache-2.0
"""Where the scroll-back begins."""

import unittest

from nova_dmore.domr import scrollback


class ScrollbackTest(unittest.TestCase):

    def _first(self, output: bytes, most: int) -> bytes:
        """What a client is given of output of which so much is kept."""
        kept = scrollback.Scrollback()
        kept.append(output)
        kept.forget(kept.end - most - 3)    # somebody was slow
        early = kept.read(kept.line_start(kept.end - most), most)
        kept.forget(kept.end - most)
        self.assertEqual(early, kept.read(
            kept.line_start(kept.end - most), most))
        return early

    def test_a_line(self) -> None:
        self.assertEqual(b'two\nthree', self._first(b'xxxx\none\ntwo\nthree',
                                                    11))
        self.assertEqual(b'two\nthree', self._first(b'xxxx\none\ntwo\nthree',
                                                    9))

    def test_all_of_it(self) -> None:
        kept = scrollback.Scrollback()
        kept.append(b'one\ntwo')
        self.assertEqual(0, kept.line_start(-5))

    def test_no_line(self) -> None:
        text = 'ä日😀' * 500
        for most in range(3000, 3010):
            first = self._first(text.encode(), most)
            self.assertGreater(len(first), most - 4)
            first.decode()
        self.assertTrue(self._first(
            b'\x1b[38;5;214mprompt' * 100, 1000).startswith(b'\x1b[38;5;'))

    def test_what_is_no_text(self) -> None:
        self.assertEqual(97, len(self._first(b'\x80' * 1000, 100)))
        kept = scrollback.Scrollback()
        kept.append(b'\x80\x80\x80')
        kept.forget(1)
        self.assertEqual(3, kept.line_start(0))

    def test_a_long_line(self) -> None:
        text = b'x' * 5000 + b'\nshort'
        self.assertEqual(text[-4000:], self._first(text, 4000))


class ModesTest(unittest.TestCase):

    def _alternate(self, kept: scrollback.Scrollback, offset: int) -> bool:
        return kept.modes_at(offset).is_alternate

    def test_of_what_is_forgotten(self) -> None:
        output = b'vim\n\x1b[?1049hscreen\n' + b'text\n' * 20
        for step in (1, 3, 100):
            kept = scrollback.Scrollback()
            for start in range(0, len(output), step):
                kept.append(output[start:start + step])
                kept.forget(kept.end - 30)
            self.assertTrue(self._alternate(kept, kept.base))
            kept.append(b'\x1b[?1049l\n')
            self.assertTrue(self._alternate(kept, kept.end - 5))
            self.assertFalse(self._alternate(kept, kept.end))

    def test_a_boot_ends_them(self) -> None:
        kept = scrollback.Scrollback()
        kept.append(b'\x1b[?1049hscreen')
        kept.begin_boot()
        booted_at = kept.end
        kept.append(b'GRUB \x1b[?25l')
        self.assertTrue(self._alternate(kept, booted_at - 1))
        for forgotten in (0, 4, booted_at, booted_at + 2, kept.end):
            kept.forget(forgotten)
            for offset in range(max(kept.base, booted_at), kept.end + 1):
                self.assertFalse(self._alternate(kept, offset))
        self.assertEqual(b'\x1b[?25h', kept.modes_at(kept.end).at_rest()[3:])
