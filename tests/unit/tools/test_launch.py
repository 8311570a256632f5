# SPDX-License-Identifier: Apache-2.0
"""How a command begins, and how it ends."""

import io
import os
import pathlib
import signal
import tempfile
import unittest
from unittest import mock

from tests.unit import tools  # noqa: F401  (finds the imports below)
from laboratory import launch
from laboratory.progress import Failure


class RunTest(unittest.TestCase):

    def run_with(self, action, *words):
        with mock.patch('sys.stderr', io.StringIO()) as said:
            status = launch.run('soak', action, *words)
        return status, said.getvalue()

    def test_what_the_action_returns(self):
        self.assertEqual((7, ''), self.run_with(lambda: 7))

    def test_a_failure(self):
        def fail():
            raise Failure('a step', 'no disk')
        self.assertEqual((1, 'soak: a step: no disk\n'), self.run_with(fail))

    def test_an_interruption(self):
        def interrupted():
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        self.assertEqual((130, 'soak: interrupted; look\n'),
                         self.run_with(interrupted, '; look'))
        # Once it is over, the signal means what it did before.
        self.assertIsNot(signal.default_int_handler,
                         signal.getsignal(signal.SIGTERM))

    def test_a_mistake_is_not_hidden(self):
        self.assertRaises(ZeroDivisionError, launch.run, 'soak',
                          lambda: 1 // 0)


class PreparedTest(unittest.TestCase):

    def setUp(self):
        super().setUp()
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.folder = pathlib.Path(folder)
        self.enterContext(mock.patch.dict(os.environ, DMORE_STATE=folder))
        os.environ.pop('DMORE_VENV', None)
        self.setup = self.enterContext(mock.patch.object(
            launch.prepare, 'Setup')).return_value
        self.become = self.enterContext(mock.patch('os.execvpe'))
        self.enterContext(mock.patch('os.geteuid', return_value=0))

    def test_set_up_first(self):
        self.setup.everything.side_effect = Failure('Debian packages', 'no')
        self.assertRaises(Failure, launch.prepared, 'bench', ['console'])
        self.become.assert_not_called()

    def test_becomes_what_measures(self):
        launch.prepared('bench', ['console', '--runs', '2'],
                        around=['unshare', '--net', '--'])
        (program, words, environment), _ = self.become.call_args
        self.assertEqual('unshare', program)
        self.assertEqual([
            'unshare', '--net', '--', f'{self.folder}/venv/bin/python', '-m',
            'laboratory.bench.inside', 'console', '--runs', '2'], words)
        self.assertEqual(str(tools.TOOLS), environment['PYTHONPATH'])

    def test_a_file_that_cannot_be_written_is_found_before(self):
        with self.assertRaisesRegex(Failure, '--json: '):
            launch.prepared('demo', [], self.folder / 'none' / 'x.json')
        self.setup.everything.assert_not_called()

    def test_what_a_file_holds_is_still_there_to_be_compared_with(self):
        path = self.folder / 'x.json'
        path.write_text('{}')
        launch.prepared('demo', [], path)
        self.assertEqual('{}', path.read_text())
