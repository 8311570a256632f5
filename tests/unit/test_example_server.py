# SPDX-License-Identifier: Apache-2.0
"""The example of the contributor guide is put into an image, and works."""

import asyncio
import importlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

from nova_dmore.domr.servers import rms
from nova_dmore.image_builder import root
from tests.unit import as_installed
from tests.unit.domr import pair

_GUIDE = as_installed.ROOT / 'doc/source/contributor/add-a-server'
_MODULE = 'dmore_watch.server'

#: What the builder does; it tells what it has loaded.
_BUILD = '''
import pathlib, sys
from nova_dmore.image_builder import root, servers
root.copy_servers(pathlib.Path(sys.argv[1]), servers.installed())
print(*sys.modules)
'''
#: What the agent does, where nothing but the image is.
_LOAD = '''
import importlib, pathlib, sys
from nova_dmore.domr.servers import rms
servers = rms.modules(pathlib.Path(sys.argv[1]))
module = importlib.import_module(servers['watch'])
print(module.start.__module__, module.__file__, rms.__file__)
'''


def _python(folder, *arguments, **environment):
    return subprocess.run(
        [sys.executable, '-W', 'ignore', *map(str, arguments)], check=True,
        cwd=folder, stdout=subprocess.PIPE, text=True,
        env={**os.environ, **environment}).stdout


class ExampleCase(unittest.TestCase):
    """The example is installed, and in a root directory."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temporary.cleanup)
        cls.folder = pathlib.Path(temporary.name)
        installed, source = cls.folder / 'installed', cls.folder / 'source'
        shutil.copytree(_GUIDE, source)
        # As pip does with its wheel, for which it wants the network.
        _python(source, '-c', 'import setuptools; setuptools.setup()', '-q',
                'install_lib', '--install-dir', installed,
                'install_egg_info', '--install-dir', installed,
                PYTHONDONTWRITEBYTECODE='')
        as_installed.make(installed)
        cls.tree = cls.folder / 'tree'
        # stevedore notes what is installed in the user's cache.
        cls.loaded = _python(
            cls.folder, '-c', _BUILD, cls.tree,
            PYTHONPATH=f'{installed}:{as_installed.ROOT}',
            XDG_CACHE_HOME=str(cls.folder / 'cache')).split()
        cls.listed = cls.tree / root.RMS_FILE
        cls.agent = cls.tree / root.AGENT


class BuiltTest(ExampleCase):

    def test_the_image_has_it_and_what_it_imports(self):
        self.assertEqual(
            ['serial = nova_dmore.domr.servers.serial_tcp',
             'ssh = nova_dmore.domr.servers.ssh',
             'vnc = nova_dmore.domr.servers.vnc.server',
             f'watch = {_MODULE}'], self.listed.read_text().splitlines())
        for name in ('dmore_watch/__init__.py', 'dmore_watch/server.py'):
            self.assertEqual((_GUIDE / name).read_bytes(),
                             (self.agent / name).read_bytes())
        self.assertEqual(2, len(list(self.agent.glob('dmore_watch/**/*'))))

    def test_the_builder_loads_nothing_of_it(self):
        self.assertIn('stevedore.named', self.loaded)
        for name in ('dmore_watch', _MODULE, 'nova_dmore.domr.servers.ssh'):
            self.assertNotIn(name, self.loaded)

    def test_nothing_but_the_image_is_needed(self):
        self.assertEqual(
            [_MODULE, str(self.agent / 'dmore_watch/server.py'),
             str(self.agent / 'nova_dmore/domr/servers/rms.py')],
            _python(self.folder, '-S', '-B', '-c', _LOAD, self.listed,
                    PYTHONPATH=str(self.agent)).split())


class RunTest(ExampleCase, unittest.IsolatedAsyncioTestCase):

    async def asyncSetUp(self):
        # After this tree: of the image, what is nowhere else.
        for patch in (mock.patch.object(sys, 'path',
                                        [*sys.path, str(self.agent)]),
                      mock.patch.dict(sys.modules)):
            patch.start()
            self.addCleanup(patch.stop)
        servers = rms.modules(self.listed)
        self.servers = {name: servers[name]
                        for name in (*pair.SERVERS, 'watch')}
        importlib.import_module(_MODULE).PORT = self.port = pair.free_port()

    async def _running(self, **changes):
        running = pair.Pair(pair.config(**changes), self.servers)
        await self.enterAsyncContext(running)
        return running

    async def _connect(self):
        reader, writer = await asyncio.open_connection(
            '127.0.0.1', self.port)
        self.addCleanup(writer.close)
        return reader, writer

    async def test_output_is_shown_and_nothing_is_typed(self):
        running = await self._running()
        reader, writer = await self._connect()
        writer.write(b'reboot\n')
        running.print(b'login: ')
        self.assertEqual(b'login: ', await reader.readexactly(7))
        self.assertEqual(1, running.servers['watch'].clients)
        self.assertEqual(b'', running.typed)
        writer.close()
        await running.until(
            lambda: running.servers['watch'].clients == 0)

    async def test_other_networks_are_cut(self):
        running = await self._running(serial_networks=['10.0.0.0/8'])
        reader, _ = await self._connect()
        with self.assertRaises((ConnectionError,
                                asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        self.assertEqual(0, running.servers['watch'].clients)
