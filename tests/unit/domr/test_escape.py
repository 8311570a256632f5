# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""Escapes typed at the console."""

import unittest

from nova_dmore.domr import escape


class EscapeParserTest(unittest.TestCase):

    def test_actions_split_the_bytes(self) -> None:
        self.assertEqual(
            [b'ab', escape.Action.BREAK, b'c', escape.Action.DETACH],
            escape.EscapeParser().feed(b'ab\x1dbc\x1d.'))

    def test_any_cut_gives_the_same(self) -> None:
        typed = b'a\x1d\x1d\x1d\x1d.\x1dxb\x1db\x1d'
        for cut in range(len(typed) + 1):
            parser = escape.EscapeParser()
            items = parser.feed(typed[:cut]) + parser.feed(typed[cut:])
            plain = b''.join(item for item in items
                             if isinstance(item, bytes))
            self.assertEqual(b'a\x1d\x1d.\x1dxb', plain)
            self.assertEqual([escape.Action.BREAK],
                             [item for item in items
                              if not isinstance(item, bytes)])

    def test_unknown_escape_passes_unchanged(self) -> None:
        self.assertEqual([b'\x1dq'], escape.EscapeParser().feed(b'\x1dq'))
