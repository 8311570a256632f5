# SPDX-License-Identifier: Apache-2.0
"""What the clients are tried with, and what is told of it."""

import dataclasses
import os
import pty
import subprocess
import unittest
from unittest import mock

# For the path that it sets.
from tests.unit import tools  # noqa: F401
try:
    from laboratory.clients import cases
except ModuleNotFoundError as error:
    if error.name not in ('selenium', 'vncdotool', 'service_identity'):
        raise
    raise unittest.SkipTest('needs the packages of a test cloud') from error
from laboratory.clients import cli
from laboratory.clients import report
from laboratory.clients.report import Result
from laboratory.clients.report import Row
from laboratory.clients import scene
from laboratory.clients import shell
from laboratory.progress import Failure


class Terminal:
    """A real shell at a real terminal, in place of a guest's."""

    def __init__(self, prompt='guest:~# '):
        self._file, other = pty.openpty()
        self._process = subprocess.Popen(
            ['sh', '-i'], stdin=other, stdout=other, stderr=other,
            start_new_session=True,
            env={'PATH': os.environ['PATH'], 'PS1': prompt, 'ENV': ''})
        os.close(other)

    def receive(self):
        return os.read(self._file, 4096)

    def send(self, data):
        os.write(self._file, data)

    def close(self):
        self._process.kill()
        self._process.wait()


class ShellTest(unittest.TestCase):

    def shell(self, **other):
        terminal = Terminal(**other)
        self.addCleanup(terminal.close)
        return shell.Shell(terminal)

    def test_what_a_command_prints(self):
        guest = self.shell()
        self.assertEqual('a\r\nb', guest.run('echo a; echo b'))
        self.assertEqual('', guest.run('true'))
        self.assertTrue(guest.connected)

    def test_what_the_console_says_is_not_printed_by_a_command(self):
        notice = '[nova-dmore: the migration has ended]'
        self.assertEqual(
            '68656c6c6f\r\n21', self.shell().run(
                f"printf '68656c6c6f\\n{notice}\\n21\\n'"))

    def test_no_shell(self):
        with mock.patch.multiple(shell, _PROMPT_S=0.2, _ENTER_S=0.1):
            with self.assertRaisesRegex(Failure, 'does not answer'):
                self.shell(prompt='other# ')

    def test_the_session_ends(self):
        guest = self.shell()
        with self.assertRaisesRegex(Failure, 'does not end'):
            guest.run('exec true')
        self.assertFalse(guest.connected)


class SceneTest(unittest.TestCase):

    def test_what_is_not_so_in_time(self):
        made = scene.Scene(None, False)
        made.expect(lambda: 'a', 'a', '')
        with mock.patch.object(scene, '_SETTLE_S', 0):
            with self.assertRaisesRegex(scene.Wrong, "oh: 'b' for 'a'"):
                made.expect(lambda: 'b', 'a', 'oh')

    def test_a_migration_is_part_of_it_or_not(self):
        subject = mock.Mock()
        for moves in (False, True):
            made = scene.Scene(subject, moves)
            with made.moving() as going:
                self.assertIs(moves, going)
            made.move()
        self.assertEqual(2, subject.migrate.call_count)

    def test_a_session_that_it_ends(self):
        made = scene.Scene(mock.Mock(), True)
        with mock.patch.object(made, '_users', [
                mock.Mock(connected=False)]):
            self.assertRaises(scene.Wrong, made.move)


class CasesTest(unittest.TestCase):

    def test_each_is_there_once(self):
        named = [(case.client, case.name) for case in cases.every()]
        self.assertEqual(len(set(named)), len(named))
        self.assertEqual(9, len({client for client, _name in named}))


class ReportTest(unittest.TestCase):

    ROW = Row('TigerVNC', 'Caps Lock', {
        'stock': Result(report.FAILS, 'other keys'),
        'dmore': Result(report.OK),
        'dmore_migrated': Result(report.NOT_APPLICABLE, 'no reason')})

    def test_json(self):
        self.assertEqual(
            {'client': 'TigerVNC', 'case': 'Caps Lock', 'stock': 'fails',
             'dmore': 'ok', 'dmore_migrated': 'n/a', 'reasons': {
                 'stock': 'other keys', 'dmore_migrated': 'no reason'}},
            self.ROW.as_json())

    def test_table(self):
        self.assertIn('TigerVNC, Caps Lock, stock: other keys',
                      report.table([self.ROW]))

    def test_page(self):
        row = dataclasses.replace(self.ROW, results={
            **self.ROW.results, 'stock': Result(report.FAILS, 'keys: a, b')})
        self.assertEqual(
            '   * - TigerVNC\n     - Caps Lock\n     - fails: keys\n'
            '     - ok\n     - n/a: no reason\n',
            report.page([row]).partition('moves\n')[2])

    def test_line(self):
        self.assertEqual(
            'stock fails (other keys), dmore ok, dmore_migrated n/a',
            report.line(self.ROW))

    def test_a_fault_of_stock_is_none_of_ours(self):
        self.assertEqual((1, 0), report.counted([self.ROW]))

    def test_words(self):
        options = cli.parser().parse_args(['--only', 'Tiger.*lock'])
        self.assertTrue(options.only.search('TigerVNC: Caps lock'))
