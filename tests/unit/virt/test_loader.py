# SPDX-License-Identifier: Apache-2.0

import importlib
import os
import pathlib
import subprocess
import sys
import textwrap
from unittest import mock

import fixtures
from os_vif.objects import host_info

from nova_dmore.virt import loader
from tests.unit.virt import fakes


def _python(code, *arguments, **options):
    """Run code in a new interpreter; what it printed."""
    return subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', textwrap.dedent(code),
         *arguments],
        check=True, capture_output=True, text=True, **options).stdout.strip()


class FinderTest(fakes.TestCase):

    def test_only_one_name(self):
        finder = loader._AliasFinder()
        self.assertIsNotNone(finder.find_spec('nova.virt.dmore'))
        for name in ('nova.virt.dmore.driver', 'nova.virt.dmor', 'dmore',
                     'nova.virt', 'nova_dmore.virt.dmore',
                     'nova.virt.libvirt'):
            self.assertIsNone(finder.find_spec(name))

    def test_registered_once(self):
        loader.register()
        loader.register()
        self.assertEqual(1, len([
            finder for finder in sys.meta_path
            if isinstance(finder, loader._AliasFinder)]))

    def test_the_driver_is_there(self):
        module = importlib.import_module('nova.virt.dmore')
        driver = importlib.import_module('nova_dmore.virt.driver')
        self.assertIs(driver.DMoreDriver, module.DMoreDriver)
        self.assertEqual('nova_dmore.virt.driver', driver.__spec__.name)

    def test_other_names_beside_it_are_not_found(self):
        self.assertRaises(ModuleNotFoundError,
                          importlib.import_module, 'nova.virt.dmore2')


class ServiceTest(fakes.TestCase):

    def test_nothing_without_the_plug_in(self):
        # Otherwise the tests below would show nothing.
        self.assertEqual('missing', _python('''
            try:
                import nova.virt.dmore
            except ModuleNotFoundError:
                print('missing')
            '''))

    def test_as_nova_compute_does_it(self):
        # os_vif.initialize() loads the entry points of the group os_vif,
        # then Nova imports nova.virt.<compute_driver>. nova.virt is a
        # regular package.
        self.assertEqual('DMoreDriver', _python('''
            import os_vif
            from oslo_utils import importutils
            import nova.virt
            assert nova.virt.__file__.endswith('__init__.py')
            os_vif.initialize()
            import nova.virt.driver
            print(importutils.import_class(
                'nova.virt.dmore.DMoreDriver').__name__)
            '''))


class VersionTest(fakes.TestCase):

    def _require(self, version):
        with mock.patch('importlib.metadata.version', return_value=version):
            loader._require_known_nova()

    def test_known(self):
        for version in ('33.0.2', '34.0.0', '34.1.0.dev120', '0.0.1.dev1'):
            self._require(version)

    def test_others_are_refused_in_one_line(self):
        for version in ('32.2.1', '35.0.0'):
            with self.assertLogs(loader.LOG.logger, 'CRITICAL') as logs:
                self.assertRaises(SystemExit, self._require, version)
            message, = logs.output
            self.assertIn(version, message)
            self.assertIn('2026.1', message)

    def test_asked_before_the_driver_is_loaded(self):
        module = importlib.machinery.ModuleSpec(loader.ALIAS, None)
        with mock.patch('importlib.metadata.version', return_value='35.0.0'):
            self.assertRaises(SystemExit, loader._AliasFinder().exec_module,
                              module)

    def test_pip_leaves_nova_as_it_is(self):
        path = pathlib.Path(loader.__file__).parents[2] / 'requirements.txt'
        self.assertNotRegex(path.read_text(), r'(?m)^nova\b')


class ThreadsTest(fakes.TestCase):

    def _load(self, backend='auto', **variables):
        """Load the driver as nova-compute does, with a value of
        ``concurrency_backend``; what it said, and its exit status."""
        path = os.path.join(self.useFixture(fixtures.TempDir()).path, 'conf')
        with open(path, 'w') as conf:
            conf.write(f'[DEFAULT]\nconcurrency_backend = {backend}\n')
        environment = {
            name: value for name, value in os.environ.items()
            if name != 'OS_NOVA_DISABLE_EVENTLET_PATCHING'} | variables
        return _python('''
            from nova import monkey_patch; monkey_patch.patch('threading')
            import logging, sys
            logging.basicConfig(stream=sys.stdout, format='%(message)s',
                                level=logging.ERROR)
            import nova.conf
            nova.conf.CONF([], default_config_files=[])
            import os_vif
            os_vif.initialize()
            from nova.virt import driver
            nova.conf.CONF.set_override('compute_driver', 'dmore.DMoreDriver')
            try:
                print(type(driver.load_compute_driver(None)).__name__)
            except SystemExit as error:
                print(error.code)
            ''', '--config-file', path, env=environment)

    def _refused_in_one_line(self, said):
        message, status = said.splitlines()
        self.assertIn('concurrency_backend', message)
        self.assertEqual('1', status)

    def test_eventlet_of_the_environment(self):
        self._refused_in_one_line(
            self._load(OS_NOVA_DISABLE_EVENTLET_PATCHING='false'))

    def test_eventlet_of_the_option(self):
        if 'concurrency_backend' not in self.conf:
            self.skipTest('Nova 2026.1 has no such option')
        self._refused_in_one_line(self._load('eventlet'))

    def test_native_threads(self):
        self.assertEqual('DMoreDriver', self._load())


class PluginTest(fakes.TestCase):

    def test_supports_no_vif(self):
        info = loader.DMorePlugin(None).describe()
        self.assertEqual('dmore', info.plugin_name)
        self.assertEqual([], info.vif_info)
        self.assertIsInstance(info, host_info.HostPluginInfo)
