# SPDX-License-Identifier: Apache-2.0
"""``DMoreDriver`` in the place of Nova's driver, for Nova's own tests."""

import functools

import fixtures
import libvirt as real_libvirt
import nova.conf
from nova import test
from nova.tests.fixtures import libvirt as fakelibvirt
from nova.virt import libvirt
from nova.virt.libvirt import driver as stock
from nova.virt.libvirt import host

from nova_dmore.client import host_service
from nova_dmore import conf as dmore_conf
from nova_dmore import exception
from nova_dmore.virt.care import reconcile
from nova_dmore.virt.checks import start as start_checks
from nova_dmore.virt import driver
from nova_dmore.virt import inventory
from nova_dmore.virt import where
from tests.unit.virt import fake_host


class Connection(fakelibvirt.Connection):
    """Nova's fake, which answers what this driver asks besides."""

    def domainXMLToNative(self, kind, xml, flags=0):
        return '/usr/bin/qemu'

    def lookupByName(self, name):
        raise fake_host.libvirt_error(real_libvirt.VIR_ERR_NO_DOMAIN)


def make(ours: type) -> type:
    """A class that inherits nothing, and else is as ``ours``.

    Tests put something in the place of a method of Nova's driver, and then
    back what was there. That of an inherited static method is a plain
    function, which is called with ``self`` from then on; so the class has
    each method itself.
    """
    members = {}
    for each in reversed(ours.__mro__[:-1]):
        members.update(vars(each))
    for name in ('__dict__', '__weakref__'):
        members.pop(name, None)
    return type('LibvirtDriver', (ours,), members)


def exchange() -> None:
    """Have everybody who asks for Nova's driver get this one.

    Called before Nova's tests are imported, for their decorators ask.
    """
    dmore_conf.register(nova.conf.CONF)
    _replace_surroundings()
    made = make(driver.DMoreDriver)
    stock.LibvirtDriver = libvirt.LibvirtDriver = made
    _extend_tests(made)


def _replace_surroundings() -> None:
    fakelibvirt.Connection = Connection
    # The fake has errors of its own kind.
    where.libvirt = reconcile.libvirt = fakelibvirt
    # It runs no guest, and there is nobody who would answer.
    start_checks.check_aside = lambda subject: None
    # Nor here, and who asks would wait.
    host_service.HostService._ask = _no_service
    ours, novas = inventory.DMoreHost, host.Host

    def make_host(*args, **kwargs):
        # A test that puts a mock in the place of Nova's wants that used.
        return (ours if host.Host is novas else host.Host)(*args, **kwargs)

    inventory.DMoreHost = make_host


def _no_service(*_args, **_kwargs):
    raise exception.HostServiceError('Tests of Nova have no host service')


def _extend_tests(made: type) -> None:
    """Give each test folders, and end with it what it has begun.

    Tests of ``init_host`` do not call ``cleanup_host``: Nova's begins nothing
    that outlives a test.
    """
    begun = []
    init_host, set_up = made.init_host, test.TestCase.setUp

    @functools.wraps(init_host)
    def noted_init_host(self, host):
        begun.append(self)
        init_host(self, host)

    def end():
        while begun:
            each = begun.pop()
            if each._rpc_server is not None:
                each._watch.stop()
                each._rpc_server.stop()

    @functools.wraps(set_up)
    def extended_set_up(self):
        set_up(self)
        folder = self.useFixture(fixtures.TempDir()).path
        self.flags(run_dir=folder, record_dir=folder, group='dmore')
        self.addCleanup(end)

    made.init_host = noted_init_host
    test.TestCase.setUp = extended_set_up
