# SPDX-License-Identifier: Apache-2.0
"""The file in which the gateway's sshd looks up instances."""

import pathlib
import tempfile
import threading
from unittest import mock

import fixtures
from oslotest import base

from nova_dmore.gateway import hosts
from tests.unit.gateway import fakes


_NOW = 1_800_000_000


class HostsTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name) / 'hosts'
        self.path.touch()

    def _names(self):
        """As the C library reads it."""
        told = (line.partition('#')[0].split()
                for line in self.path.read_text().splitlines())
        return {words[1]: words[0] for words in told if words}

    def _tell(self, where, at):
        """As if it were so many seconds later."""
        with mock.patch.object(hosts.time, 'time', return_value=_NOW + at):
            hosts.tell(where, self.path)

    def test_what_is_told_is_there(self):
        where = {fakes.WEB: '192.0.2.5', fakes.MAIL: '2001:db8::5'}
        hosts.tell(where, self.path)
        self.assertEqual(where, self._names())
        self.assertEqual(
            [f'192.0.2.5 {fakes.WEB}', f'2001:db8::5 {fakes.MAIL}'],
            [line.partition('#')[0].rstrip()
             for line in self.path.read_text().splitlines()])

    def test_it_is_told_once_and_the_file_stays_the_same(self):
        hosts.tell({fakes.WEB: '192.0.2.5'}, self.path)
        text, inode = self.path.read_text(), self.path.stat().st_ino
        hosts.tell({fakes.WEB: '192.0.2.5'}, self.path)
        self.assertEqual(text, self.path.read_text())
        hosts.tell({fakes.OTHERS: '192.0.2.6'}, self.path)
        self.assertEqual({fakes.WEB: '192.0.2.5', fakes.OTHERS: '192.0.2.6'},
                         self._names())
        self.assertEqual(inode, self.path.stat().st_ino)

    def test_an_address_that_changed(self):
        hosts.tell({fakes.WEB: '192.0.2.5', fakes.MAIL: '192.0.2.7'},
                   self.path)
        hosts.tell({fakes.WEB: '192.0.2.15'}, self.path)
        self.assertEqual({fakes.WEB: '192.0.2.15', fakes.MAIL: '192.0.2.7'},
                         self._names())

    def test_an_address_that_is_anothers_now(self):
        hosts.tell({fakes.WEB: '192.0.2.5'}, self.path)
        hosts.tell({fakes.OTHERS: '192.0.2.5'}, self.path)
        self.assertEqual({fakes.OTHERS: '192.0.2.5'}, self._names())
        hosts.tell({fakes.WEB: '192.0.2.5'}, self.path)
        self.assertEqual({fakes.WEB: '192.0.2.5'}, self._names())

    def test_lines_of_the_host_stay(self):
        own = '127.0.0.1 localhost\n192.0.2.5 controller\n# \xfc\n::1 x'
        self.path.write_text(own, encoding='latin-1')
        hosts.tell({fakes.WEB: '192.0.2.5'}, self.path)
        text = self.path.read_text(encoding='latin-1')
        self.assertTrue(text.startswith(f'{own}\n192.0.2.5 {fakes.WEB} '))
        self.assertEqual(len(own.splitlines()) + 1, len(text.splitlines()))

    def test_lines_of_an_earlier_release(self):
        self.path.write_text(f'192.0.2.5 {fakes.WEB}\n'
                             f'192.0.2.7 {fakes.MAIL}\n')
        self._tell({fakes.WEB: '192.0.2.5', fakes.MAIL: '192.0.2.8'}, 0)
        self.assertEqual({fakes.WEB: '192.0.2.5', fakes.MAIL: '192.0.2.8'},
                         self._names())
        # They are of another length: nothing fits there.
        self._tell({fakes.OTHERS: '192.0.2.9'}, 9 * hosts.READ_S)
        self.assertEqual(4, len(self.path.read_text().splitlines()))
        self.assertEqual(3, len(self._names()))

    def test_a_line_that_nobody_reads_any_more_is_used_again(self):
        for number in range(100):
            where = {f'{number:08x}{fakes.WEB[8:]}': '192.0.2.5',
                     f'{number:08x}{fakes.MAIL[8:]}': '2001:db8:'
                     f'{number + 1:x}:2:3:4:5:6'}
            self._tell(where, number * hosts.READ_S)
            self.assertEqual(where, {
                name: self._names()[name] for name in where})
        # One for each address, and the one that it was before.
        self.assertEqual(102, len(self.path.read_text().splitlines()))
        self.assertEqual(101, len(self._names()))

    def test_a_line_that_somebody_may_still_read_is_not(self):
        for at, number in ((0, 5), (1, 6), (2, 7), (hosts.READ_S, 8)):
            self._tell({fakes.WEB: f'192.0.2.{number}'}, at)
            self.assertEqual({fakes.WEB: f'192.0.2.{number}'}, self._names())
        self.assertEqual([
            f'#92.0.2.5 {fakes.WEB}', f'#92.0.2.6 {fakes.WEB}',
            f'#92.0.2.7 {fakes.WEB}'],
            [line[:46].rstrip() for line in
             self.path.read_text().splitlines()][:3])
        # Also where the clock was set back a little.
        self._tell({fakes.WEB: '192.0.2.9'}, hosts.READ_S - 30)
        self.assertEqual({fakes.WEB: '192.0.2.9'}, self._names())
        self.assertEqual(5, len(self.path.read_text().splitlines()))

    def test_it_does_not_grow_for_ever(self):
        self.useFixture(fixtures.MockPatchObject(hosts, 'LIVE_MAX', 8))
        self.useFixture(fixtures.MockPatchObject(hosts, 'LINES_MAX', 16))

        def one(number):
            return {f'{number:08x}{fakes.WEB[8:]}': f'192.0.2.{number}'}
        for number in range(200):
            # Who comes back is not the oldest.
            self._tell(one(0), number * hosts.READ_S)
            self._tell(one(number), number * hosts.READ_S)
            self.assertLessEqual((one(0) | one(number)).items(),
                                 self._names().items())
        self.assertEqual(8, len(self._names()))
        self.assertLessEqual(len(self.path.read_text().splitlines()), 10)
        # Nor where very many come at once.
        for number in range(8):
            self._tell(one(number + 1), 300 * hosts.READ_S)
        with self.assertRaisesRegex(OSError, 'too many'):
            for number in range(8):
                self._tell(one(number + 20), 300 * hosts.READ_S)
        self.assertLessEqual(len(self.path.read_text().splitlines()), 16)
        self.assertLessEqual(len(self._names()), 8)

    def test_a_reader_sees_whole_lines_alone(self):
        """However many writers there are, each line is a comment, or gives an
        address that its instance has."""
        end = threading.Event()
        names = [f'{number:08x}{fakes.WEB[8:]}' for number in range(8)]

        def write(number):
            for turn in range(60):
                hosts.tell({names[number]: f'192.0.{number}.{turn}'},
                           self.path)
        writers = [threading.Thread(target=write, args=(number,))
                   for number in range(8)]
        for each in writers:
            each.start()
        threading.Thread(target=lambda: (
            [each.join() for each in writers], end.set())).start()
        while not end.is_set():
            for line in self.path.read_text().splitlines():
                words = line.partition('#')[0].split()
                if words[1:] and words[1] in names:
                    self.assertEqual(str(names.index(words[1])),
                                     words[0].split('.')[2])

    def test_it_is_not_made(self):
        self.path.unlink()
        self.assertRaises(OSError, hosts.tell, {fakes.WEB: '192.0.2.5'},
                          self.path)
        self.assertFalse(self.path.exists())

    def test_several_at_a_time(self):
        names = [f'{number:08x}{fakes.WEB[8:]}' for number in range(40)]
        threads = [threading.Thread(target=hosts.tell, args=(
            {name: f'192.0.2.{number}'}, self.path))
            for number, name in enumerate(names)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(set(names), set(self._names()))
