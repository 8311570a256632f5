# SPDX-License-Identifier: Apache-2.0
"""The file in which the gateway's sshd looks up instances."""

import pathlib
import tempfile
import threading

from oslotest import base

from nova_dmore.gateway import hosts
from tests.unit.gateway import fakes


class HostsTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name) / 'hosts'
        self.path.touch()

    def _names(self):
        return dict(reversed(line.split())
                    for line in self.path.read_text().splitlines()
                    if not line.startswith('#'))

    def test_what_is_told_is_there(self):
        where = {fakes.WEB: '192.0.2.5', fakes.MAIL: '2001:db8::5'}
        hosts.tell(where, self.path)
        self.assertEqual(where, self._names())
        self.assertEqual(f'192.0.2.5 {fakes.WEB}\n'
                         f'2001:db8::5 {fakes.MAIL}\n', self.path.read_text())

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
        self.assertEqual(f'{own}\n192.0.2.5 {fakes.WEB}\n',
                         self.path.read_text(encoding='latin-1'))

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
