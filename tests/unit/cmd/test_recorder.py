# SPDX-License-Identifier: Apache-2.0
"""``nova-dmore-recorder`` and ``nova-dmore-manage recording``, as programs,
with real processes of a pair."""

import contextlib
import io
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
from unittest import mock

from oslotest import base

from nova_dmore.channel.host import journal
from nova_dmore.channel.host import tail
from nova_dmore.cmd import manage
from nova_dmore.cmd.manage import output
from nova_dmore.posix import locks
from nova_dmore.recorder import export
from nova_dmore.recorder import files
from nova_dmore.recorder import pair as pair_module
from nova_dmore.recorder import recorder
from nova_dmore import wire
from tests.unit.worker import fakes

_ROOT = pathlib.Path(__file__).parents[3]
_OTHER = '9b0b0c52-59c1-4b0e-8f58-0a5a4c3d2b10'
_WAIT_S = 60
#: A journal, say, has what nobody expected.
_FAILS = '''
import sys
from nova_dmore.cmd import recorder as command
from nova_dmore.recorder import recorder
def fails(self):
    raise ValueError('x' * 99999 + ' oh\\n\\x1b[2J')
recorder.Recorder.turn = fails
sys.exit(command.main())
'''
_ENVIRONMENT = {**os.environ, 'PYTHONPATH': f'{_ROOT}:' + os.environ.get(
    'PYTHONPATH', '')}


class CrashTest(base.BaseTestCase):

    def test_what_nobody_expected_ends_it(self):
        with tempfile.TemporaryDirectory() as folder:
            conf = os.path.join(folder, 'recorder.conf')
            with open(conf, 'w') as file:
                file.write(f'[recorder]\nrun_dir = {folder}\n'
                           f'directory = {folder}/recordings\n')
            done = subprocess.run(
                [sys.executable, '-c', _FAILS, '--config-file', conf],
                capture_output=True, text=True, timeout=_WAIT_S,
                env=_ENVIRONMENT)
        self.assertEqual(1, done.returncode, done.stderr)
        self.assertIn('This was not expected', done.stderr)
        # The end of the traceback is there, on lines of its own, and escaped.
        self.assertIn('xxx oh\n\\x1b[2J\n', done.stderr)
        self.assertLess(len(done.stderr), 20000)


class ProgramTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.pair = fakes.Pair(self)
        self.instance = self.pair.instance()
        self.domain_r = self.pair.domain_r()
        self.pair.live()
        self.pair.client.configure({'recorded': True})
        self.domain_r.says({'type': wire.SERVING, 'tells_recording': 1})
        self.directory = pathlib.Path(self.pair.folder, 'recordings')
        self.conf = os.path.join(self.pair.folder, 'recorder.conf')
        self._configure()

    def _configure(self, **changes):
        given = {'run_dir': self.pair.hostd.run_dir,
                 'directory': self.directory, **changes}
        with open(self.conf, 'w') as file:
            file.write('[recorder]\n' + ''.join(
                f'{name} = {value}\n' for name, value in given.items()))

    def _start(self):
        process = subprocess.Popen(
            [sys.executable, '-c', 'import sys; from nova_dmore.cmd '
             'import recorder; sys.exit(recorder.main())',
             '--config-file', self.conf], stderr=subprocess.PIPE, text=True,
            env=_ENVIRONMENT)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def _end(self, process):
        process.send_signal(signal.SIGTERM)
        self.assertEqual(0, process.wait(_WAIT_S))

    def _recorded(self):
        return b''.join(
            event.data
            for path in files.casts(self.directory / self.pair.uuid)
            if path.stat().st_size      # it has been begun
            for event in export.read(path).events if event.data)

    def _prints(self, data, expected):
        self.instance.prints(data)
        fakes.wait_for(lambda: self._recorded() == expected, _WAIT_S)

    def _manage(self, *arguments):
        """Status, output, errors."""
        printed, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(printed), \
                contextlib.redirect_stderr(errors):
            status = manage.main(['recording', '--recorder-config', self.conf,
                                  *arguments])
        return status, printed.getvalue(), errors.getvalue()

    def test_it_records_and_goes_on(self):
        process = self._start()
        self._prints(b'login: ', b'login: ')
        self._end(process)
        self.assertEqual(0o700, self.directory.stat().st_mode & 0o777)
        self.instance.prints(b'one\r\n')
        fakes.wait_for(lambda: self.domain_r.output.endswith(b'one\r\n'))
        process = self._start()
        self._prints(b'two\r\n', b'login: one\r\ntwo\r\n')
        process.kill()
        process.wait()
        process = self._start()
        self._prints(b'three', b'login: one\r\ntwo\r\nthree')
        self._end(process)
        status, printed, _ = self._manage('list', '--json')
        self.assertEqual(output.Status.DONE, status)
        (row,) = json.loads(printed)
        self.assertEqual((self.pair.uuid, 0, 22), (
            row['instance_uuid'], row['offset'], row['bytes']))
        status, printed, _ = self._manage('export', self.pair.uuid)
        self.assertEqual(output.Status.DONE, status)
        lines = [json.loads(line) for line in printed.splitlines()]
        self.assertEqual(2, lines[0]['version'])
        self.assertEqual('login: one\r\ntwo\r\nthree', ''.join(
            line[2] for line in lines[1:] if line[1] == 'o'))
        # It is here: nothing is removed, whatever is asked for.
        self.assertEqual('[]', self._manage(
            'prune', '--days', '0', '--json')[1].strip())

    def test_what_is_here_no_more_is_removed(self):
        made = files.Files(self.directory_of(_OTHER), 1 << 20, 'there')
        made.append(0, b'x', 1)
        made.close()
        # One that has just been begun.
        (self.directory / _OTHER / '20990101T000000.000Z.cast').touch()
        self.assertIn(_OTHER, self._manage('list', _OTHER)[1])
        self.assertEqual('[]', self._manage('prune', '--json')[1].strip())
        os.utime(self.directory / _OTHER / 'state.json', (0, 0))
        for path in files.casts(self.directory / _OTHER):
            os.utime(path, (0, 0))
        status, printed, _ = self._manage('prune', '--json')
        self.assertEqual((output.Status.DONE, [{'instance_uuid': _OTHER}]),
                         (status, json.loads(printed)))
        self.assertFalse((self.directory / _OTHER).exists())

    def directory_of(self, uuid):
        self.directory.mkdir(exist_ok=True)
        return self.directory / uuid

    def test_export_of_several_hosts(self):
        folder = pathlib.Path(self.pair.folder, 'elsewhere')
        folder.mkdir()
        for where, offset, data in ((self.directory_of(_OTHER), 0, b'one'),
                                    (folder / _OTHER, 3, b'two')):
            made = files.Files(where, 1 << 20, where.parent.name)
            made.append(offset, data, 3)
            made.close()
        (copied,) = files.casts(folder / _OTHER)
        status, printed, _ = self._manage('export', _OTHER, str(copied))
        self.assertEqual(output.Status.DONE, status)
        self.assertIn('"one"', printed)
        self.assertIn('"two"', printed)
        made = files.Files(folder / _OTHER, 1 << 20, 'x')
        made.append(9, b'three', 9)
        made.close()
        status, printed, _ = self._manage(
            'export', _OTHER, *map(str, files.casts(folder / _OTHER)))
        self.assertEqual(output.Status.INCOMPLETE, status)
        self.assertIn(files.missing(6, 9), printed)

    def test_errors(self):
        for arguments in (('export', _OTHER), ('list',), ('prune',)):
            status, _, errors = self._manage(*arguments)
            self.assertEqual(output.Status.ERROR, status)
            self.assertIn(str(self.directory) if arguments != (
                'export', _OTHER) else _OTHER, errors)
        self.assertIn('[recorder] directory', self._manage('list')[2])
        self._configure(run_dir='/nowhere')
        self.directory.mkdir(exist_ok=True)
        self.assertIn('[recorder] run_dir', self._manage('prune')[2])
        self._configure()
        self.directory.rmdir()
        made = files.Files(self.directory_of(_OTHER), 1 << 20, 'x')
        made.append(0, b'one', 3)
        made.close()
        status, _, errors = self._manage('export', self.pair.uuid, str(
            files.casts(self.directory / _OTHER)[0]))
        self.assertEqual(output.Status.ERROR, status)
        self.assertIn(f'is of {_OTHER}', errors)

    def test_what_cannot_be_recorded_into(self):
        self._configure(max_mib=0)
        process = self._start()
        self.assertEqual(1, process.wait(_WAIT_S))
        self.assertIn('max_mib', process.stderr.read())
        for option, value, to_do in (
                ('run_dir', '/nowhere', 'nova-dmore-hostd'),
                ('directory', '/nowhere/recordings', 'make it'),
                ('directory', self.conf, 'make it')):
            self._configure(**{option: value})
            process = self._start()
            self.assertEqual(1, process.wait(_WAIT_S))
            (line,) = process.stderr.read().splitlines()
            self.assertIn(f'[recorder] {option}: ', line)
            self.assertIn(str(value), line)
            self.assertIn(to_do, line)
        self._configure()
        lock = locks.acquire_as_recorder(self.pair.hostd.run_dir)
        self.addCleanup(os.close, lock)
        process = self._start()
        self.assertEqual(1, process.wait(_WAIT_S))
        self.assertIn('another recorder runs', process.stderr.read())

    def test_a_journal_of_another_version(self):
        fakes.wait_for(lambda: self.pair.client.status().recording)
        self.directory.mkdir()
        this = recorder.Recorder(recorder.Options(
            self.pair.hostd.run_dir, self.directory, 1 << 20, 0.0))
        self.addCleanup(this.close)
        with mock.patch.object(journal, '_VERSION', 99):
            for _ in range(3):
                this.turn()
        self.assertEqual([], files.casts(self.directory / self.pair.uuid))
        with mock.patch.object(recorder, '_BEGIN_AGAIN_S', 0), \
                mock.patch.object(recorder, '_SURVEY_S', 0):
            this._survey_at = this._known[self.pair.uuid].ask_at = 0
            self.instance.prints(b'x')

            def is_there():
                this.turn()
                return self._recorded() == b'x'
            fakes.wait_for(is_there, _WAIT_S)

    def test_nobody_but_the_keeper_is_believed(self):
        """QEMU's user may make files where a pair of 0.2 is to arrive."""
        keeper = self.pair.client.status().pid
        lock = locks.acquire_as_recorder(self.pair.hostd.run_dir)
        self.addCleanup(os.close, lock)
        memory, name = pair_module.map_journal(self.pair.directory, keeper)
        found = tail.Tail(memory)
        self.assertEqual(0, found.read_position().moved)
        found.close()
        memory.close()
        self.assertEqual(3, len(name.split(':')))
        self.assertRaises(OSError, pair_module.map_journal,
                          self.pair.directory, keeper + 1)
