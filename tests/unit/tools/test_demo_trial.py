# SPDX-License-Identifier: Apache-2.0
"""How a migration is measured, without a cloud."""

import io
import pathlib
import tempfile
import unittest
from unittest import mock

from tests.unit import tools  # noqa: F401  (finds the imports below)
from laboratory.demo import cli
from laboratory.users import client
from laboratory.cloud import clouds
from laboratory.users import entries
from laboratory.cloud import machines
from laboratory.users import subject
from laboratory.users import transcript
from laboratory.users import trial
from laboratory.users import typist
from laboratory import launch
from laboratory import layout
from laboratory import progress


def make_ledger(foreign: int = 0, **counts: int) -> dict:
    nothing = dict.fromkeys(('received', 'duplicated', 'reordered', 'foreign'),
                            0)
    return {'foreign': foreign, 'typists': [{**nothing, **counts}, nothing]}


def make_mark(ledger: dict, sent: int, unsent: int = 0, **tally
              ) -> subject.Mark:
    values = {'disconnects': 0, 'break_s': 0.0, 'missing': 0, 'duplicated': 0}
    return subject.Mark({'serial': ledger}, {'serial': typist.Tally(
        sent, unsent, **{**values, **tally})})


def user(before: subject.Mark, after: subject.Mark) -> entries.User:
    return trial.user_between(0, before, after, 'serial',
                              after.tallies['serial'],
                              12.34, 5)


class MarkTest(unittest.TestCase):

    def make(self, *ledgers: transcript.Ledger | None
             ) -> tuple[subject.Subject, mock.Mock]:
        made = subject.Subject(subject.STOCK, *[mock.Mock()] * 4)
        user_ = made.clients['serial'] = mock.Mock()
        user_.wait_ledger.side_effect = ledgers
        return made, user_

    def test_a_ledger_that_is_lost_is_asked_for_again(self):
        told = transcript.Ledger({'lines': 3}, 0, 0)
        made, user_ = self.make(None, told)
        self.assertEqual({'serial': told.content}, made.mark().ledgers)
        self.assertEqual([mock.call(b'\5')] * 2, user_.write.mock_calls)
        user_.tally.assert_called_once_with(told)

    def test_who_has_no_console_is_not_asked(self):
        told = transcript.Ledger({'lines': 3}, 0, 0)
        made, user_ = self.make()
        other = made.clients['ssh'] = mock.Mock()
        other.wait_ledger.return_value = told
        self.assertEqual({'ssh': told.content}, made.mark(['ssh']).ledgers)
        self.assertEqual([], user_.mock_calls)

    def test_a_guest_that_tells_none(self):
        made, user_ = self.make(None, None)
        self.assertIsNone(made.mark())
        user_.pause.assert_called_once_with()


class UserTest(unittest.TestCase):

    def test_what_is_new_since_the_mark_before(self):
        made = user(make_mark(make_ledger(received=100), 100),
                    make_mark(make_ledger(received=180), 180))
        self.assertEqual((80, 80, 0, 0), (made.sent, made.received, made.lost,
                                          made.faults()))
        self.assertEqual((12.3, 5), (made.max_response_ms,
                                     made.tcp_retransmits))

    def test_lost_keys_with_and_without_a_session(self):
        made = user(make_mark(make_ledger(received=90), 100, 10),
                    make_mark(make_ledger(received=140), 200, 57,
                              disconnects=1, break_s=2.349))
        self.assertEqual((100, 50, 50, 3, 1, 2.35), (
            made.sent, made.received, made.lost, made.silent,
            made.disconnects, made.break_s))

    def test_a_key_that_came_twice_hides_no_lost_one(self):
        made = user(make_mark(make_ledger(), 0),
                    make_mark(make_ledger(received=50, duplicated=1), 50))
        self.assertEqual((1, 1), (made.lost, made.duplicated))

    def test_bytes_that_nobody_typed(self):
        made = user(make_mark(make_ledger(foreign=1), 0),
                    make_mark(make_ledger(foreign=3, received=50), 50))
        self.assertEqual((0, 2), (made.lost, made.duplicated))

    def test_a_guest_that_cannot_be_asked(self):
        before = make_mark(make_ledger(), 0)
        made = trial.user_between(0, before, None, 'serial',
                           typist.Tally(30, 0, 0, 0.0, 0, 0), 1.0, 0)
        self.assertEqual((30, None), (made.sent, made.lost))


class FakeSubject:
    """Its migrations end as they are told; see RunnerTest."""

    made: list['FakeSubject'] = []

    def __init__(self, *_arguments) -> None:
        self.closed = False
        FakeSubject.made.append(self)

    def start(self, host: str) -> None:
        self.host = host

    def mark(self) -> subject.Mark:
        return make_mark(make_ledger(), 0)

    def close(self) -> None:
        self.closed = True


class RunnerTest(unittest.TestCase):

    def run_with(self, corrupted: list[bool], count: int
                 ) -> list[entries.Entry]:
        FakeSubject.made = []
        fates = iter(corrupted)

        def migrate(_trial, of, before, source, destination):
            sign = 'BUG: x' if next(fates) else None
            return (entries.Entry(source, destination, {}, 1.0, 1.0,
                                  corrupted=sign), before)

        place = mock.Mock()
        runner = trial.Runner(mock.Mock(), place, pathlib.Path('/'),
                              progress.Progress(quiet=True))
        runner._migrate = migrate
        with mock.patch.object(trial, 'Subject', FakeSubject):
            made = list(runner.run(subject.STOCK, count))
        self.assertTrue(all(one.closed for one in FakeSubject.made))
        return made

    def test_there_and_back_with_one_instance(self):
        made = self.run_with([False] * 4, 4)
        self.assertEqual(['c1', 'c2', 'c1', 'c2'],
                         [entry.source for entry in made])
        self.assertEqual(1, len(FakeSubject.made))

    def test_a_corrupted_one_is_repeated_with_another_instance(self):
        made = self.run_with([False, True, False], 2)
        self.assertEqual([None, 'BUG: x', None],
                         [entry.corrupted for entry in made])
        self.assertEqual(2, len(FakeSubject.made))
        self.assertEqual('c1', made[2].source)

    def test_too_many_corrupted_ones_end_it(self):
        made = self.run_with([True] * 9, 2)
        self.assertEqual(2, len(made))


class MeasuredTest(unittest.TestCase):
    """One migration, from 12 s to 20 s by the clock."""

    def measure(self, what: subject.Trial, user_: mock.Mock, kind: str
                ) -> entries.Entry:
        before = make_mark(make_ledger(), 0)
        after = make_mark(make_ledger(received=9), 9)
        for one in (before, after):
            one.ledgers[kind] = one.ledgers['serial']
            one.tallies[kind] = one.tallies['serial']
        of = mock.Mock(clients={kind: user_}, server='id')
        of.mark.return_value = after
        of.retransmits.return_value = 0
        of.corrupted.return_value = None
        of.wrong_pixels.return_value = None
        cloud = mock.Mock()
        cloud.migrate.return_value = 8.0

        def sleep(_seconds: float) -> None:
            user_.received += 500

        with (mock.patch.object(trial, 'machines') as machines_,
                mock.patch.object(trial, 'GrowingLog') as log,
                mock.patch.object(trial, 'time') as time):
            machines_.KernelLogs.return_value.sign.return_value = None
            machines_.downtime_ms.return_value = 60.0
            log.return_value.grown.return_value = ''
            time.monotonic.side_effect = (10.0, 12.0, 20.0, 23.0)
            time.sleep.side_effect = sleep
            entry, _mark = trial.Runner(
                cloud, mock.Mock(), pathlib.Path('/'), mock.Mock())._migrate(
                    what, of, before, 'c1', 'c2')
        return entry

    def user(self) -> mock.Mock:
        made = mock.Mock(spec=client.Client, received=0)
        made.responses.return_value = [(11.0, 11.1), (19.0, 20.5),
                                       (21.0, 21.2)]
        return made

    def test_what_a_migration_delays_is_apart(self):
        entry = self.measure(subject.DMORE, self.user(), 'ssh')
        measured = entry.users['ssh']
        self.assertEqual((1500.0, 1500.0, 1), (
            measured.max_response_ms, measured.responses['max'],
            len(set(measured.responses.values()))))
        self.assertEqual((100.0, 200.0), (measured.echoes['p50'],
                                          measured.echoes['max']))
        # 500 bytes in two seconds before it, as many in three after it.
        self.assertEqual(200.0, entry.output_bytes_per_s)

    def test_the_stock_consoles_begin_again_with_old_output(self):
        entry = self.measure(subject.STOCK, self.user(), 'serial')
        self.assertIsNone(entry.output_bytes_per_s)
        self.assertEqual(200.0, entry.users['serial'].echoes['max'])


class GrowingLogTest(unittest.TestCase):

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name) / 'log'

    def test_what_grew(self):
        self.path.write_text('old\n')
        log = machines.GrowingLog(self.path)
        with self.path.open('a') as stream:
            stream.write('new\n')
        self.assertEqual('new\n', log.grown())

    def test_a_file_that_is_not_there_yet(self):
        log = machines.GrowingLog(self.path)
        self.assertEqual('', log.grown())
        self.path.write_text('new\n')
        self.assertEqual('new\n', log.grown())

    def test_a_file_that_was_made_anew(self):
        self.path.write_text('a long old text\n')
        log = machines.GrowingLog(self.path)
        self.path.write_text('new\n')
        self.assertEqual('new\n', log.grown())


class CommandLineTest(unittest.TestCase):

    def test_a_number_of_migrations(self):
        parse = cli.parser().parse_args
        self.assertEqual((2, None, False),
                         (parse([]).migrations, parse([]).json,
                          parse([]).block))
        for wrong in ('0', '-1', 'two'):
            with mock.patch('sys.stderr'):
                self.assertRaises(SystemExit, parse, ['--migrations', wrong])
                self.assertRaises(SystemExit, parse, ['--load', wrong])
        self.assertEqual((0, 3), (parse([]).load, parse(['--load', '3']).load))

    def test_an_earlier_run(self):
        parse = cli.parser().parse_args
        with tempfile.NamedTemporaryFile('w') as file:
            for content, rate in (
                    ('{"dmore": {"output_bytes_per_s": [5, null, 7]}}', 6),
                    ('{"dmore": {}}', None), ('[]', None), ('', None)):
                file.seek(0)
                file.truncate()
                file.write(content)
                file.flush()
                words = ['--before', file.name]
                if rate is not None:
                    self.assertEqual(rate, parse(words).before)
                    continue
                with mock.patch('sys.stderr', io.StringIO()) as said:
                    self.assertRaises(SystemExit, parse, words)
                self.assertIn('argument --before: ', said.getvalue())

    def test_a_file_that_cannot_be_written(self):
        path = pathlib.Path('/nonexistent/demo.json')
        with self.assertRaisesRegex(progress.Failure, '--json: .*demo.json'):
            launch.write(path, '')

    @mock.patch('os.geteuid', return_value=0)
    def test_one_at_a_time(self, _root):
        with tempfile.TemporaryDirectory() as folder:
            place = layout.Layout(pathlib.Path(folder) / 'state')
            with clouds.alone(place):
                with self.assertRaisesRegex(progress.Failure, 'another one'):
                    with clouds.alone(place):
                        self.fail('two at once')
            with clouds.alone(place):
                pass

    @mock.patch('os.geteuid', return_value=1000)
    def test_not_without_root(self, _user):
        with self.assertRaisesRegex(progress.Failure, 'root'):
            with clouds.alone(layout.Layout(pathlib.Path('/nonexistent'))):
                self.fail('it began')
