# SPDX-License-Identifier: Apache-2.0
"""What unittest finds here is Nova's; see the package."""

import importlib
import pkgutil
import unittest

# Wants to be the first of Nova's modules that is imported.
import nova.tests.functional  # noqa: F401
from nova.tests.fixtures import libvirt as fakelibvirt
from nova.virt import libvirt
from nova.virt.libvirt import driver as stock

from nova_dmore.virt.care import reconcile
from nova_dmore.virt import driver
from nova_dmore.virt import where

PACKAGES = 'nova.tests.unit.virt.libvirt', 'nova.tests.functional.libvirt'


class Connection(fakelibvirt.Connection):
    """Nova's fake, which answers what this driver asks besides."""

    def domainXMLToNative(self, kind, xml, flags=0):
        return '/usr/bin/qemu'


def exchange() -> None:
    """Have everybody who asks for Nova's driver get this one."""
    fakelibvirt.Connection = Connection
    # The fake has errors of its own kind.
    where.libvirt = reconcile.libvirt = fakelibvirt
    stock.LibvirtDriver = libvirt.LibvirtDriver = driver.DMoreDriver


def load_tests(loader, _tests, _pattern) -> unittest.TestSuite:
    """Called by unittest."""
    exchange()
    suite = unittest.TestSuite()
    for package in map(importlib.import_module, PACKAGES):
        for module in pkgutil.walk_packages(
                package.__path__, f'{package.__name__}.'):
            if module.name.rpartition('.')[2].startswith('test_'):
                suite.addTests(loader.loadTestsFromModule(
                    importlib.import_module(module.name)))
    return suite
