# SPDX-License-Identifier: Apache-2.0
"""The shared console: terminals, and what persons are told."""

import unittest

from nova_dmore.domr import console
from nova_dmore.domr import input_queue
from nova_dmore.domr import instance_state
from nova_dmore.domr import notices
from nova_dmore.domr.terminal import stream
from nova_dmore import wire
from tests.unit.domr import console_case


class TerminalTest(unittest.TestCase):
    """Clients with a terminal, and what the instance does."""

    def setUp(self) -> None:
        self.line = console_case.Line()
        self.instance = instance_state.InstanceState()
        self.console = console.Console(
            self.line, lambda level, text: None, console_case.Turns().later,
            self.instance)
        self.console.configure(1000, 2000)

    def attach(self, terminal: bool = True, is_person: bool = True
               ) -> console_case.Port:
        port = console_case.Port()
        port.client = self.console.attach(
            port, 'client', stream.TerminalStream() if terminal else None,
            is_person)
        port.client.resume_writing()
        return port

    def types(self, port: console_case.Port, data: bytes) -> None:
        assert port.client is not None
        port.client.input(data)

    def state(self, state: str) -> None:
        self.instance.told({'type': wire.STATE, 'state': state})

    def test_what_was_printed_before_asks_nobody(self) -> None:
        output = b'\a\x1b[6n\x1b]0;x\alogin: '
        self.console.output(output)
        self.assertEqual(b'login: ', self.attach().got)
        self.assertEqual(output, self.attach(terminal=False).got)

    def test_modes_of_a_program_that_began_long_ago(self) -> None:
        """vim, of whose beginning the scroll-back has nothing."""
        self.console.output(b'\x1b[?1049h\x1b[?1h\x1b=\x1b[?1004h')
        self.console.output(b'line\r\n' * 1000)
        port = self.attach()
        modes = b'\x1b[?1049h\x1b[?1h\x1b='    # no reports of the focus
        self.assertEqual(modes + b'line\r\n', bytes(port.got[:len(modes) + 6]))
        assert port.client is not None and port.client.stream is not None
        self.assertEqual(b'\x1b[m\x1b>\x1b[?1l\x1b[?1049l',
                         port.client.stream.modes.at_rest())
        pipe = self.attach(terminal=False)
        self.assertNotIn(b'\x1b', pipe.got)
        self.console.drop_input()
        self.console.output(b'GRUB\r\n' * 1000)
        self.assertNotIn(b'\x1b', self.attach().got)

    def test_modes_that_a_slow_client_missed(self) -> None:
        port = self.attach()
        assert port.client is not None
        self.console.output(b'\x1b[?1049h\x1b[?1h')
        port.client.pause_writing()
        self.console.output(b'\x1b[?1049l\x1b[?25l' + b'line\r\n' * 1000)
        for now in (0, 1, 2, 3):    # it is waited for no longer
            self.console.tick(now)
        self.console.output(b'line\r\n' * 1000)
        port.got.clear()
        port.client.resume_writing()
        modes = b'\x1b[?1049l\x1b[?25l'
        self.assertEqual(modes + b'line\r\n', bytes(port.got[:len(modes) + 6]))
        self.assertIn('are missing here', port.told[-1])

    def test_one_client_answers(self) -> None:
        ports = [self.attach() for _ in range(3)]
        pipe = self.attach(terminal=False)

        def asked() -> list[int]:
            for port in (*ports, pipe):
                port.got.clear()
            self.console.output(b'\x1b[6n')
            self.assertEqual(b'\x1b[6n', pipe.got)
            return [number for number, port in enumerate(ports) if port.got]
        self.assertEqual([0], asked())
        self.types(ports[2], b'x')
        self.assertEqual([2], asked())
        self.types(ports[1], b'x')
        self.types(pipe, b'x')
        self.assertEqual([1], asked())
        assert ports[1].client is not None
        ports[1].client.detach()
        self.assertEqual([2], asked())

    def test_who_typed_before_it_was_asked_answers(self) -> None:
        first, second = self.attach(), self.attach()
        assert first.client is not None and second.client is not None
        for typist, late in ((first, second), (second, first)):
            assert late.client is not None
            for port in (first, second):
                port.got.clear()
            self.types(typist, b'x')
            late.client.pause_writing()
            self.console.output(b'\x1b[6n')
            self.types(late, b'y')
            late.client.resume_writing()
            self.assertEqual([b'\x1b[6n', b''], [typist.got, late.got])
            self.console.output(b'\x1b[6n')
            self.assertEqual([b'\x1b[6n', b'\x1b[6n'],
                             [typist.got, late.got])

    def test_output_is_written_at_once_whoever_typed_meanwhile(self) -> None:
        late, other = self.attach(), self.attach()
        assert late.client is not None
        late.client.pause_writing()
        for _ in range(5):
            for port in (late, other):
                self.types(port, b'x')
                self.console.output(b'x\x1b[6n')
        late.got.clear()
        writes: list[bytes] = []
        late.write = writes.append      # type: ignore[method-assign]
        late.client.resume_writing()
        self.assertEqual([b'x\x1b[6nx' * 5], writes)

    def test_a_person_answers_before_anybody_has_typed(self) -> None:
        logger, person = self.attach(is_person=False), self.attach()
        self.console.output(b'\x1b[6n')
        self.assertEqual([b'', b'\x1b[6n'], [logger.got, person.got])

    def test_all_that_was_asked_for_is_gone(self) -> None:
        """`scrollback` with a terminal, and nobody else there."""
        self.console.configure(20000, 2000)
        self.console.output(b'old\n' * 5000)
        port, finished = console_case.Port(100), []
        port.client = self.console.attach(
            port, 'client', stream.TerminalStream(),
            finished=lambda: finished.append(True))
        port.client.resume_writing()
        self.console.output(b'new\n' * 20000)
        port.more(1 << 20)
        self.assertNotIn(b'new', port.got)
        self.assertIn('are missing here', port.told[0])
        self.assertEqual([True], finished[:1])

    def test_a_query_that_began_before(self) -> None:
        self.console.output(b'a\x1b[6')
        port = self.attach()
        self.assertEqual(b'a', port.got)
        self.console.output(b'n')
        self.assertEqual(b'a\x1b[6n', port.got)

    def test_output_that_is_missing(self) -> None:
        """It may be the end of a control function."""
        first, second = self.attach(), self.attach()
        for begin in (b'\x1b]0;ti', b'\x1b[1;'):
            self.console.output(begin)
            self.console.cut()
            for port in (first, second):
                port.got.clear()
            self.console.tell_all('lost')
            self.assertEqual('lost', first.told.pop())
            self.console.output(b'login: ')
            self.assertEqual([b'login: '] * 2, [first.got, second.got])
        self.console.output(b'\x1b]0;ti')
        first.got.clear()
        self.console.cut()
        self.assertEqual(b'\x18', first.got)

    def test_scrollback_begins_with_a_line(self) -> None:
        self.console.output(b'x' * 2000 + b'\n' + b'y' * 998)
        self.assertEqual(b'y' * 998, self.attach().got)
        self.console.output('\u65e5'.encode() * 1000)
        self.assertEqual('\u65e5' * 333, self.attach().got.decode())

    def test_a_notice_waits_for_a_character(self) -> None:
        port, pipe = self.attach(), self.attach(terminal=False)
        self.console.output(b'\xc3')
        self.console.tell_all('lost')
        self.assertEqual([[], ['lost']], [port.told, pipe.told])
        self.console.output(b'\xa4')
        self.assertEqual(['lost'], port.told)
        self.console.output(b'\xc3')
        self.console.tell_all('again')
        self.console.tick(1.0)
        self.console.tick(2.0)
        self.assertEqual(['lost', 'again'], port.told)

    def test_keys_for_an_instance_that_is_off(self) -> None:
        port, pipe = self.attach(), self.attach(terminal=False)
        for state in ('off', 'paused', 'crashed'):
            self.state(state)
            for each in (port, pipe):
                each.told.clear()
                self.types(each, b'hello?')
                self.types(each, b'reboot\r')
                text, = each.told
                self.assertIn(state, text)
                self.assertIn('not sent', text)
        self.assertEqual([], self.line.sent)
        self.console.tick(6.0)
        self.types(port, b'x')
        self.assertEqual(2, len(port.told))
        for state in ('running', 'rebooting', 'migrating'):
            self.state(state)
            self.types(port, b'x')
        self.instance.forget()
        self.types(port, b'y')
        self.assertEqual([b'x'] * 3 + [b'y'], self.line.sent)

    def test_what_waits_when_it_goes_off_is_for_nobody(self) -> None:
        port = self.attach()
        self.line.room = 0
        self.types(port, b'x' * (input_queue.INPUT_LIMIT + 1))
        self.assertFalse(port.reading)
        self.state('off')
        self.assertTrue(port.reading)
        self.assertIn('not sent', port.told[0])
        self.line.room = 100
        self.state('running')
        self.console.flush_input()
        self.assertEqual([], self.line.sent)

    def test_what_waits_when_it_boots_anew_is_for_nobody(self) -> None:
        one, other, silent = (self.attach(), self.attach(terminal=False),
                              self.attach())
        self.line.room = 3
        self.types(one, b'hello')
        self.types(other, bytes(input_queue.INPUT_LIMIT + 1))
        self.assertFalse(other.reading)
        self.console.drop_input()
        self.assertEqual(
            ([notices.TYPED_BEFORE], [notices.TYPED_BEFORE], [], True),
            (one.told, other.told, silent.told, other.reading))
        self.line.room = 100
        self.types(one, b'root')
        self.assertEqual([b'hel', b'root'], self.line.sent)

    def test_where_the_host_before_was_lost(self) -> None:
        """It is the first line, as long as the first output is there."""
        self.console.configure(1000, 2000, evacuated_at=1796029261)
        self.console.output(b'SeaBIOS\r\n')
        said = notices.of_evacuation(1796029261)
        self.assertIn('on 2026-11-30 09:01 UTC', said)
        person, raw = self.attach(), self.attach(is_person=False)
        self.assertEqual(([said], []), (person.told, raw.told))
        self.console.output(b'x' * 2000 + b'\r\nlogin: ')
        self.assertEqual([], self.attach().told)
        self.console.configure(1000, 2000)

    def test_persons_are_told_what_it_does(self) -> None:
        person, raw = self.attach(), self.attach(is_person=False)
        self.state('running')
        self.assertEqual([], person.told)
        for state in ('off', 'running', 'migrating'):
            self.state(state)
        self.instance.forget()      # it has arrived
        self.state('running')
        self.assertEqual([
            'the instance is off', 'the instance is on',
            'the instance is migrating to another host',
            'the migration is over'], person.told)
        self.state('paused')
        self.assertEqual(['the instance is paused'], self.attach().told)
        self.assertEqual([], raw.told)

    def test_a_full_screen_program_is_not_drawn_over(self) -> None:
        person = self.attach()
        self.console.output(b'\x1b[?1049h')
        self.state('running')
        self.state('migrating')
        self.state('running')
        self.assertEqual([], person.told)
        self.state('off')
        self.assertEqual(['the instance is off'], person.told)

    def test_a_client_that_misses_the_end_of_a_title(self) -> None:
        port = self.attach()
        self.console.output(b'\x1b]0;ti')
        assert port.client is not None
        port.client.pause_writing()
        self.console.output(b'a' * 65536)
        self.console.tick(1.0)
        self.console.tick(3.1)
        self.console.output(b'b' * 2000)
        port.got.clear()
        port.client.resume_writing()
        self.assertEqual(b'\x18' + b'b' * 1000, port.got)
        self.assertIn('are missing here', port.told[0])
