# SPDX-License-Identifier: Apache-2.0
"""What an operator asks of nova-compute."""

import argparse
import contextlib
import io
import json
from unittest import mock

import fixtures
from oslotest import base

from nova_dmore.cmd import manage
from nova_dmore.cmd.manage import output
from nova_dmore.cmd.manage import renew
from nova_dmore import exception
from nova_dmore.virt.rpc import operator as operator_rpc
from tests.unit.virt import fakes

OTHER_UUID = '9b0b0c52-59c1-4b0e-8f58-0a5a4c3d2b10'


def row(state, uuid=fakes.UUID, error=None):
    return {'instance_uuid': uuid, 'state': state, 'when': None,
            'image': 'a' * 64, 'newest': 'b' * 64, 'error': error}


class RenewTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MockPatchObject(renew, '_POLL_S', 0))
        self.api = mock.create_autospec(operator_rpc.OperatorAPI,
                                        instance=True)

    def _renew(self, *arguments):
        parsed = manage._parser().parse_args(arguments)
        with contextlib.redirect_stderr(io.StringIO()) as self.progress:
            return renew.renewed(self.api, 'context', 'c2', parsed)

    def test_of_a_host(self):
        self.api.renew.return_value = [row('renewing')]
        self.api.renewals.side_effect = [
            [row('renewing'), row('old', OTHER_UUID)], [row('newest')]]
        answer = self._renew('renew', '--host', 'c2')
        self.api.renew.assert_called_once_with('context', 'c2', None, 'now')
        self.assertEqual(output.Status.DONE, answer.status)
        self.assertEqual(['newest'], [each['state'] for each in answer.rows])
        self.assertEqual([f'{fakes.UUID} renewing', f'{fakes.UUID} newest'],
                         self.progress.getvalue().splitlines())

    def test_of_one_pair(self):
        self.api.renew.return_value = [row('newest'), row('old', OTHER_UUID)]
        answer = self._renew('pair', 'renew', fakes.UUID)
        self.api.renew.assert_called_once_with(
            'context', 'c2', [fakes.UUID], 'now')
        self.assertEqual(1, len(answer.rows))

    def test_what_is_not_done_at_once(self):
        self.api.renew.return_value = [row('waits')]
        for arguments, when in ((['--when', 'idle'], 'idle'),
                                (['--when', 'migration'], 'migration'),
                                (['--when', 'never'], None),
                                (['--no-wait'], 'now')):
            self._renew('renew', *arguments)
            self.api.renew.assert_called_with('context', 'c2', None, when)
        self.api.renewals.assert_not_called()

    def test_status(self):
        self.api.renewals.return_value = [row('waits')]
        self.assertEqual('waits', self._renew(
            'renew', '--status').rows[0]['state'])
        self.api.renew.assert_not_called()

    def test_one_fails(self):
        self.api.renew.return_value = [row('renewing'),
                                       row('waits', OTHER_UUID)]
        self.api.renewals.return_value = [
            row('failed', error='bad'), row('waits', OTHER_UUID,
                                            error='after bad')]
        answer = self._renew('renew')
        self.assertEqual(output.Status.INCOMPLETE, answer.status)
        self.assertIn('bad', answer.shown(False))

    def test_the_host_does_not_answer(self):
        self.api.renew.side_effect = exception.NoAnswerError('away')
        self.assertRaises(exception.NoAnswerError, self._renew, 'renew')

    def test_it_does_not_answer_for_a_while(self):
        """It may be started anew: the renewals go on then."""
        self.api.renew.return_value = [row('renewing')]
        self.api.renewals.side_effect = [
            exception.NoAnswerError('away'), exception.ImageError('Glance'),
            [row('newest')]]
        self.assertEqual(output.Status.DONE, self._renew('renew').status)
        self.assertIn('away', self.progress.getvalue())

    def test_it_answers_no_more(self):
        """What it was asked for may be done: that is not "nothing"."""
        self.useFixture(fixtures.MockPatchObject(renew, '_SILENT_S', 0.05))
        self.api.renew.return_value = [row('renewing')]
        self.api.renewals.side_effect = exception.NoAnswerError('away')
        answer = self._renew('renew')
        self.assertEqual(output.Status.INCOMPLETE, answer.status)
        self.assertEqual('renewing', answer.rows[0]['state'])
        self.assertIn('away', answer.rows[0]['error'])

    def test_a_pair_that_leaves_meanwhile(self):
        """It was not renewed here."""
        self.api.renew.return_value = [row('waits')]
        self.api.renewals.return_value = []
        for words in (('renew',), ('pair', 'renew', fakes.UUID)):
            answer = self._renew(*words)
            self.assertEqual(output.Status.INCOMPLETE, answer.status)
            self.assertEqual(
                [(fakes.UUID, 'gone')],
                [(each['instance_uuid'], each['state'])
                 for each in answer.rows])

    def test_rebuild(self):
        with mock.patch.object(renew, '_api', return_value=(
                self.api, 'context', 'c2')):
            answer = renew._rebuild(argparse.Namespace(server=fakes.UUID))
        self.api.rebuild.assert_called_once_with(
            'context', 'c2', fakes.UUID)
        self.assertIn(fakes.UUID, answer.shown(False))
        self.assertEqual(
            {'instance_uuid': fakes.UUID, 'outcome': 'rebuilt'},
            json.loads(answer.shown(True)))

    def test_a_rebuild_of_which_nobody_can_tell(self):
        """It may be done: that is not "nothing"."""
        self.api.rebuild.side_effect = exception.NoAnswerError('too late')
        with mock.patch.object(renew, '_api', return_value=(
                self.api, 'context', 'c2')):
            answer = renew._rebuild(argparse.Namespace(server=fakes.UUID))
        self.assertEqual(output.Status.INCOMPLETE, answer.status)
        self.assertIn('too late', answer.shown(False))
        self.assertEqual('unknown', json.loads(answer.shown(True))['outcome'])

    def test_who_waits_for_ever(self):
        """A pair that is migrated waits; the command does not hang for one
        whose image was refused."""
        self.api.renew.return_value = [row('renewing')]
        self.api.renewals.side_effect = [
            [row('waits')], [row('renewing')], [row('newest')]]
        self.assertEqual(output.Status.DONE, self._renew('renew').status)
