# SPDX-License-Identifier: Apache-2.0

import json

from oslotest import base

from nova_dmore.cmd.manage import output

_ROW = {'uuid': 'u1', 'name': 'web\x1b[2J', 'live': True, 'sessions': None,
        'more': 7}
_COLUMNS = {'uuid': 'Instance', 'name': 'Name', 'live': 'Live',
            'sessions': 'Sessions'}


class OutputTest(base.BaseTestCase):

    def test_table_for_people(self):
        lines = output.Table(_COLUMNS, [_ROW]).shown(False).splitlines()
        self.assertEqual(['Instance', 'Name', 'Live', 'Sessions'],
                         lines[1].replace('|', ' ').split())
        self.assertIn('| u1 ', lines[3])
        self.assertIn('| yes ', lines[3])
        self.assertIn('| - ', lines[3])
        self.assertNotIn('\x1b', lines[3])
        self.assertNotIn('7', lines[3])

    def test_table_for_programs(self):
        self.assertEqual([_ROW], json.loads(
            output.Table(_COLUMNS, [_ROW]).shown(True)))
        self.assertEqual('[]', output.Table(_COLUMNS, []).shown(True))

    def test_properties(self):
        answer = output.Properties({'clients': {'ssh': 1}, 'off': False})
        self.assertEqual({'clients': {'ssh': 1}, 'off': False},
                         json.loads(answer.shown(True)))
        self.assertIn('{"ssh": 1}', answer.shown(False))
        self.assertIn('| no ', answer.shown(False))

    def test_text(self):
        answer = output.Text('7 has ended', {'number': 7})
        self.assertEqual('7 has ended', answer.shown(False))
        self.assertEqual({'number': 7}, json.loads(answer.shown(True)))

    def test_times(self):
        self.assertEqual('1970-01-01T00:01:00+00:00', output.utc(60.5))
        for seconds in (1e300, -1e300, 1 << 60):
            self.assertEqual(str(seconds), output.utc(seconds))
