# SPDX-License-Identifier: Apache-2.0
"""The image builder's parts that need neither root nor Debian's mirror."""

import contextlib
import io
import os
import pathlib
import subprocess
import tempfile
import unittest
from unittest import mock

from nova_dmore import exception
from nova_dmore.image_builder import build
from nova_dmore.image_builder import cli
from nova_dmore.image_builder import kernel
from nova_dmore.image_builder import root
from nova_dmore.image_builder import steps
from nova_dmore.image_builder import tree as tree_module
from tests.unit.image_builder import package_case


class ImageTest(package_case.PackageCase):

    def test_newest_headers(self) -> None:
        self.assertEqual('6.1.0-56-cloud-amd64', kernel.newest_headers([
            'linux-headers-6.1.0-9-cloud-amd64',
            'linux-headers-6.1.0-56-cloud-amd64',
            'linux-headers-6.1.0-57-amd64', 'linux-headers-6.1.0-56-common',
            'python']))
        with self.assertRaisesRegex(exception.ImageError, 'linux-headers'):
            kernel.newest_headers(['linux-headers-6.1.0-57-amd64'])

    def test_libraries_of(self) -> None:
        self.assertEqual(
            {'/lib/x86_64-linux-gnu/libc.so.6', '/lib64/ld-linux-x86-64.so.2'},
            root.libraries_of(
                '\tlinux-vdso.so.1 (0x00007ffd)\n'
                '\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)\n'
                '\t/lib64/ld-linux-x86-64.so.2 (0x00007f00)\n'))

    def test_recipe_changes_only_when_it_should(self) -> None:
        servers = ['ssh = nova_dmore.domr.servers.ssh\n']
        one = build.recipe('bookworm', [], servers)
        self.assertEqual(one, build.recipe('bookworm', [], servers))
        for other in (('trixie', [], servers), ('bookworm', ['x'], servers),
                      ('bookworm', [], [])):
            self.assertNotEqual(one, build.recipe(*other))

    def test_servers_of_other_packages(self) -> None:
        lines = ['acme = acme.server\n', *package_case.OWN]
        made = []
        for text, mode in (('1', 0o600), ('1', 0o755), ('2', 0o600)):
            folder = self.install({
                'acme/__init__.py': '', 'acme/server.py': text})
            (folder / 'acme/server.py').chmod(mode)
            root.copy_servers(folder / 'root', lines)
            copied = folder / 'root' / root.AGENT / 'acme'
            kernel.set_times(copied, 1000)
            made.append((
                build.recipe('bookworm', [], lines),
                [(path.name, path.stat().st_mode, path.read_text())
                 for path in sorted(copied.iterdir())]))
            self.assertEqual(
                ''.join(lines),
                (folder / 'root' / root.RMS_FILE).read_text())
        # Wherever and however they were installed.
        self.assertEqual(made[0], made[1])
        self.assertNotEqual(made[0][0], made[2][0])
        self.assertEqual([('__init__.py', 0o100644, ''),
                          ('server.py', 0o100644, '2')], made[2][1])

    def test_made_where_it_will_be(self) -> None:
        # /tmp may be small, or without device files.
        with tempfile.TemporaryDirectory() as folder, \
                mock.patch.object(os, 'geteuid', return_value=0), \
                mock.patch.object(tree_module.Tree, 'unpack',
                                  autospec=True) as unpack:
            unpack.side_effect = exception.ImageError('no mirror')
            output = pathlib.Path(folder, 'output')
            with self.assertRaisesRegex(exception.ImageError, 'no mirror'):
                build.build(output, print)
            tree = unpack.call_args[0][0]
            self.assertEqual(output, tree.path.parents[1])
            self.assertEqual([], list(output.iterdir()))

    def test_failed_tool_is_quoted(self) -> None:
        with self.assertRaisesRegex(exception.ImageError,
                                    'status 3. Try this.\\nwhy'):
            steps.run(['sh', '-c', 'echo why >&2; exit 3'], 'Try this.')
        with self.assertRaisesRegex(exception.ImageError, 'bindep'):
            steps.run(['/no/such/tool'])

    def test_set_times_fixes_modes(self) -> None:
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory)
            (path / 'a').touch(0o600)
            (path / 'b').touch(0o700)
            (path / 'dangling').symlink_to('nowhere')
            kernel.set_times(path, 1000)
            self.assertEqual(
                [0o644, 0o755],
                [(path / name).stat().st_mode & 0o7777 for name in 'ab'])
            self.assertEqual(1000, (path / 'dangling').lstat().st_mtime)

    def test_scripts_parse(self) -> None:
        files = pathlib.Path(kernel.__file__).parent / 'files'
        subprocess.run(['sh', '-n', str(files / 'initramfs-init')],
                       check=True)


class CommandTest(unittest.TestCase):

    def test_suite_and_mirrors(self) -> None:
        with tempfile.NamedTemporaryFile() as file, mock.patch.object(
                build, 'build', return_value=pathlib.Path(file.name)) as made:
            for words, expected in (
                    ([], ('bookworm', [])),
                    (['--suite', 'trixie', '--mirror', 'http://x/debian',
                      '--mirror', 'deb http://y s main'],
                     ('trixie', ['http://x/debian', 'deb http://y s main']))):
                self.assertEqual(0, cli.main(['build', *words]))
                self.assertEqual(expected, made.call_args.args[3:])

    def test_a_directory_that_cannot_be(self) -> None:
        with contextlib.redirect_stderr(io.StringIO()) as said, \
                mock.patch('os.geteuid', return_value=0):
            self.assertEqual(
                1, cli.main(['build', '--output', '/dev/null/x']))
        self.assertIn('nova-dmore-image: --output: ', said.getvalue())
        self.assertIn('/dev/null/x', said.getvalue())

    def test_release_that_nobody_has_tried(self) -> None:
        with self.assertRaises(SystemExit), \
                contextlib.redirect_stderr(io.StringIO()) as said:
            cli.main(['build', '--suite', 'noble'])
        self.assertIn('bookworm', said.getvalue())
