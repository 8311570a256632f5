# SPDX-License-Identifier: Apache-2.0

import io
import json
import time
import unittest
from xml.etree import ElementTree

# For the path that it sets.
from tests.unit import tools  # noqa: F401
from laboratory.cast import recording
from laboratory.cast import svg


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

    def test_what_it_says_when_it_is_ended(self):
        stream = io.StringIO()
        with recording.Recording(
                ['sh', '-c', 'trap "echo ended; exit" TERM; echo begun; '
                 'while :; do sleep 0.1; done'], stream, '', 80, 24):
            deadline = time.monotonic() + 10
            while 'begun' not in stream.getvalue():
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.05)
        self.assertNotIn('ended', stream.getvalue())


class PictureTest(unittest.TestCase):

    EVENTS = ((0.1, 'o', '$ ls\r\n'), (0.2, 'o', 'a b\r\n'),
              (0.3, 'i', 'never shown'), (1.5, 'o', '$ <x>&'),
              (9.0, 'o', '\x1b[2J\x1b[Hend'))

    def test_frames(self):
        self.assertEqual(
            [('', 0.1), ('$ ls|a b', 1.4), ('$ ls|a b|$ <x>&', 2.0),
             ('end', 4.0)],
            [('|'.join(filter(None, frame.rows)), round(frame.seconds, 3))
             for frame in svg.frames(20, 4, self.EVENTS)])

    def test_picture(self):
        head = {'version': 2, 'width': 20, 'height': 4, 'title': 'a <title>'}
        made = ElementTree.fromstring(svg.picture(
            map(json.dumps, (head, *self.EVENTS))))
        space = '{http://www.w3.org/2000/svg}'
        self.assertEqual('a <title>', made.find(f'{space}title').text)
        self.assertEqual(['$ ls', 'a b', '$ <x>&', 'end'], [
            each.text for each in made.iter(f'{space}text')])
        # Of each row of each frame.
        self.assertEqual(6, len(list(made.iter(f'{space}use'))))

    def test_nothing_was_shown(self):
        self.assertIn('<svg', svg.picture([json.dumps(
            {'width': 20, 'height': 4})]))
