# SPDX-License-Identifier: Apache-2.0
"""Which servers an image gets, and of which files."""

import pathlib
import py_compile
import subprocess
import sys
from importlib import machinery
from importlib import metadata

from nova_dmore import exception
from nova_dmore.image_builder import servers
from tests.unit.image_builder import package_case

_LINE = 'acme = acme_console.servers.main'
_LINES = [f'{_LINE}\n', *package_case.OWN]
_INIT = {'acme_console/__init__.py': '',
         'acme_console/servers/__init__.py': ''}
_MAIN = 'acme_console/servers/main.py'


def _point(name: str, value: str) -> metadata.EntryPoint:
    return metadata.EntryPoint(name, value, servers.RMS_GROUP)


_SSH = _point('ssh', 'nova_dmore.a')


class LinesTest(package_case.PackageCase):

    def assert_refused(self, reason: str,
                       *points: metadata.EntryPoint) -> None:
        with self.assertRaisesRegex(exception.ImageError, reason):
            servers.lines_for(points)

    def test_of_all_packages(self) -> None:
        self.assertEqual(
            ['acme = elsewhere.c\n', 'serial = nova_dmore.b\n',
             'ssh = nova_dmore.a\n'],
            servers.lines_for([_SSH, _point('serial', 'nova_dmore.b'),
                               _point('acme', 'elsewhere.c'), _SSH]))

    def test_ours_are_needed(self) -> None:
        self.assert_refused('pip install', _point('acme', 'elsewhere.c'))
        self.assert_refused('pip install', _point('acme', 'nova_dmoreover.c'))

    def test_one_of_each_name(self) -> None:
        self.assert_refused('"ssh = elsewhere.c".*nova_dmore.a has the same',
                            _SSH, _point('ssh', 'elsewhere.c'))

    def test_a_module_and_nothing_in_it(self) -> None:
        for value in ('elsewhere.c:start', 'elsewhere.c [extra]', 'a;b', ''):
            self.assert_refused('name a module', _SSH, _point('acme', value))

    def test_no_field_of_a_message(self) -> None:
        for name in ('type', 'boot_s', 'a b', 'x' * 65, 'é', ''):
            self.assert_refused('its name', _SSH, _point(name, 'elsewhere.c'))


class FilesTest(package_case.PackageCase):

    def _files(self, main: str, more: dict[str, str] = {}) -> dict[str, str]:
        """Files of other packages in an image, and what is in them."""
        self.install({**_INIT, _MAIN: main, **more})
        return {str(place): path.read_text()
                for place, path in servers.files(_LINES).items()
                if place.parts[0] != 'nova_dmore'}

    def assert_refused(self, reason: str) -> None:
        with self.assertRaisesRegex(exception.ImageError,
                                    f'(?s)"{_LINE}".*{reason}'):
            servers.files(_LINES)

    def test_ours_are_exactly_what_the_agent_loads(self) -> None:
        lines = ['ssh = nova_dmore.domr.servers.ssh\n',
                 'serial = nova_dmore.domr.servers.serial_tcp\n',
                 'vnc = nova_dmore.domr.servers.vnc.server\n']
        folder = pathlib.Path(servers.__file__).parents[2]
        modules = [servers.AGENT_MODULE, *map(servers.module_of, lines)]
        done = subprocess.run(
            [sys.executable, '-c', f'import sys, {", ".join(modules)}\n'
             'for name, module in sys.modules.items():\n'
             '    print(name, getattr(module, "__file__", None))'],
            check=True, stdout=subprocess.PIPE, text=True, cwd=folder)
        loaded = dict(line.split(' ', 1) for line in done.stdout.splitlines())
        self.assertEqual(
            sorted(pathlib.Path(path).relative_to(folder)
                   for name, path in loaded.items()
                   if name.partition('.')[0] == 'nova_dmore'),
            list(servers.files(lines)))
        for name in loaded:
            self.assertNotIn(name.partition('.')[0],
                             ('nova', 'oslo_config', 'libvirt', 'stevedore',
                              'cffi'))

    def test_what_a_server_imports_of_its_package(self) -> None:
        main = ('import json, asyncssh, acme_other.thing\n'
                'from acme_console import lines\n'
                'from acme_console.servers import absent\n'
                'def later():\n    from .. import late, data\n'
                'raise Exception("this machine runs it")\n')
        self.assertEqual(
            {**_INIT, _MAIN: main, 'acme_console/lines.py': '1',
             'acme_console/late.py': '2'},
            self._files(main, {
                'acme_console/lines.py': '1', 'acme_console/late.py': '2',
                'acme_console/unused.py': '', 'acme_console/data/table': '',
                'acme_other/__init__.py': '', 'acme_other/thing.py': ''}))

    def test_what_a_server_imports_of_ours(self) -> None:
        self._files('import nova_dmore.channel.carry_over, nova_dmore.wire')
        self.assertIn(pathlib.PurePath('nova_dmore/channel/carry_over.py'),
                      servers.files(_LINES))

    def test_what_is_not_in_domain_r(self) -> None:
        with self.assertRaisesRegex(
                exception.ImageError,
                f'"{_LINE}".*nova_dmore.places, which is not in Domain R'):
            self._files('def later():\n    import nova_dmore.places')

    def test_not_there(self) -> None:
        self.assert_refused('cannot be imported.*there is no acme_console')
        self.install(_INIT)
        self.assert_refused('cannot be imported.*Install its package')

    def test_in_no_package(self) -> None:
        self.install({'acme_console.py': ''})
        self.assert_refused('no directory with an __init__.py')

    def test_in_a_namespace(self) -> None:
        self.install({_MAIN: ''})
        self.assert_refused('no directory with an __init__.py')

    def test_a_directory_of_the_package_is_none(self) -> None:
        self.install({'acme_console/__init__.py': '', _MAIN: ''})
        self.assert_refused('cannot be imported.*an __init__.py each')

    def test_no_python(self) -> None:
        self.install({**_INIT, _MAIN: 'no python'})
        self.assert_refused('cannot be imported.*invalid syntax')

    def test_compiled_in_c(self) -> None:
        suffix = machinery.EXTENSION_SUFFIXES[0]
        self.install({**_INIT, _MAIN: 'from acme_console import fast',
                      f'acme_console/fast{suffix}': ''})
        self.assert_refused(f'acme_console/fast{suffix} is compiled')

    def test_compiled_python(self) -> None:
        folder = self.install({**_INIT, _MAIN: 'a = 1'})
        py_compile.compile(str(folder / _MAIN),
                           str((folder / _MAIN).with_suffix('.pyc')))
        (folder / _MAIN).unlink()
        self.assert_refused('main.pyc is compiled')

    def test_limited(self) -> None:
        more = {'acme_console/big.py': '#' * servers.OTHERS_MAX}
        self._files('', more)       # nothing imports it
        with self.assertRaisesRegex(exception.ImageError,
                                    f'{_LINE}.*import less'):
            self._files('from acme_console import big', more)
