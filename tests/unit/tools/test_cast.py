# SPDX-License-Identifier: Apache-2.0

import io
import json
import time
import unittest

# For the path that it sets.
from tests.unit import tools  # noqa: F401
from laboratory.cast import recording


class RecordingTest(unittest.TestCase):

    def events(self, *argv):
        stream = io.StringIO()
        with recording.Recording(argv, stream, 'a title', 80, 24) as made:
            made._process.wait(5)
            time.sleep(0.2)
        head, *events = map(json.loads, stream.getvalue().splitlines())
        return head, events

    def test_what_is_shown(self):
        head, events = self.events('sh', '-c', 'stty size; printf ü')
        self.assertEqual((2, 80, 24, 'a title'), (
            head['version'], head['width'], head['height'], head['title']))
        self.assertEqual('24 80\r\nü', ''.join(
            text for _time, _kind, text in events))
        self.assertEqual({'o'}, {kind for _time, kind, _text in events})

    def test_no_character_is_cut(self):
        _head, events = self.events(
            'sh', '-c', r"printf '\303'; sleep 0.3; printf '\274'")
        self.assertEqual('ü', ''.join(text for _, _, text in events))

    def test_a_program_that_does_not_end_by_itself(self):
        begin = time.monotonic()
        with recording.Recording(['sleep', '60'], io.StringIO(), '', 80, 24):
            pass
        self.assertLess(time.monotonic() - begin, 30)
