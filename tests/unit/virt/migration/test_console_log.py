# SPDX-License-Identifier: Apache-2.0

import os

from nova_dmore.virt.migration import console_log
from tests.unit.virt import fakes
from tests.unit.virt.migration import destination_case


class ConsoleLogTest(destination_case.DestinationTestCase):

    def _keep(self, encoded):
        self.role.prepare(None, 'm1', self.text)
        self._domain_r_comes()
        self._finish(True, encoded)

    def _path(self):
        return os.path.join(
            self.instances_path, fakes.UUID, 'console.log.0')

    def _kept(self):
        with open(self._path(), 'rb') as log_file:
            return log_file.read()

    def test_kept(self):
        self._keep(console_log.encode(b'boot\xff\n'))
        self.assertEqual(b'boot\xff\n', self._kept())

    def test_as_every_release_sends_it(self):
        self.assertEqual('Ym9vdA==', console_log.encode(b'boot'))

    def test_shared_storage(self):
        self._keep(None)
        self.assertFalse(os.path.exists(self._path()))

    def test_only_the_end(self):
        self._keep(console_log.encode(b'a' + b'b' * 128 * 1024))
        self.assertEqual(b'b' * 128 * 1024, self._kept())

    def test_an_older_one_stays(self):
        with open(self._path(), 'wb') as log_file:
            log_file.write(b'older')
        self._keep(console_log.encode(b'new'))
        self.assertEqual(b'older', self._kept())

    def test_what_is_not_base64(self):
        self._keep('no base64!')
        self.assertFalse(os.path.exists(self._path()))
        self.assertFalse(self.pairs.get(fakes.UUID).incoming)

    def test_it_cannot_be_written(self):
        os.rmdir(os.path.join(self.instances_path, fakes.UUID))
        self._keep(console_log.encode(b'boot'))
        self.assertFalse(self.pairs.get(fakes.UUID).incoming)

    def test_it_goes_through_no_link(self):
        victim = os.path.join(self.directory, 'victim')
        os.symlink(victim, self._path())
        self._keep(console_log.encode(b'log'))
        self.assertFalse(os.path.exists(victim))
