# SPDX-License-Identifier: Apache-2.0
"""The options of the host service."""

import grp
import os
import pwd
import tempfile
from unittest import mock

from oslotest import base

from nova_dmore import exception
from nova_dmore.hostd import options

_ME = pwd.getpwuid(os.getuid())


class OptionsTest(base.BaseTestCase):

    def _read(self, *lines):
        with tempfile.NamedTemporaryFile('w', suffix='.conf') as config:
            config.write('\n'.join(['[hostd]', *lines, '']))
            config.flush()
            return options.read(['--config-file', config.name])

    def test_this_user_is_novas(self):
        given = self._read(f'compute_user = {_ME.pw_name}')
        self.assertEqual(given, self._read(f'compute_user = {_ME.pw_uid}'))
        self.assertEqual('/run/nova-dmore', given.run_dir)
        self.assertEqual('/run/nova-dmore', given.keeper.run_dir)
        self.assertEqual({0, _ME.pw_uid}, given.compute)
        self.assertIsNone(given.keeper.qemu_group)

    def test_nova_is_another_user(self):
        other = next(each for each in pwd.getpwall()
                     if each.pw_uid not in (0, _ME.pw_uid))
        given = self._read(f'compute_user = {other.pw_name}')
        self.assertIn(other.pw_uid, given.compute)
        self.assertEqual({0, _ME.pw_uid, other.pw_uid}, given.clients)

    def test_qemu_group(self):
        group = grp.getgrgid(_ME.pw_gid)
        given = self._read(f'compute_user = {_ME.pw_uid}',
                           f'qemu_group = {group.gr_name}')
        self.assertEqual(group.gr_gid, given.keeper.qemu_group)

    def test_what_is_not_there(self):
        for line in ('compute_user = no-such-user',
                     'qemu_group = no-such-group'):
            error = self.assertRaises(
                exception.ConfigurationError, self._read,
                f'compute_user = {_ME.pw_uid}', line)
            name, _, value = line.partition(' = ')
            self.assertIn(f'[hostd] {name}', str(error))
            self.assertIn(value, str(error))

    def test_a_group_that_does_not_let_it_in(self):
        ours = {os.getegid(), *os.getgroups()}
        other = next(each for each in grp.getgrall()
                     if each.gr_gid not in ours)
        # Root needs no group.
        with mock.patch('os.geteuid', return_value=os.geteuid() or 1):
            error = self.assertRaises(
                exception.ConfigurationError, self._read,
                f'compute_user = {_ME.pw_uid}',
                f'qemu_group = {other.gr_name}')
        self.assertIn('[hostd] qemu_group: the user of this service is not a '
                      f'member of the group {other.gr_name}', str(error))

    def test_a_file_that_is_wrong(self):
        self.assertRaises(exception.ConfigurationError, self._read,
                          'debug = perhaps')
