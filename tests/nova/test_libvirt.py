# SPDX-License-Identifier: Apache-2.0
"""What unittest finds here is Nova's; see the package."""

import importlib
import pkgutil
import unittest

# Wants to be the first of Nova's modules that is imported.
import nova.tests.functional  # noqa: F401

from tests.nova import stand_in

PACKAGES = 'nova.tests.unit.virt.libvirt', 'nova.tests.functional.libvirt'
#: What the other parts of Nova expect of each driver; it has tests of several.
CONTRACT = 'nova.tests.unit.virt.test_virt_drivers'


def load_tests(loader, _tests, _pattern) -> unittest.TestSuite:
    """Called by unittest."""
    stand_in.exchange()
    suite = unittest.TestSuite()
    for package in map(importlib.import_module, PACKAGES):
        for module in pkgutil.walk_packages(
                package.__path__, f'{package.__name__}.'):
            if module.name.rpartition('.')[2].startswith('test_'):
                suite.addTests(loader.loadTestsFromModule(
                    importlib.import_module(module.name)))
    suite.addTests(loader.loadTestsFromTestCase(
        importlib.import_module(CONTRACT).LibvirtConnTestCase))
    return suite
