# SPDX-License-Identifier: Apache-2.0
"""``nova-dmore-manage session``, with real processes of a pair."""

import contextlib
import fcntl
import io
import json
import os
import shutil
import signal
import threading
import time
import types

import fixtures
from oslotest import base

from nova_dmore.cmd import manage
from nova_dmore.cmd.manage import output
from nova_dmore import wire
from tests.unit.worker import fakes

_OTHER = '9b0b0c52-59c1-4b0e-8f58-0a5a4c3d2b10'


class SessionTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.pair = fakes.Pair(self)
        self.pair.instance()
        self.domain_r = self.pair.domain_r()
        self.pair.live()
        self.conf = os.path.join(self.pair.folder, 'nova.conf')
        with open(self.conf, 'w') as file:
            file.write(f'[dmore]\nrun_dir = {self.pair.hostd.run_dir}\n')
        for number, server in ((1, 'ssh'), (2, 'vnc')):
            self.domain_r.says({
                'type': wire.SESSION_BEGAN, 'server': server, 'session': {
                    'number': number, 'age_s': 5.0, 'port': 4000 + number,
                    'address': '192.0.2.1', 'view_only': server == 'vnc',
                    'who': 'SHA256:x' if server == 'ssh' else None}})
        fakes.wait_for(
            lambda: len(self.pair.client.status().sessions) == 2)

    def _run(self, *arguments):
        """Status, output, errors."""
        printed, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(printed), \
                contextlib.redirect_stderr(errors):
            try:
                status = manage.main(['--config-file', self.conf, 'session',
                                      *arguments])
            except SystemExit as error:
                status = error.code
        return status, printed.getvalue(), errors.getvalue()

    def test_list(self):
        status, printed, _ = self._run('list', self.pair.uuid)
        self.assertEqual(output.Status.DONE, status)
        for text in (self.pair.uuid, 'SHA256:x', '192.0.2.1', 'View only'):
            self.assertIn(text, printed)
        status, printed, _ = self._run('list', '--all', '--json')
        self.assertEqual(output.Status.DONE, status)
        ours = [row for row in json.loads(printed)
                if row['instance_uuid'] == self.pair.uuid]
        self.assertEqual(
            [(1, 'ssh', 4001, False), (2, 'vnc', 4002, True)],
            [(row['number'], row['server'], row['port'], row['view_only'])
             for row in ours])
        self.assertTrue(ours[0]['since'].startswith('20'))

    def test_one_of_several_is_beginning_or_ending(self):
        """Its keeper lives, and does not listen yet, or no more."""
        folder = os.path.join(self.pair.hostd.run_dir, _OTHER)
        os.mkdir(folder, 0o700)
        self.addCleanup(shutil.rmtree, folder)
        lock = self.enterContext(open(
            os.path.join(folder, wire.KEEPER_LOCK), 'w'))
        fcntl.lockf(lock, fcntl.LOCK_EX)
        status, printed, errors = self._run('list', '--all', '--json')
        self.assertEqual(output.Status.INCOMPLETE, status)
        self.assertEqual([1, 2], [
            row['number'] for row in json.loads(printed)
            if row['instance_uuid'] == self.pair.uuid])
        self.assertIn(f'process of {_OTHER} is just beginning', errors)

    def test_which(self):
        self.assertEqual(2, self._run('list')[0])
        self.assertEqual(2, self._run('list', '--all', _OTHER)[0])
        status, _, errors = self._run('list', _OTHER)
        self.assertEqual(output.Status.ERROR, status)
        self.assertIn(_OTHER, errors)

    def test_end(self):
        def obey():
            fakes.wait_for(
                lambda: self.domain_r.messages(wire.END_SESSION))
            self.domain_r.says({'type': wire.SESSION_ENDED, 'server': 'ssh',
                                'number': 1})
        thread = threading.Thread(target=obey)
        thread.start()
        self.addCleanup(thread.join)
        status, printed, _ = self._run('end', self.pair.uuid, '1')
        self.assertEqual((output.Status.DONE, 'Session 1 has ended\n'),
                         (status, printed))
        status, _, errors = self._run('end', self.pair.uuid, '1')
        self.assertEqual(output.Status.ERROR, status)
        self.assertIn('no session 1', errors)

    def test_a_pair_that_is_gone_before_it_tells(self):
        """It was asked for: that is not "nothing"."""
        keeper = self.pair.client.status().pid

        def end(_seconds):
            """As the command waits for what becomes of it."""
            with contextlib.suppress(ProcessLookupError):
                os.kill(keeper, signal.SIGKILL)
        self.useFixture(fixtures.MonkeyPatch(
            'nova_dmore.cmd.manage.session.time', types.SimpleNamespace(
                monotonic=time.monotonic, sleep=end)))
        status, printed, _ = self._run('end', '--json', self.pair.uuid, '1')
        self.assertEqual(output.Status.INCOMPLETE, status)
        self.assertIsNone(json.loads(printed)['ended'])

    def test_a_domain_r_that_does_not_end_it(self):
        self.useFixture(fixtures.MonkeyPatch(
            'nova_dmore.cmd.manage.session._END_S', 0.2))
        status, printed, _ = self._run('end', self.pair.uuid, '2')
        self.assertEqual(output.Status.INCOMPLETE, status)
        self.assertIn('has not ended', printed)
        status, printed, _ = self._run('end', '--json', self.pair.uuid, '2')
        self.assertEqual(output.Status.INCOMPLETE, status)
        self.assertEqual({'instance_uuid': self.pair.uuid, 'number': 2,
                          'ended': False}, json.loads(printed))
