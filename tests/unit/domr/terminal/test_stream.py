# SPDX-License-Identifier: Apache-2.0
"""What of the instance's output a terminal is given."""

import unittest

import hypothesis
from hypothesis import strategies

from nova_dmore.domr.terminal import rules
from nova_dmore.domr.terminal import stream
from tests import examples
from tests.unit.domr.terminal import model

Policy = rules.Policy

#: What terminals answer, with the manual that says so: ECMA-48, DEC's,
#: xterm's ctlseqs, kitty's, and iTerm2's.
QUERIES = (
    b'\x05', b'\x1bZ', b'\x1b[c', b'\x1b[0c', b'\x1b[>c', b'\x1b[>0c',
    b'\x1b[=c', b'\x1b[5n', b'\x1b[6n', b'\x1b[?6n', b'\x1b[?15n',
    b'\x1b[?25n', b'\x1b[?26n', b'\x1b[?62n', b'\x1b[?63;1n', b'\x1b[?996n',
    b'\x1b[x', b'\x1b[1x', b'\x1b[?1$p', b'\x1b[4$p', b'\x1b[>q', b'\x1b[>0q',
    b'\x1b[11t', b'\x1b[13t', b'\x1b[14;2t', b'\x1b[18t', b'\x1b[019t',
    b'\x1b[20t', b'\x1b[21t', b'\x1b[?u', b'\x1b[?4m', b'\x1b[?1;1;0S',
    b'\x1b[1$w', b'\x1b[1$u', b'\x1b[1;1;1;1;2;2*y', b"\x1b['|", b'\x1b[#|',
    b'\x1b[&u', b'\x1bP$qm\x1b\\', b'\x1bP+q544e\x1b\\',
    b'\x1b]4;1;?\x07', b'\x1b]10;?\x1b\\', b'\x1b]11;?\x07',
    b'\x1b]12;?\x1b\\', b'\x1b]52;c;?\x07', b'\x1b]10;#fff;?\x07',
    b'\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\', b'\x1b[?1004h',
    b'\x1b[?2048h', b'\x1b[?25;0002048h', b'\x1b[?2031h',
    # Not as they are usually written, but terminals understand it.
    b'\x1b[6\nn', b'\x1b\n[6n', b'\x1b[6\x1b[6n', b'\x1b\x1b[6n',
    b'\xc2\x9b6n', b'\xc2\x9a', b'\xc2\x90$qm\x1b\\', b'\x1b]0;\x1b[6n',
    b'\x1b]2;x\xc2\x9c\xc2\x9b6n\x07', b'\x1bP1q\x1b[c', b'\x1b[6\x7fn',
    b'\x1b]2;' + b'x' * 5000 + b'\x1b[c', b'\x1b[' + b'1;' * 3000 + b'c')
TITLES = (b'\x1b]0;root@web\x07', b'\x1b]2;x\x1b\\', b'\x1bkname\x1b\\',
          b'\x1b[22;0t', b'\x1b[8;50;100t')
#: What a late viewer needs, byte for byte.
DRAWING = (
    b'text\r\n', 'Büro-日本 😀'.encode(), b'\x1b[1;31m', b'\x1b[38:2::1:2:3m',
    b'\x1b[2J\x1b[H', b'\x1b[?1049h', b'\x1b[?25l', b'\x1b[?1000;1006h',
    b'\x1b[4h', b'\x1b(0lqk\x1b(B', b'\x0eq\x0f', b'\x1b7\x1b8', b'\x1bM',
    b'\x1b[3;20r', b'\x1b[5 q', b'\x1b[?2004h', b'\x1b=', b'\x1bc', b'\xe9',
    b'\x1b[s\x1b[u', b'\x1b#8', b'\x1b[>4;1m', b'\x1b[2;3H')

_PIECES = strategies.one_of(
    strategies.sampled_from([
        each for each in QUERIES + TITLES + DRAWING if len(each) < 100]),
    strategies.sampled_from([bytes([each]) for each in range(256)]),
    strategies.text(max_size=3).map(lambda text: text.encode(
        errors='replace')),
    strategies.binary(max_size=4))
OUTPUT = strategies.lists(_PIECES, max_size=12).map(b''.join)


def _fed(policy: Policy, *pieces: bytes) -> bytes:
    parser = stream.TerminalStream()
    return b''.join(parser.feed(piece, policy) for piece in pieces)


def _terminal(data: bytes) -> model.Terminal:
    terminal = model.Terminal()
    terminal.feed(data)
    return terminal


class TerminalStreamTest(unittest.TestCase):

    def test_the_model_answers(self) -> None:
        for query in QUERIES:
            self.assertTrue(_terminal(query).answered, query)

    def test_no_query_is_answered(self) -> None:
        for policy in (Policy.DRAW, Policy.NO_ANSWERS):
            for query in QUERIES:
                shown = _fed(policy, b'before ' + query + b' after')
                terminal = _terminal(shown)
                self.assertEqual([], terminal.answered, (policy, query))
                self.assertTrue(terminal.is_whole)
                self.assertTrue(terminal.text.startswith('before '))

    def test_nothing_beeps_or_changes_a_title_again(self) -> None:
        for title in (*TITLES, b'\a', b'\x1b]52;c;AAAA\x07', b'\x1b[5i'):
            shown = _fed(Policy.DRAW, b'a' + title + b'b')
            terminal = _terminal(shown)
            self.assertEqual([], terminal.commands, title)
            self.assertEqual(0, terminal.rang)
            self.assertNotIn(b'\x1b[', shown)
            self.assertNotIn(b'\x1bk', shown)

    def test_what_draws_is_kept(self) -> None:
        for policy in Policy:
            for each in DRAWING:
                self.assertEqual(each + b'.', _fed(policy, each + b'.'))

    def test_live_titles_and_beeps_reach_everybody(self) -> None:
        for each in (*TITLES, b'\a', b'\x1b]8;;http://x\x1b\\'):
            if each[:2] != b'\x1bk':    # of screen, which others print
                self.assertEqual(each, _fed(Policy.NO_ANSWERS, each))

    def test_modes_are_left_out_of_others(self) -> None:
        self.assertEqual(b'\x1b[?1049;1000h', _fed(
            Policy.NO_ANSWERS, b'\x1b[?1049;1004;1000h'))
        self.assertEqual(b'\x1b[?25l', _fed(Policy.DRAW, b'\x1b[?2026;25l'))

    def test_who_answers_gets_each_byte_at_once(self) -> None:
        parser = stream.TerminalStream()
        for byte in b'\x1b]0;a\xc3\xa4\x07\x1b[6n\xe6\x97\xa5\x05\x1b\x1b':
            data = bytes([byte])
            self.assertEqual(data, parser.feed(data, Policy.ALL))

    def test_a_query_is_of_who_answered_when_it_began(self) -> None:
        one, other = stream.TerminalStream(), stream.TerminalStream()
        self.assertEqual(b'a\x1b[6', one.feed(b'a\x1b[6', Policy.ALL))
        self.assertEqual(b'a', other.feed(b'a\x1b[6', Policy.NO_ANSWERS))
        self.assertFalse(other.is_inside)
        # Now it is the other one, in the middle of it.
        self.assertEqual(b'nb', one.feed(b'n\x1b[6nb', Policy.NO_ANSWERS))
        self.assertEqual(b'\x1b[6nb', other.feed(b'n\x1b[6nb', Policy.ALL))
        for parser, policy in ((one, Policy.NO_ANSWERS), (other, Policy.ALL)):
            parser.feed('\u65e5'.encode()[:2], Policy.ALL)
            self.assertEqual(
                '\u65e5'.encode()[2:] + (
                    b'\x1b[6n' if policy is Policy.ALL else b''),
                parser.feed('\u65e5'.encode()[2:] + b'\x1b[6n', policy))

    def test_who_begins_to_answer_gets_what_was_kept(self) -> None:
        parser = stream.TerminalStream()
        self.assertEqual(b'a', parser.feed(b'a\x1b[6', Policy.DRAW))
        self.assertEqual(b'\x1b[6nb', parser.feed(b'nb', Policy.ALL))

    def test_a_broken_one_is_not_waited_for(self) -> None:
        for begin, rest, wanted in (
                (b'\x1b[6', b'\nn.', b'\x18\nn.'),
                (b'\x1b]0;x', b'\x1b[6n.', b'\x18.'),
                (b'\x1b]0;x\x1b', b'[6n.', b'\x18[6n.'),
                (b'\x1b]0;' + b'x' * 5000, b'\x1b[6n.', b'\x1b[6n.'),
                (b'\x1b]0;' + b'x' * 5000, b'\a\x1b[6n.', b'\a.'),
                (b'\x1b]0;' + b'x' * 5000, b'\x1b\n\x1b[6n.',
                 b'\x1b\x18\n.'),
                (b'\xe6\x9b', b'6n', b'\x186n'),
                (b'\xc2', b'\x9b6n', b'\x9b\x186n')):
            parser = stream.TerminalStream()
            self.assertEqual(begin, parser.feed(begin, Policy.ALL))
            self.assertEqual(wanted, parser.feed(rest, Policy.NO_ANSWERS))

    def test_who_answers_no_more_gets_the_rest(self) -> None:
        parser = stream.TerminalStream()
        parser.feed(b'\x1b]0;ti', Policy.ALL)
        self.assertTrue(parser.is_inside)
        self.assertEqual(b'tle\x07',
                         parser.feed(b'tle\x07', Policy.NO_ANSWERS))
        self.assertEqual(b'', parser.feed(b'\x1b[6n', Policy.NO_ANSWERS))

    def test_strings_without_end(self) -> None:
        for start in (b'\x1b]0;', b'\x1bP', b'\x1b_'):
            for policy in (Policy.DRAW, Policy.NO_ANSWERS):
                shown = _fed(policy, *[start] + [b'x' * 1000] * 99)
                self.assertEqual(b'x' * 10000, shown[-10000:])
                self.assertLess(len(shown), 40000)
            text = start + b'x' * 99000
            self.assertEqual(text, _fed(
                Policy.ALL, *[text[at:at + 1000]
                              for at in range(0, len(text), 1000)]))

    def test_a_long_string_is_inside(self) -> None:
        parser = stream.TerminalStream()
        parser.feed(b'\x1b]52;c;' + b'A' * 9000, Policy.ALL)
        self.assertTrue(parser.is_inside)
        self.assertEqual(b'\x18', parser.interrupt())
        parser.feed(b'AA\x07', Policy.ALL)
        self.assertFalse(parser.is_inside)
        self.assertEqual(b'', parser.interrupt())

    def test_inside_a_character(self) -> None:
        parser = stream.TerminalStream()
        for data, inside in ((b'\xe6', True), (b'\x97', True),
                             (b'\xa5', False), (b'\xf0\x9f\x98', True),
                             (b'\x80', False), (b'\xc3', True),
                             (b'x', False)):
            parser.feed(data, Policy.ALL)
            self.assertIs(inside, parser.is_inside, data)
        parser.feed(b'\xc3', Policy.ALL)
        self.assertEqual(b'', parser.interrupt())

    def test_output_is_missing(self) -> None:
        parser = stream.TerminalStream()
        parser.feed(b'\x1b]0;ti', Policy.ALL)
        self.assertEqual(b'\x18', parser.cut())
        self.assertFalse(parser.is_inside)
        self.assertEqual(b'', parser.feed(b'\x1b[6n', Policy.DRAW))

    @examples.settings(400)
    @hypothesis.given(OUTPUT, strategies.data())
    def test_any_output_cut_anywhere(self, output: bytes,
                                     data: strategies.DataObject) -> None:
        cuts = sorted(data.draw(strategies.lists(
            strategies.integers(0, len(output)), max_size=4)))
        pieces = [output[start:end] for start, end in
                  zip([0, *cuts], [*cuts, len(output)])]
        self.assertEqual(output, _fed(Policy.ALL, *pieces))
        for policy in (Policy.DRAW, Policy.NO_ANSWERS):
            shown = _fed(policy, *pieces)
            self.assertEqual(shown, _fed(policy, output))
            terminal = _terminal(shown + b' ')
            self.assertEqual([], terminal.answered)
            self.assertTrue(terminal.is_whole)
            if policy is Policy.DRAW:
                self.assertEqual((0, []), (terminal.rang, terminal.commands))

    @examples.settings(400)
    @hypothesis.given(strategies.lists(strategies.sampled_from([
        each for each in (*QUERIES, *DRAWING, *TITLES) if len(each) < 100]),
        max_size=8), strategies.data())
    def test_nothing_is_answered_twice(self, pieces: list[bytes],
                                       data: strategies.DataObject) -> None:
        """Whoever types meanwhile."""
        output = b'.'.join(pieces)
        cuts = sorted(data.draw(strategies.lists(
            strategies.integers(0, len(output)), max_size=6)))
        parsers = [stream.TerminalStream() for _ in range(3)]
        terminals = [model.Terminal() for _ in range(3)]
        for start, end in zip([0, *cuts], [*cuts, len(output)]):
            typist = data.draw(strategies.integers(0, 2))
            for number, parser in enumerate(parsers):
                terminals[number].feed(parser.feed(
                    output[start:end], Policy.ALL if number == typist
                    else Policy.NO_ANSWERS))
        answered = [each for terminal in terminals
                    for each in terminal.answered]
        self.assertLessEqual(len(answered), len(_terminal(output).answered))

    @examples.settings(200)
    @hypothesis.given(OUTPUT)
    def test_where_it_is_whole(self, output: bytes) -> None:
        """Where it says so, a terminal shows what comes next."""
        parser = stream.TerminalStream()
        for position in range(len(output)):
            parser.feed(output[position:position + 1], Policy.ALL)
            if not parser.is_inside:
                continue
            terminal = _terminal(output[:position + 1]
                                 + parser.interrupt() + b'[notice]')
            self.assertIn('[notice]', terminal.text)
