# SPDX-License-Identifier: Apache-2.0
"""The example of the contributor guide is built into an image, and works."""

import asyncio
import importlib
import pathlib
import re
import shutil
import sys
import tempfile
import types
import unittest
from importlib import metadata
from unittest import mock

import nova_dmore
from nova_dmore.image_builder import root
from tests.unit.domr import pair

_GUIDE = (pathlib.Path(__file__).parents[2]
          / 'doc/source/contributor/add-a-server')
_MODULE = 'nova_dmore.domr.servers.watch'


def _entry_points():
    """As the guide has them in setup.cfg."""
    name, value = re.search(r'nova_dmore\.rms =\n\s+(\w+) = (\S+)',
                            (_GUIDE / 'index.rst').read_text()).groups()
    return [metadata.EntryPoint(name, value, root.RMS_GROUP)]


class BuiltTest(unittest.TestCase):

    def test_the_image_has_it_and_what_it_imports(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        package = pathlib.Path(temporary.name, 'nova_dmore')
        shutil.copytree(pathlib.Path(nova_dmore.__file__).parent, package,
                        ignore=shutil.ignore_patterns('virt', '__pycache__'))
        shutil.copy(_GUIDE / 'watch.py', package / 'domr' / 'servers')
        lines = root.server_lines(_entry_points())
        self.assertEqual([f'watch = {_MODULE}\n'], lines)
        with mock.patch.object(root, 'nova_dmore', types.SimpleNamespace(
                __file__=str(package / '__init__.py'))):
            files = set(map(str, root.agent_files(root.agent_modules(lines))))
        self.assertLess({'domr/servers/watch.py', 'domr/console.py',
                         'domr/agent.py'}, files)
        self.assertNotIn('domr/servers/ssh.py', files)


class RunTest(unittest.IsolatedAsyncioTestCase):

    async def asyncSetUp(self):
        spec = importlib.util.spec_from_file_location(
            _MODULE, _GUIDE / 'watch.py')
        self.module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.module)
        self.module.PORT = pair.free_port()
        for patch in (mock.patch.dict(sys.modules, {_MODULE: self.module}),
                      mock.patch.dict(pair.SERVERS, watch=_MODULE)):
            patch.start()
            self.addCleanup(patch.stop)

    async def _running(self, **changes):
        running = pair.Pair(pair.config(**changes))
        await self.enterAsyncContext(running)
        return running

    async def _connect(self):
        reader, writer = await asyncio.open_connection(
            '127.0.0.1', self.module.PORT)
        self.addCleanup(writer.close)
        return reader, writer

    async def test_output_is_shown_and_nothing_is_typed(self):
        running = await self._running()
        reader, writer = await self._connect()
        writer.write(b'reboot\n')
        running.print(b'login: ')
        self.assertEqual(b'login: ', await reader.readexactly(7))
        self.assertEqual(1, running.agent.servers['watch'].clients)
        self.assertEqual(b'', running.typed)
        writer.close()
        await running.until(
            lambda: running.agent.servers['watch'].clients == 0)

    async def test_other_networks_are_cut(self):
        running = await self._running(serial_networks=['10.0.0.0/8'])
        reader, _ = await self._connect()
        with self.assertRaises((ConnectionError,
                                asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        self.assertEqual(0, running.agent.servers['watch'].clients)
