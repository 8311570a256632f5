# SPDX-License-Identifier: Apache-2.0
"""What a session at the gateway tells."""

import json
import pathlib
import tempfile
from unittest import mock

from oslotest import base

from nova_dmore.gateway import session
from tests.unit.gateway import fakes

COMMAND = f'22 {fakes.WEB}=192.0.2.5 {fakes.MAIL}=2001:db8::5'
KEY = fakes.key(1)


class SessionTest(base.BaseTestCase):

    def _keyscan(self, text, status=0):
        """Have a program say this in the place of OpenSSH's."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        program = pathlib.Path(folder.name) / 'ssh-keyscan'
        program.write_text(
            f'#!/bin/sh\necho "$@" >"$0.asked"\ncat <<"E"\n{text}\nE\n'
            f'exit {status}\n')
        program.chmod(0o755)
        patch = mock.patch.object(session, '_KEYSCAN', str(program))
        patch.start()
        self.addCleanup(patch.stop)
        return program.with_name('ssh-keyscan.asked')

    def _answer(self, asked):
        return session.answer(COMMAND, {'SSH_ORIGINAL_COMMAND': asked})

    def test_a_list(self):
        expected = f'{fakes.WEB} 192.0.2.5\n{fakes.MAIL} 2001:db8::5\n'
        self.assertEqual(expected, session.answer(COMMAND, {}))
        self.assertEqual(expected, self._answer(' '))

    def test_one_with_its_key(self):
        asked = self._keyscan(f'# 2001:db8::5:22 SSH-2.0-x\n2001:db8::5 {KEY}')
        self.assertEqual(
            {'instance': fakes.MAIL, 'address': '2001:db8::5', 'port': 22,
             'host_key': KEY}, json.loads(self._answer(fakes.MAIL)))
        self.assertIn('-p 22 2001:db8::5', asked.read_text())

    def test_one_that_does_not_answer(self):
        self._keyscan('', 1)
        self.assertIsNone(json.loads(self._answer(fakes.WEB))['host_key'])

    def test_keys_that_are_none(self):
        for text in (f'192.0.2.5 {KEY} x', f'192.0.2.5 {KEY}\x1b[2J',
                     f'# {KEY}', KEY, '192.0.2.5 ssh-rsa AAAA'):
            self._keyscan(text)
            self.assertIsNone(json.loads(self._answer(fakes.WEB))['host_key'])

    def test_nothing_else_is_told_or_run(self):
        asked = self._keyscan('')
        for text in (fakes.OTHERS, f'{fakes.WEB} {fakes.MAIL}', 'sh',
                     f'{fakes.WEB};id', '$(id)', '-c id'):
            self.assertRaises(ValueError, self._answer, text)
        self.assertRaises(ValueError, session.answer, 'id', {})
        self.assertFalse(asked.exists())
