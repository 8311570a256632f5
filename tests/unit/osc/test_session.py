# SPDX-License-Identifier: Apache-2.0
"""Sessions, listed and ended by the console itself."""

import argparse
import json
from unittest import mock

import hypothesis
from hypothesis import strategies
from osc_lib import exceptions
from oslotest import base

from nova_dmore.domr.servers import ssh_commands
from nova_dmore.osc import places
from nova_dmore.osc import session
from tests import examples
from tests.unit.gateway import fakes
from tests.unit.osc import command_case

_KEY = 'SHA256:' + 'k' * 43
#: As Domain R knows them.
_SSH = {'server': 'ssh', 'number': 1, 'address': '2001:db8::5', 'port': 5,
        'who': _KEY, 'view_only': False, 'age_s': 61.5}
_VNC = {'server': 'vnc', 'number': 7, 'address': '192.0.2.5', 'port': 6,
        'who': None, 'view_only': True, 'age_s': 0}


class RowsTest(base.BaseTestCase):

    def test_what_the_console_says(self):
        said = '\n'.join(ssh_commands.described([_SSH, _VNC])) + '\n'
        self.assertEqual(
            [(1, 'ssh', '2001:db8::5', 5, _KEY, False,
              '2026-11-30T09:00:00Z'),
             (7, 'vnc', '192.0.2.5', 6, None, True, '2026-11-30T09:01:01Z')],
            session.rows(said, 1796029261.5))
        self.assertEqual([], session.rows('', 0))
        (row,) = session.rows(ssh_commands.described(
            [{**_SSH, 'address': 'fe80::1%\x1b[2J'}])[0], 1e9)
        self.assertEqual('fe80::1', row[2])

    def test_what_is_no_session(self):
        (line,) = ssh_commands.described([_SSH])
        good = json.loads(line)
        for changes in (
                {'number': '1'}, {'number': True}, {'number': 0},
                {'server': '\x1b[2J'}, {'server': []}, {'address': 'there'},
                {'address': 5}, {'port': 65536}, {'port': None},
                {'key': '\x1b[2J'}, {'key': 5}, {'view_only': 'no'},
                {'age_s': -1}, {'age_s': 1e300}, {'age_s': float('nan')}):
            self.assertRaises(ValueError, session.rows,
                              json.dumps({**good, **changes}), 1e9)
        for name in good:
            less = {each: good[each] for each in good if each != name}
            self.assertRaises(ValueError, session.rows, json.dumps(less), 1e9)
        for said in ('[]', '5', '\x1b[2J', '{}', f'{line}\n\n{line}',
                     f'{line}\n' * 1000, '[' * 50000):
            self.assertRaises(ValueError, session.rows, said, 1e9)

    @hypothesis.given(strategies.recursive(
        strategies.none() | strategies.booleans() | strategies.floats()
        | strategies.integers() | strategies.text(max_size=5),
        lambda each: strategies.lists(each, max_size=3)
        | strategies.dictionaries(strategies.sampled_from(
            ['number', 'server', 'address', 'port', 'key', 'view_only',
             'age_s']), each, max_size=7), max_leaves=10))
    @examples.settings(200)
    def test_whatever_it_says(self, value):
        try:
            (row,) = session.rows(json.dumps(value), 1e9)
        except ValueError:
            return
        self.assertTrue(all(str(each).isprintable() for each in row))


class SessionTest(command_case.CommandCase):

    def setUp(self):
        super().setUp()
        (self.folder / 'status').write_text('0')
        self.server.metadata = {places.PROPERTY: 'ssh://console@192.0.2.5:22'}
        self._answer('\n'.join(ssh_commands.described([_SSH, _VNC])))

    def _answer(self, text):
        (self.folder / 'answer').write_text(text)

    def _list(self, *arguments):
        columns, rows = self._run(session.ListSession, '--known-hosts', str(
            self.known_hosts), *arguments, 'web')
        return [dict(zip(columns, row)) for row in rows]

    def _end(self, number='7'):
        return self._run(session.EndSession, '--known-hosts', str(
            self.known_hosts), 'web', number)

    def test_list(self):
        with mock.patch('time.time', return_value=1796029261.5):
            ssh, vnc = self._list()
        self.assertEqual(
            {'ID': 1, 'Console': 'ssh', 'Address': '2001:db8::5', 'Port': 5,
             'Key': _KEY, 'View Only': False,
             'Since': '2026-11-30T09:00:00Z'}, ssh)
        self.assertEqual((7, None, True), (
            vnc['ID'], vnc['Key'], vnc['View Only']))
        (called,) = self._called()
        self.assertTrue(called.endswith(
            ' -l console -T 192.0.2.5 sessions'), called)

    def test_by_the_gateway(self):
        self._list('--gateway', 'gw', '--identity', 'id')
        self.assertEqual(f'{fakes.WEB} {command_case.KEY}\n',
                         self.known_hosts.read_text())
        _, called = self._called()
        self.assertTrue(called.startswith('-i id '), called)
        self.assertTrue(called.endswith(f' -T {fakes.WEB} sessions'), called)

    def test_end(self):
        self.assertIsNone(self._end())
        (called,) = self._called()
        self.assertTrue(called.endswith(' 192.0.2.5 sessions end 7'), called)

    def test_errors(self):
        for status, says in (('1', 'No session 7'), ('2', 'returned 2'),
                             ('255', 'earlier release')):
            (self.folder / 'status').write_text(status)
            error = self.assertRaises(exceptions.CommandError, self._end)
            self.assertIn(says, str(error))
            self.assertRaises(exceptions.CommandError, self._list)
        self._host('DOWN')
        self.assertRaises(exceptions.CommandError, self._list)
        self.assertIn('does not answer Nova', self._said())
        (self.folder / 'status').write_text('0')
        self._answer('\x1b[2J')
        error = self.assertRaises(exceptions.CommandError, self._list)
        self.assertTrue(str(error).isprintable())

    def test_an_answer_without_end(self):
        """It is not read, and ssh is ended."""
        (self.folder / 'ssh').write_text(
            '#!/bin/sh\nhead -c 50000000 /dev/zero\n'
            f'touch {self.folder}/all\n')
        for ask in (self._list, self._end):
            error = self.assertRaises(exceptions.CommandError, ask)
            self.assertIn('too long', str(error))
            self.assertFalse((self.folder / 'all').exists())

    def test_no_answer(self):
        (self.folder / 'ssh').write_text('#!/bin/sh\nexec sleep 60\n')
        with mock.patch.object(session, '_LIMIT_S', 0.2):
            error = self.assertRaises(exceptions.CommandError, self._list)
        self.assertIn('0.2 s', str(error))

    def test_what_is_no_number(self):
        for text in ('0', '-1', '+1', '1;id', '--', '٣', ''):
            self.assertRaises(argparse.ArgumentTypeError, session._number,
                              text)
