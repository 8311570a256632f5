# SPDX-License-Identifier: Apache-2.0
"""What this package assumes of Nova's private parts, checked against Nova."""

import ast
import importlib
import inspect
import pathlib

from nova.console import type as console_type
from nova.virt.libvirt import driver as libvirt_driver
from nova.virt.libvirt import guest as stock_guest
from nova.virt.libvirt import host

from nova_dmore import virt
from nova_dmore.virt import driver
from nova_dmore.virt import inventory
from nova_dmore.virt.migration import driver as migration_driver
from nova_dmore.virt.migration import guest
from tests.unit.virt import fakes

#: Our classes that extend one of Nova's.
CLASSES = {driver.DMoreDriver: libvirt_driver.LibvirtDriver,
           migration_driver.MigratingDriver: libvirt_driver.LibvirtDriver,
           inventory.DMoreHost: host.Host}


def _parameters(function):
    """Names, kinds and defaults: what a caller depends on."""
    return [(parameter.name, parameter.kind, parameter.default)
            for parameter in inspect.signature(function).parameters.values()]


def _overridden(ours, stock):
    return [name for name in vars(ours)
            if name in dir(stock) and not (
                name.startswith('__') and name != '__init__')]


def _source(module):
    return ast.parse(pathlib.Path(inspect.getsourcefile(module)).read_text())


def _self_attributes(node):
    """Names that are read of ``self`` and of ``super()`` in a class."""
    names = set()
    for child in ast.walk(node):
        if not isinstance(child, ast.Attribute):
            continue
        of = child.value
        if isinstance(of, ast.Name) and of.id == 'self' or (
                isinstance(of, ast.Call) and
                isinstance(of.func, ast.Name) and of.func.id == 'super'):
            names.add(child.attr)
    return names


def _assigned(node):
    """Names that are assigned to ``self`` in a class."""
    return {child.attr for child in ast.walk(node)
            if isinstance(child, ast.Attribute)
            and isinstance(child.ctx, ast.Store)
            and isinstance(child.value, ast.Name)
            and child.value.id == 'self'}


class SignatureTest(fakes.TestCase):

    def test_overridden_methods_have_novas_signature(self):
        for ours, stock in CLASSES.items():
            for name in _overridden(ours, stock):
                self.assertEqual(
                    _parameters(getattr(stock, name)),
                    _parameters(getattr(ours, name)),
                    f'{ours.__name__}.{name}')

    def test_they_are_the_ones_that_are_meant(self):
        # A method that Nova renames would no longer be called.
        self.assertEqual(
            {'__init__', 'init_host', 'cleanup_host', 'emit_event',
             'get_available_resource', 'update_provider_tree',
             '_create_guest',
             'get_vnc_console', 'get_serial_console',
             'get_console_output', 'resume', '_cleanup',
             'destroy', '_hard_reboot', 'migrate_disk_and_power_off',
             'confirm_migration'},
            set(_overridden(driver.DMoreDriver,
                            libvirt_driver.LibvirtDriver)))
        self.assertEqual(
            {'check_can_live_migrate_destination',
             'pre_live_migration', 'post_live_migration_at_destination',
             'live_migration',
             'live_migration_abort',
             '_live_migration_operation', '_live_migration_monitor'},
            set(_overridden(migration_driver.MigratingDriver,
                            libvirt_driver.LibvirtDriver)))
        self.assertEqual(
            {'list_instance_domains', '_event_emit_delayed'},
            set(_overridden(inventory.DMoreHost, host.Host)))

    def test_static_methods_stay_static(self):
        for ours, stock in CLASSES.items():
            for name in _overridden(ours, stock):
                self.assertIs(
                    type(inspect.getattr_static(stock, name)),
                    type(inspect.getattr_static(ours, name)), name)

    def test_no_method_is_added_that_nova_calls(self):
        # A name that a base class gets later would be overridden silently;
        # so what is new is private.
        for ours, stock in CLASSES.items():
            for name in vars(ours):
                if name not in dir(stock) and not name.startswith('__'):
                    self.assertTrue(name.startswith('_'), name)


class AttributeTest(fakes.TestCase):

    def _class(self, module, name):
        return next(node for node in _source(module).body
                    if isinstance(node, ast.ClassDef) and node.name == name)

    def test_attributes_of_nova_exist(self):
        for ours, stock in CLASSES.items():
            node = self._class(
                importlib.import_module(ours.__module__), ours.__name__)
            stock_node = ast.Module(
                body=[self._class(importlib.import_module(base.__module__),
                                  base.__name__)
                      for base in stock.__mro__[:-1]], type_ignores=[])
            known = (set(dir(ours)) | set(inspect.get_annotations(ours))
                     | _assigned(node) | _assigned(stock_node))
            self.assertEqual(set(), _self_attributes(node) - known,
                             ours.__name__)

    def test_what_the_methods_for_a_migration_use_is_assigned(self):
        used = set(inspect.get_annotations(migration_driver.MigratingDriver))
        self.assertLess({'_pairs'}, used)
        self.assertLessEqual(
            used, _assigned(self._class(driver, 'DMoreDriver')))

    def test_the_scan_sees_an_unknown_attribute(self):
        node = ast.parse('class A:\n def f(self):\n'
                         '  self._a()\n  super()._b()\n  self.c = 1')
        self.assertEqual({'_a', '_b', 'c'}, _self_attributes(node))
        self.assertEqual({'c'}, _assigned(node))

    def test_host_and_vif_driver_are_where_the_driver_replaces_them(self):
        stock = self._class(libvirt_driver, 'LibvirtDriver')
        self.assertLessEqual({'_host', 'vif_driver'}, _assigned(stock))
        for name in ('LibvirtGenericVIFDriver',):
            self.assertTrue(hasattr(libvirt_driver.libvirt_vif, name))

    def test_what_is_called_of_novas_modules_exists(self):
        # Every ``module.name`` of a module of Nova that virt/ imports.
        checked = 0
        for path in sorted(pathlib.Path(virt.__path__[0]).rglob('*.py')):
            tree = ast.parse(path.read_text())
            modules = {}
            for node in ast.walk(tree):
                if isinstance(node, ast.ImportFrom) and (
                        (node.module or '').split('.')[0] in
                        ('nova', 'libvirt', 'neutronclient',
                         'glanceclient')):
                    for alias in node.names:
                        modules[alias.asname or alias.name] = (
                            self._import(node.module, alias.name))
            for node in ast.walk(tree):
                if (isinstance(node, ast.Attribute)
                        and isinstance(node.value, ast.Name)
                        and node.value.id in modules):
                    checked += 1
                    self.assertTrue(
                        hasattr(modules[node.value.id], node.attr),
                        f'{path.name}: {node.value.id}.{node.attr}')
        self.assertGreater(checked, 20)

    @staticmethod
    def _import(module, name):
        try:
            return importlib.import_module(f'{module}.{name}')
        except ModuleNotFoundError:
            return getattr(importlib.import_module(module), name)


class ParameterTest(fakes.TestCase):

    def test_guest_migrate(self):
        # CoMigratingGuest.migrate passes these on, and reads some.
        parameters = inspect.signature(stock_guest.Guest.migrate).parameters
        self.assertEqual('destination', list(parameters)[1])
        self.assertLessEqual(
            {'migrate_uri', 'destination_xml', 'flags', 'bandwidth'},
            set(parameters))
        self.assertIn('destination', inspect.signature(
            guest.CoMigratingGuest.migrate).parameters)

    def test_other_methods_of_the_guest(self):
        for name, method in vars(guest.CoMigratingGuest).items():
            if not name.startswith('_') and name != 'migrate':
                self.assertEqual(
                    _parameters(getattr(stock_guest.Guest, name)),
                    _parameters(method), name)

    def test_console_log(self):
        self.assertEqual(
            ['self', 'instance', 'console_log'],
            list(inspect.signature(libvirt_driver.LibvirtDriver.
                                   _get_console_output_file).parameters))
        self.assertIsInstance(
            inspect.getattr_static(libvirt_driver.LibvirtDriver,
                                   '_get_console_log_path'), staticmethod)

    def test_console_type(self):
        console = console_type.ConsoleSerial(host='h', port=1)
        self.assertEqual(('h', 1), (console.host, console.port))
