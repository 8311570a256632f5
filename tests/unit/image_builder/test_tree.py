# SPDX-License-Identifier: Apache-2.0
"""Where the image is made, as far as nothing is unpacked."""

import pathlib
import platform
import re
import tempfile
import unittest
from unittest import mock

from nova_dmore.domr.init import build as init_build
from nova_dmore import exception
from nova_dmore.image_builder import kernel
from nova_dmore.image_builder import steps
from nova_dmore.image_builder import tree as tree_module

_REPOSITORY = pathlib.Path(__file__).parents[3]


class SourcesTest(unittest.TestCase):

    def of(self, suite: str, *mirrors: str, **release: str) -> list[str]:
        with mock.patch.object(platform, 'freedesktop_os_release',
                               return_value=release), \
                mock.patch.object(tree_module, '_APT_SOURCES',
                                  (pathlib.Path('/none'), pathlib.Path('/'))):
            return tree_module.sources_for(suite, mirrors)

    def test_of_this_machine_if_it_has_the_release(self) -> None:
        self.assertEqual(['/'], self.of('bookworm', ID='debian',
                                        VERSION_CODENAME='bookworm'))

    def test_debian_s_on_all_others(self) -> None:
        for release in ({'ID': 'ubuntu', 'VERSION_CODENAME': 'noble'},
                        {'ID': 'debian', 'VERSION_CODENAME': 'trixie'}, {}):
            self.assertEqual([], self.of('bookworm', **release))

    def test_those_that_are_given(self) -> None:
        self.assertEqual(['http://a', 'deb http://b s main'], self.of(
            'bookworm', 'http://a', 'deb http://b s main', ID='debian',
            VERSION_CODENAME='bookworm'))


class TreeTest(unittest.TestCase):

    def setUp(self) -> None:
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = pathlib.Path(folder.name)
        self.tree = tree_module.Tree(self.path, 1700000000)
        patched = mock.patch.object(steps, 'run', side_effect=self.ran)
        patched.start()
        self.addCleanup(patched.stop)
        self.commands: list[list[str]] = []
        self.devices = True

    def ran(self, argv, advice='', env=None) -> str:
        self.commands.append(list(argv))
        self.environment = env
        if argv[0] == 'mmdebstrap' and self.devices:
            (self.path / 'dev').mkdir()
            (self.path / 'dev/null').symlink_to('/dev/null')
        return 'Acquire::http::Proxy "http://p";\n'

    def test_nothing_is_taken_from_the_machine(self) -> None:
        self.tree.unpack('trixie', ['http://m/debian'])
        command = self.commands[-1]
        self.assertEqual(['trixie', str(self.path), 'http://m/debian'],
                         command[-3:])
        self.assertIn('--aptopt=Acquire::http::Proxy "http://p";', command)
        packages = next(word for word in command
                        if word.startswith('--include=')).split(',')
        for name in ('gcc', 'linux-headers-cloud-amd64', 'squashfs-tools',
                     'python3-cffi', 'openssl-provider-legacy',
                     *init_build.PACKAGES):
            self.assertIn(name, packages)
        self.assertEqual('usr/lib', str((self.path / 'lib').readlink()))

    def test_where_no_device_files_can_be_made(self) -> None:
        self.devices = False
        with self.assertRaisesRegex(exception.ImageError, 'nodev.*--output'):
            self.tree.unpack('trixie', ['http://m/debian'])

    def test_all_but_what_unpacks_is_run_in_the_tree(self) -> None:
        # What the machine itself has to have is in bindep.txt.
        programs = set()
        for path in (_REPOSITORY / 'nova_dmore/image_builder').glob('*.py'):
            programs |= set(re.findall(r"steps\.run\(\s*\[?'([\w-]+)'",
                                       path.read_text()))
        self.assertEqual({'apt-config', 'chroot', 'mmdebstrap'},
                         programs | {'chroot'})
        self.assertIn('mmdebstrap [platform:dpkg image',
                      (_REPOSITORY / 'bindep.txt').read_text())

    def test_run(self) -> None:
        self.tree.run(['make', 'x'])
        self.assertEqual([['chroot', str(self.path), 'make', 'x']],
                         self.commands)
        self.assertEqual(
            {'PATH': '/usr/sbin:/usr/bin', 'LC_ALL': 'C.UTF-8',
             'PYTHONHASHSEED': '0', 'SOURCE_DATE_EPOCH': '1700000000'},
            self.environment)

    def test_place_of_what_is_in_it(self) -> None:
        work = self.tree.work('module')
        self.assertTrue(work.is_dir())
        self.assertEqual('/build/module', str(self.tree.place(work)))

    def test_sources_have_the_same_place_on_all_machines(self) -> None:
        for _again in range(2):
            self.assertEqual('/build/nova_dmore/domr/init',
                             str(self.tree.place(init_build.FOLDER)))
        self.assertTrue(
            (self.path / 'build/nova_dmore/domr/init/main.c').is_file())

    def test_programs_are_compiled_in_it(self) -> None:
        self._have_python()
        made = init_build.compile_init(self.tree.work('native'), self.tree)
        self.assertEqual(self.path / 'build/native/init', made)
        compiler = self.commands[0]
        self.assertEqual(['chroot', str(self.path), 'gcc'], compiler[:3])
        self.assertIn('-ffile-prefix-map=/build/nova_dmore/domr/init=.',
                      compiler)
        self.assertIn('-DPYTHON="/usr/bin/python3.13"', compiler)
        self.assertNotIn(str(self.path), ' '.join(compiler[3:]))

    def _have_python(self) -> None:
        (self.path / 'usr/bin').mkdir(parents=True)
        (self.path / 'usr/bin/python3').symlink_to('python3.13')

    def test_python(self) -> None:
        with self.assertRaises(exception.ImageError):
            self.tree.interpreter
        self._have_python()
        self.assertEqual('/usr/bin/python3.13', self.tree.interpreter)

    def test_kernel(self) -> None:
        (self.path / 'usr/src/linux-headers-6.1.0-9-cloud-amd64').mkdir(
            parents=True)
        self.assertEqual('6.1.0-9-cloud-amd64', kernel.version_in(self.tree))
