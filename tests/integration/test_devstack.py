# SPDX-License-Identifier: Apache-2.0
"""What the phases of the DevStack plugin make of a host, compared with the
hosts of the test cloud, on which consoles work: files, users, directories and
the unit, made by systemd's own programs in a tree.
"""

import pathlib
import stat
import subprocess
import tempfile
import unittest

# For the path that it sets.
from tests.unit import tools  # noqa: F401
from laboratory.testbed import conf_compute
from laboratory.testbed import installed
from tests.unit.devstack import stack

_PASSWD = """root:x:0:0::/root:/bin/sh
libvirt-qemu:x:64055:64055::/:/bin/false
{user}:x:1000:1000::/:/bin/sh
"""
_GROUP = 'root:x:0:\nlibvirt-qemu:x:64055:\n{user}:x:1000:\n'
_UNIT = 'nova-dmore-hostd.service'
#: Nobody collects metrics in a DevStack.
_NOT_THERE = {'systemd/system/nova-dmore-exporter.service'}


def apply(root: pathlib.Path, user: str) -> None:
    """What a host's systemd does with the files of a tree.

    :param user: as which nova-compute runs
    """
    (root / 'etc/passwd').write_text(_PASSWD.format(user=user))
    (root / 'etc/group').write_text(_GROUP.format(user=user))
    for command in (['systemd-sysusers'], ['systemd-tmpfiles', '--create']):
        done = subprocess.run([*command, f'--root={root}'],
                              stdout=subprocess.PIPE, text=True,
                              stderr=subprocess.STDOUT)
        if done.returncode != 0:
            raise AssertionError(f'{command[0]}: {done.stdout}')


def members(root: pathlib.Path) -> dict[str, set[str]]:
    """The members of the groups, by name."""
    lines = (line.split(':') for line in
             (root / 'etc/group').read_text().splitlines())
    return {words[0]: set(filter(None, words[3].split(',')))
            for words in lines}


def directories(root: pathlib.Path) -> dict[str, tuple[str, str]]:
    """Owners and modes of the directories of the project, by path."""
    users = {words[2]: words[0] for words in (
        line.split(':') for line in
        (root / 'etc/passwd').read_text().splitlines())}
    found = {}
    for above in ('run', 'var/lib', 'var/log'):
        for path in (root / above).glob('nova-dmore*'):
            state = path.stat()
            found[str(path.relative_to(root))] = (
                users[str(state.st_uid)], stat.filemode(state.st_mode))
    return found


class EffectsTest(unittest.TestCase):

    def setUp(self) -> None:
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        # Others enter what a service of another user is to reach.
        self.folder.chmod(0o755)
        self.host = stack.Host(self.folder)
        done = self.host.run(*stack.STACK)
        self.assertEqual(0, done.status, done.output)
        apply(self.host.root, 'stack')
        self.cloud = self.folder / 'cloud'
        for here, there in installed._SHIPPED.items():
            path = self.cloud / 'etc' / there
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text((stack.REPOSITORY / 'etc' / here).read_text())
        (self.cloud / 'etc/sysusers.d/nova.conf').write_text(
            installed._SYSUSERS.replace(f'u {conf_compute.NOVA} ', '#'))
        apply(self.cloud, conf_compute.NOVA)

    def test_files(self) -> None:
        shipped = set(installed._SHIPPED.values())
        self.assertLess(_NOT_THERE, shipped)
        self.assertEqual(
            shipped - _NOT_THERE,
            {there for there in shipped
             if (self.host.root / 'etc' / there).is_file()})
        self.assertEqual(
            (self.cloud / 'etc/systemd/system' / _UNIT).read_text(),
            (self.host.root / 'etc/systemd/system' / _UNIT).read_text())

    def test_users(self) -> None:
        ours, theirs = members(self.host.root), members(self.cloud)
        self.assertEqual({'stack'}, ours['nova-dmore'])
        self.assertEqual({conf_compute.NOVA}, theirs['nova-dmore'])
        self.assertIn('nova-dmore', ours[conf_compute.QEMU])
        self.assertIn('nova-dmore', theirs[conf_compute.QEMU])
        # sysusers makes a user that a line names and that is not there.
        self.assertNotIn(f'\n{conf_compute.NOVA}:', (
            self.host.root / 'etc/passwd').read_text())

    def test_directories(self) -> None:
        ours, theirs = directories(self.host.root), directories(self.cloud)
        self.assertIn('run/nova-dmore', theirs)
        self.assertEqual(
            {path: (owner.replace('nova', 'stack')
                    if owner == conf_compute.NOVA else owner, mode)
             for path, (owner, mode) in theirs.items()}, ours)

    def test_unit(self) -> None:
        for name in (f'{stack.BIN}/nova-dmore-hostd', '/bin/kill'):
            program = self.host.root / name.lstrip('/')
            program.parent.mkdir(parents=True)
            program.write_text('#!/bin/sh\n')
            program.chmod(0o755)
        done = subprocess.run(
            ['systemd-analyze', 'verify', '--man=no', '--recursive-errors=no',
             f'--root={self.host.root}', _UNIT],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual((0, ''), (done.returncode, done.stdout))

    def test_unstack_and_clean_leave_none_of_it(self) -> None:
        for phase in (stack.UNSTACK, stack.CLEAN):
            self.assertEqual(0, self.host.run(phase).status)
        self.assertEqual({}, directories(self.host.root))
        self.assertEqual(
            [], [path for path in self.host.root.rglob('*nova-dmore*')])
