# SPDX-License-Identifier: Apache-2.0
"""What the fuzzer's programs do with what they find."""

import io
import pathlib
import sys
import tempfile
import types
import unittest
from unittest import mock

from tests.unit import fuzz  # noqa: F401  (for the path that it sets)
from laboratory.fuzz import again
from laboratory.fuzz import cli
from laboratory.fuzz import fuzzer
from laboratory.fuzz import minimise
from laboratory.fuzz import oracle
from laboratory.fuzz import parts
from laboratory.fuzz import reader
from laboratory.progress import Failure
from laboratory.progress import Progress
from nova_dmore.link import messages

#: A libFuzzer that finds something as long as there is a file that says so.
_FAKE = '''
import pathlib, sys
flags = [each for each in sys.argv if each.startswith('-')]
prefix = [each for each in flags if 'artifact_prefix' in each][0]
finds = pathlib.Path({todo!r})
print('#4\\tINITED cov: 10 ft: 9 corp: 2/9b exec/s: 0', file=sys.stderr)
print('#900\\tNEW    cov: 30 ft: 99 corp: 7/90b exec/s: 9', file=sys.stderr)
left = finds.read_text().split()
if left:
    finds.write_text(' '.join(left[1:]))
    path = pathlib.Path(prefix.partition('=')[2] + 'crash-' + str(len(left)))
    path.write_bytes(b'x')
    print(' === Uncaught Python exception: ===')
    print('IndexError: \\x1b7')
    print('Traceback (most recent call last):')
    print(f'  File "{here}/nova_dmore/a.py", line ' + left[0]
          + ', in run')
    print('==9== ERROR: libFuzzer: fuzz target exited', file=sys.stderr)
    print(f'Test unit written to {{path}}', file=sys.stderr)
    sys.exit(77)
print('#1000\\tDONE   cov: 31 ft: 99 corp: 8/90b exec/s: 9', file=sys.stderr)
'''


class FuzzerTest(unittest.TestCase):

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        (self.part,) = parts.chosen('control/lines')

    def run_fuzzer(self, *finds: int) -> fuzzer.Result:
        todo = self.folder / 'todo'
        todo.write_text(' '.join(map(str, finds)))
        return fuzzer.fuzz(
            self.part, [sys.executable, '-c', _FAKE.format(
                todo=str(todo), here=parts.REPOSITORY)], 30, 7,
            self.folder / 'corpus', self.folder / 'finds',
            Progress(quiet=True), {})

    def test_nothing_is_found(self) -> None:
        result = self.run_fuzzer()
        self.assertEqual('control/lines: 1000 executions, coverage 31, 8 '
                         'inputs, 0 finds', str(result))

    def test_each_place_is_found_once(self) -> None:
        result = self.run_fuzzer(3, 3, 8, 3)
        self.assertEqual(4 * 900 + 1000, result.executions)
        self.assertEqual(
            ["IndexError: \\x1b7 (nova_dmore/a.py:3 run)",
             "IndexError: \\x1b7 (nova_dmore/a.py:8 run)"],
            [each.text for each in result.finds])
        for find in result.finds:
            self.assertEqual(b'x', find.file.read_bytes())
            self.assertIs(self.part, parts.of_file(find.file, parts.PARTS))
        self.assertEqual(2, len(list(
            (self.folder / 'finds').glob('*crash*'))))

    def test_a_fuzzer_that_does_not_run(self) -> None:
        with self.assertRaisesRegex(Failure, 'ended with 3'):
            fuzzer.fuzz(self.part, [sys.executable, '-c', 'exit(3)'], 9, 1,
                        self.folder, self.folder, Progress(quiet=True), {})


class InputsTest(unittest.TestCase):

    def test_requests_to_the_host_service_are_as_long_as_they_may_be(self):
        (part,) = parts.chosen('control/hostd')
        self.assertEqual(messages.MESSAGE_MAX, parts.MESSAGE_MAX)
        self.assertLess(messages.MESSAGE_MAX, part.length)

    def test_a_finding_is_not_swallowed(self) -> None:
        (part,) = parts.chosen('control/lines')
        failing = types.SimpleNamespace(
            run=mock.Mock(side_effect=[None, IndexError('no')]))
        with mock.patch.object(parts.Part, 'module', lambda self: failing):
            with self.assertRaises(IndexError) as raised:
                again.run_all(part, [('a', b''), ('b', b''), ('c', b'')])
        self.assertEqual(['control/lines: b'], raised.exception.__notes__)

    def test_an_endless_input_is_a_finding(self) -> None:
        def run(data: bytes) -> None:
            while True:
                pass
        (part,) = parts.chosen('control/lines')
        with (mock.patch.object(parts.Part, 'module',
                                lambda self: types.SimpleNamespace(run=run)),
              mock.patch.object(again, 'LIMIT_S', 1)):
            self.assertRaises(again.TooLong, again.run_all, part,
                              [('a', b'')])

    def test_errors(self) -> None:
        oracle.check_error(ValueError('x' * 999))
        for bad in ('\x1b[2J', 'x' * 1000):
            self.assertRaises(oracle.Finding, oracle.check_error,
                              ValueError(bad))
        self.assertRaises(oracle.Finding, oracle.check_error,
                          ValueError('long'), 3)

    def test_a_value_of_json(self) -> None:
        good = {'a': 1}
        self.assertEqual([2], reader.Reader(b'\0[2]').json(good))
        self.assertRaises(ValueError, reader.Reader(b'\0[').json, good)
        # No place is changed.
        self.assertEqual(good, reader.Reader(b'\1\0').json(good))

    def test_steps_end_with_the_input(self) -> None:
        taken = reader.Reader(b'abc')
        self.assertEqual(3, sum(1 for _ in taken.steps(9) if taken.byte()))
        self.assertEqual(2, len(list(reader.Reader(b'abc').steps(2))))

    def test_logs(self) -> None:
        def run(data: bytes) -> None:
            oracle.logging.getLogger('x').warning('a guest says %s',
                                                  data.decode())
        (part,) = parts.chosen('control/lines')
        with mock.patch.object(parts.Part, 'module',
                               lambda self: types.SimpleNamespace(run=run)):
            again.run_all(part, [('a', b'good')])
            for bad in (b'\x1b[2J', b'two\nlines', b'x' * 9000):
                self.assertRaises(oracle.Finding, again.run_all, part,
                                  [('a', bad)])

    def test_a_corpus_is_made_small(self) -> None:
        def run(data: bytes) -> None:
            if data[:1] == b'a':
                len(data)
            if len(data) > 3:
                len(data)
        module = types.SimpleNamespace(run=run, SEEDS=[b''])
        with (tempfile.TemporaryDirectory() as folder,
              mock.patch.object(parts.Part, 'module', lambda self: module),
              mock.patch.object(parts.Part, 'corpus',
                                pathlib.Path(folder) / 'none')):
            for number, data in enumerate(
                    (b'a', b'ab', b'b', b'bbbb', b'bbbbb', b'aaaa')):
                (pathlib.Path(folder) / str(number)).write_bytes(data)
            self.assertEqual([b'a', b'aaaa'], minimise.chosen(
                parts.Part('x/y', watched=('tests/unit',)),
                pathlib.Path(folder)))

    def test_any_bytes_make_a_value(self) -> None:
        for number in range(200):
            data = bytes((number * each) & 0xff for each in range(60))
            taken = reader.Reader(data)
            while not taken.done:
                self.assertLess(taken.word((5, 0)), 1 << 64)
                taken.changed({'a': [1, {'b': taken.value()}]})
                self.assertIn(taken.number(300), range(301))


class CommandTest(unittest.TestCase):

    def run_command(self, *arguments: str) -> tuple[int, str]:
        with (mock.patch('sys.stderr', io.StringIO()) as stderr,
              mock.patch.object(cli, 'Progress', lambda: Progress(True))):
            return cli.main(list(arguments)), stderr.getvalue()

    def test_an_unknown_target(self) -> None:
        status, said = self.run_command('no/such')
        self.assertEqual(2, status)
        self.assertIn('no target no/such', said)

    def test_help_names_each_part(self) -> None:
        text = cli.parser().format_help()
        for part in parts.PARTS:
            self.assertIn(part.name, text)
            self.assertTrue(part.summary.endswith('.'), part)

    def test_a_file_of_no_part(self) -> None:
        status, said = self.run_command('all', '--reproduce', '/tmp/x')
        self.assertEqual(1, status)
        self.assertIn('which part', said)
