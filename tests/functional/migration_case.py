# SPDX-License-Identifier: Apache-2.0
"""Two hosts between which the fake libvirt migrates an instance's domain."""

import contextlib
import threading
import time

import fixtures
import libvirt
from lxml import etree
from nova.tests.fixtures import libvirt as fakelibvirt

from nova_dmore.virt.migration import departure
from nova_dmore import wire
from tests.functional import base
from tests.unit.virt import fake_host

CARRY_OVER = {'epoch': 7, 'unstored': {
    'control_to_domain_r': {'base': 3, 'data': 'CiAK'}}}


class Hosts:
    """Connections to the libvirt where a domain is, by Domain R's name."""

    def __init__(self, connections):
        self._connections = connections

    def lookupByName(self, name):
        for connection in self._connections[:-1]:
            try:
                return connection.lookupByName(name)
            except libvirt.libvirtError:
                continue
        return self._connections[-1].lookupByName(name)

    def lookupByUUIDString(self, uuid):
        for connection in self._connections:
            with contextlib.suppress(fakelibvirt.libvirtError):
                return connection.lookupByUUIDString(uuid)

    def close(self):
        pass


def numbered_xml(domain, flags=0):
    """As :func:`base.kept_xml`, with the numbers that libvirt gives to serial
    ports."""
    root = etree.fromstring(base.kept_xml(domain))
    for number, device in enumerate(root.findall('devices/serial')):
        etree.SubElement(device, 'target', port=str(number))
    return etree.tostring(root, encoding='unicode')


def have_libvirt_migrate(case, **functions):
    """Have the fake libvirt of a test's hosts c1 and c2 migrate domains.

    :param functions: in the place of a domain's own, by name.
    """
    # Each host opens its own.
    case.useFixture(fixtures.MonkeyPatch('libvirt.open', lambda uri: Hosts(
        [case.connection('c1'), case.connection('c2')])))
    stock_statistics = fakelibvirt.Domain.jobStats
    for name, function in {
            'migrateGetMaxDowntime': lambda domain: 300,
            'migrateSetMaxSpeed': lambda domain, speed: None,
            'jobStats': lambda domain, flags=0: (
                {'memory_total': 100, 'memory_iteration': 2,
                 'memory_remaining': 10, 'memory_bps': 10}
                if domain.name().startswith('domr-')
                else stock_statistics(domain, flags)),
            **functions}.items():
        case.useFixture(fixtures.MonkeyPatch(
            f'nova.tests.fixtures.libvirt.Domain.{name}', function))


class MigrationTestCase(base.TestCase):
    """A pair on the first of two hosts between which libvirt migrates."""

    def setUp(self):
        super().setUp()
        self.start('c1')
        self.start('c2')
        self.boot_again()
        self.domain_r_error = None
        self.instance_error = None
        self.useFixture(fixtures.MockPatchObject(departure, '_END_S', 5.0))
        self.sent_back = False
        self.leaves_early = False
        have_libvirt_migrate(
            self, migrateToURI3=self._migrate, abortJob=self._abort,
            suspend=self._suspend)

    def boot_again(self, **arguments):
        """Another server, after the first one is deleted."""
        self.neutron_for_domain_r.free_addresses[:] = ['10.0.0.5']
        self.server = self.boot(host='c1', **arguments)
        self.port = self.assert_pair(self.server)
        self.stopped = threading.Event()
        self.domain_r_stopped = threading.Event()
        shadow = self.shadow_client(self.server)
        shadow.frozen.side_effect = self._frozen
        shadow.hand_over.return_value = CARRY_OVER

    def _suspend(self, domain):
        domain._state = fakelibvirt.VIR_DOMAIN_PAUSED
        self.domain_r_stopped.set()

    def _abort(self, domain):
        self.domain_r_error = fake_host.libvirt_error(text='cancelled')
        self.domain_r_stopped.set()

    def _frozen(self, timeout_ms):
        if self.stopped.wait(0.05):
            return wire.Frozen(True, 1.0, 1.01, 1.02)
        return wire.Frozen(False, None, None, None)

    def _migrate(self, domain, destination, params, flags):
        if domain.name().startswith('domr-') and 'c1' in destination:
            self.connection('c1').createXML(params.get(
                'destination_xml',
                self.connection('c2').xml[domain.name()]), 0)
            domain.destroy()
            self.sent_back = True
            return
        self.assertIn('c2', destination)
        if domain.name().startswith('domr-'):
            self.assertTrue(flags & libvirt.VIR_MIGRATE_PAUSED)
            self.assertTrue(self.leaves_early
                            or self.domain_r_stopped.wait(10))
            if self.domain_r_error is not None:
                raise self.domain_r_error
            xml = params.get('destination_xml',
                             self.connection('c1').xml[domain.name()])
            self.connection('c2').createXML(xml, 0)
            self.domain_r(self.server, 'c2')._state = (
                fakelibvirt.VIR_DOMAIN_PAUSED)
            domain.destroy()
            return
        if self.instance_error is not None:
            if self.leaves_early:
                self.until(lambda: self.domain_r(self.server, 'c1') is None)
            domain.fail_job()
            raise self.instance_error
        self.connection('c2').createXML(params['destination_xml'], 0)
        self.stopped.set()
        domain.complete_job()

    def until(self, condition):
        deadline = time.monotonic() + 20
        while not condition():
            self.assertLess(time.monotonic(), deadline, 'nothing happened')
            time.sleep(0.05)

    def go(self):
        """Migrate to c2."""
        self._live_migrate(self.server, host='c2')
        # Nova's migration ends when the instance is there; ours ends later.
        self.until(lambda: self.driver('c1')._pairs.get(
            self.server['id']) is None)
        self.until(lambda: not self.driver('c1')._source_roles._roles)

    def stay(self):
        """Migrate to c2, which does not work."""
        # In ERROR, as stock Nova leaves it.
        self._live_migrate(self.server, 'error', 'ERROR', host='c2',
                           wait_for_fault_key=False)
        self.until(lambda: not self.driver('c1')._source_roles._roles)
