# SPDX-License-Identifier: Apache-2.0
"""What the package of the host service does to AppArmor's local file."""

import os
import pathlib
import re
import subprocess

import fixtures
from oslotest import base

_REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
_OURS = _REPOSITORY / 'etc/apparmor.d/local/abstractions/libvirt-qemu'


class RulesTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.rules = self.folder / 'local/libvirt-qemu'
        self.ours = _OURS.read_text()
        self.block = f'# BEGIN nova-dmore\n{self.ours}# END nova-dmore\n'

    def _run(self, name, *arguments):
        text = (_REPOSITORY / f'debian/nova-dmore-hostd.{name}').read_text()
        for variable, path in (('RULES', self.rules), ('OURS', _OURS)):
            text = re.sub(f'(?m)^{variable}=.*', f'{variable}={path}', text)
        subprocess.run(['sh', '-c', text, name, *arguments], check=True)
        # Nothing is left beside it.
        self.assertEqual([self.rules.name], os.listdir(self.rules.parent))
        return self.rules.read_text()

    def test_none_was_there(self):
        for _ in range(2):
            self.assertEqual(self.block, self._run('postinst', 'configure'))
        self.assertEqual('', self._run('postrm', 'remove'))

    def test_others(self):
        self.rules.parent.mkdir()
        for there in ('/dev/x rw,\n', '/dev/x rw,'):
            self.rules.write_text(there)
            for _ in range(2):
                self.assertEqual('/dev/x rw,\n' + self.block,
                                 self._run('postinst', 'configure'))
            self.assertEqual('/dev/x rw,\n', self._run('postrm', 'remove'))

    def test_an_operator_has_appended_ours(self):
        self.rules.parent.mkdir()
        there = '/dev/x rw,\n' + self.ours
        for more in ('', self.block):
            self.rules.write_text(more + there)
            self.assertEqual(there, self._run('postinst', 'configure'))
            self.assertEqual(there, self._run('postrm', 'remove'))

    def test_those_of_an_earlier_release(self):
        self.rules.parent.mkdir()
        self.rules.write_text(
            '# BEGIN nova-dmore\n/run/x rw,\n# END nova-dmore\n/dev/x rw,\n')
        self.assertEqual('/dev/x rw,\n' + self.block,
                         self._run('postinst', 'configure'))

    def test_it_is_never_there_by_half(self):
        """Who has it open reads what was there."""
        self.rules.parent.mkdir()
        self.rules.write_text('/dev/x rw,\n')
        self.rules.chmod(0o640)
        for name, argument in (('postinst', 'configure'),
                               ('postrm', 'remove')):
            with self.rules.open() as reader:
                there = self.rules.read_text()
                self._run(name, argument)
                self.assertEqual(there, reader.read())
            self.assertEqual(0o640, self.rules.stat().st_mode & 0o777)
