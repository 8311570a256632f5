# SPDX-License-Identifier: Apache-2.0
"""The user's known_hosts."""

import pathlib
import subprocess
import tempfile

from oslotest import base

from nova_dmore.osc import known_hosts
from tests.unit.gateway import fakes

KEY = fakes.key(1)


class KnownHostsTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name) / '.ssh' / 'known_hosts'

    def test_it_is_made(self):
        self.assertFalse(known_hosts.knows(self.path, fakes.WEB))
        known_hosts.add(self.path, fakes.WEB, KEY)
        self.assertEqual(f'{fakes.WEB} {KEY}\n', self.path.read_text())
        self.assertEqual((0o700, 0o600), (
            self.path.parent.stat().st_mode & 0o777,
            self.path.stat().st_mode & 0o777))
        self.assertTrue(known_hosts.knows(self.path, fakes.WEB))
        self.assertFalse(known_hosts.knows(self.path, fakes.MAIL))

    def test_what_is_there_stays(self):
        self.path.parent.mkdir()
        self.path.write_text(f'gw {KEY}')   # no end of line
        known_hosts.add(self.path, f'[{fakes.WEB}]:2222', KEY)
        self.assertEqual(f'gw {KEY}\n[{fakes.WEB}]:2222 {KEY}\n',
                         self.path.read_text())
        self.assertTrue(known_hosts.knows(self.path, f'[{fakes.WEB}]:2222'))

    def test_hashed_names(self):
        known_hosts.add(self.path, fakes.WEB, KEY)
        subprocess.run(['ssh-keygen', '-H', '-f', self.path], check=True,
                       capture_output=True)
        self.assertNotIn(fakes.WEB, self.path.read_text())
        self.assertTrue(known_hosts.knows(self.path, fakes.WEB))

    def test_fingerprint(self):
        self.assertRegex(known_hosts.fingerprint(KEY),
                         r'^SHA256:[A-Za-z0-9+/]{43}$')
