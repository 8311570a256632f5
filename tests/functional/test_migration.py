# SPDX-License-Identifier: Apache-2.0
"""Nova migrates an instance; its Domain R moves along, or is built anew."""

import contextlib
import threading
import time
from unittest import mock

import fixtures
import libvirt
from lxml import etree
from nova.console import serial
from nova import exception as nova_exception
from nova.tests.fixtures import libvirt as fakelibvirt
from nova.tests.functional.api import client

from nova_dmore import exception
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


class LiveMigrationTest(MigrationTestCase):

    def _assert_at_destination(self):
        self.assertEqual('c2', self.api.get_server(
            self.server['id'])['OS-EXT-SRV-ATTR:host'])
        self.assertIsNone(self.domain_r(self.server, 'c1'))
        self.assertIsNotNone(self.domain_r(self.server, 'c2'))
        record = self.driver('c2')._pairs.get(self.server['id'])
        self.assertFalse(record.incoming)
        self.assertEqual('10.0.0.5', record.address.ip)
        self.assertEqual({self.pair_directory(self.server, 'c2')},
                         self.shadow.alive)
        self.assertEqual(
            [(self.port['id'], 'c2')],
            list(self.neutron_for_domain_r.bindings))

    def test_together(self):
        ports = set(serial.ALLOCATED_PORTS)
        self.go()
        # The destination had reserved one.
        self.assertEqual(ports, set(serial.ALLOCATED_PORTS))
        self._assert_at_destination()
        self.shadow_client(self.server, 'c2').carry_over.\
            assert_called_once()
        (_migration_id, carried), _keywords = self.shadow_client(
            self.server, 'c2').carry_over.call_args
        self.assertEqual(CARRY_OVER, carried)
        # It is the one that was moved, not one that was started.
        self.assertEqual(2, self.shadow.log.count('start'))
        self.shadow_client(self.server, 'c2').adopt.assert_called_with()
        self._delete_server(self.server)
        self.assert_nothing_left()

    def _has_processors(self, hostname, cpus):
        self.driver(hostname)._pairs.blueprint.cpus = lambda: cpus

    def _processors(self, hostname):
        """With which its libvirt was given Domain R."""
        return self.domain_r_xml(self.server, hostname).find(
            'vcpu').get('cpuset')

    def test_each_host_has_its_processors(self):
        self.useFixture(fixtures.MonkeyPatch(
            'nova.tests.fixtures.libvirt.Domain.XMLDesc', base.kept_xml))
        self._has_processors('c1', '0-1')
        self._has_processors('c2', '2-3')
        self._delete_server(self.server)
        self.boot_again()
        self.assertEqual('0-1', self._processors('c1'))
        self.go()
        self.assertEqual('2-3', self._processors('c2'))
        self._assert_at_destination()

    def test_domain_r_does_not_come_back_with_processors_of_another_host(
            self):
        self.useFixture(fixtures.MonkeyPatch(
            'nova.tests.fixtures.libvirt.Domain.XMLDesc', base.kept_xml))
        self._has_processors('c2', '6-7')
        self.test_the_instance_stays_and_domain_r_had_left()
        self.assertEqual('6-7', self._processors('c2'))
        self.assertIsNone(self._processors('c1'))

    def test_the_port_is_wired_late(self):
        log = self.useFixture(fixtures.FakeLogger())
        questions = []

        def is_wired(instance_uuid):
            questions.append(instance_uuid)
            return len(questions) > 3

        driver = self.driver('c1')
        driver._pairs.is_wired = lambda instance_uuid: True
        self.driver('c2')._pairs.is_wired = is_wired
        stock = driver.live_migration

        def live_migration(*args, **kwargs):
            self.until(lambda: 'is wired at c2' in log.output)
            return stock(*args, **kwargs)

        with mock.patch.object(driver, 'live_migration', live_migration):
            self.go()
        self._assert_at_destination()
        self.assertEqual(4 * [self.server['id']], questions)

    def test_several_serial_ports(self):
        """No host keeps a TCP port of an instance that has left it."""
        self.useFixture(fixtures.MonkeyPatch(
            'nova.tests.fixtures.libvirt.Domain.XMLDesc', numbered_xml))
        self._delete_server(self.server)
        others = set(serial.ALLOCATED_PORTS)
        self.boot_again(flavor_id=self._create_flavor(
            extra_spec={'hw:serial_port_count': '3'}))
        self.assertEqual(2, len(set(serial.ALLOCATED_PORTS) - others))
        self.go()
        self._assert_at_destination()
        self.assertEqual(
            {port for _host, port in set(serial.ALLOCATED_PORTS) - others},
            {int(source.get('service')) for source in self.instance_xml(
                self.server, 'c2').findall(
                    "devices/serial[@type='tcp']/source")})
        self._delete_server(self.server)
        self.assertEqual(others, set(serial.ALLOCATED_PORTS))

    def test_domain_r_fails(self):
        self.domain_r_error = fake_host.libvirt_error(text='no memory')
        # Nova's fake tells of stock consoles, whatever it was given.
        self.useFixture(fixtures.MonkeyPatch(
            'nova.tests.fixtures.libvirt.Domain.XMLDesc', base.kept_xml))
        self.go()
        self.until(lambda: self.domain_r(self.server, 'c2') is not None)
        self._assert_at_destination()

    def test_the_destination_is_not_ready(self):
        self.driver('c2')._pairs.images.ensure = self._refuse
        self.go()
        # A new one is built as soon as it can be.
        del self.driver('c2')._pairs.images.ensure
        self.assertIsNone(self.domain_r(self.server, 'c1'))
        self.assertEqual('c2', self.api.get_server(
            self.server['id'])['OS-EXT-SRV-ATTR:host'])

    @staticmethod
    def _refuse(digest):
        raise exception.ImageError('[dmore] image: none')

    def test_domain_r_leaves_early(self):
        self.flags(hold=False, group='dmore')
        self.leaves_early = True
        self.go()
        self._assert_at_destination()
        self.assertEqual(2, self.shadow.log.count('start'))
        for shadow in self.shadow.clients.values():
            self.assertNotIn(mock.call(True), shadow.hold.mock_calls)

    def test_the_instance_stays_and_domain_r_had_left(self):
        self.leaves_early = True
        self.test_the_instance_stays()
        self.assertTrue(self.sent_back)
        self.shadow_client(self.server).adopt.assert_called_with()

    def test_the_instance_stays(self):
        self.instance_error = fakelibvirt.make_libvirtError(
            libvirt.libvirtError, 'connection lost', error_code=1)
        ports = set(serial.ALLOCATED_PORTS)
        self.stay()
        self.assertEqual(ports, set(serial.ALLOCATED_PORTS))
        self.assertEqual('c1', self.api.get_server(
            self.server['id'])['OS-EXT-SRV-ATTR:host'])
        self.assertIsNone(self.driver('c2')._pairs.get(self.server['id']))
        self._assert_stays()

    def _assert_stays(self):
        self.assertIsNotNone(self.domain_r(self.server, 'c1'))
        self.assertEqual({self.pair_directory(self.server, 'c1')},
                         self.shadow.alive)
        self.assertEqual([(self.port['id'], 'c1')],
                         list(self.neutron_for_domain_r.bindings))

    def _domain_r_has_left_when(self, step, error=None):
        """While this context lasts a step of Nova at the source waits until
        Domain R is under way.

        :param error: the step raises it; None: it goes on.
        """
        driver = self.driver('c1')
        stock = getattr(driver, step)

        def after(*args, **kwargs):
            early = driver._early_departures._departures
            self.until(lambda: self.server['id'] in early and early[
                self.server['id']]._departure.is_under_way())
            if error is not None:
                raise error
            return stock(*args, **kwargs)

        return mock.patch.object(driver, step, after)

    def test_domain_r_has_left_before_nova_begins(self):
        with self._domain_r_has_left_when('live_migration'):
            self.go()
        self._assert_at_destination()
        # It was not begun anew.
        self.assertEqual(2, self.shadow.log.count('start'))
        self.shadow_client(self.server).arm.assert_called_once()

    def test_nova_refuses_when_domain_r_has_left(self):
        with self._domain_r_has_left_when(
                'check_can_live_migrate_source',
                nova_exception.MigrationPreCheckError(reason='no')):
            # Here the API waits for the conductor, and has the error.
            self.assertRaises(
                client.OpenStackApiException, self.api.post_server_action,
                self.server['id'], {'os-migrateLive': {
                    'host': 'c2', 'block_migration': 'auto'}})
        self.until(lambda: self.driver('c2')._pairs.get(
            self.server['id']) is None)
        early = self.driver('c1')._early_departures._departures
        self.until(lambda: not any(each.is_alive() for each in early.values()))
        self._assert_stays()
        # Nothing is in the way of the next one.
        self.domain_r_error = None
        self.domain_r_stopped.clear()
        self.go()
        self._assert_at_destination()

    def test_a_user_aborts_while_domain_r_is_prepared(self):
        """The destination does not answer, say, so nothing seems to
        happen."""
        role, asked, answers = self.driver('c2')._destination, [], []
        stock = role.prepare

        def prepare(*arguments):
            asked.append(arguments)
            self.until(lambda: answers)
            return stock(*arguments)
        self.useFixture(fixtures.MockPatchObject(role, 'prepare', prepare))
        self.addCleanup(answers.append, 'the test is over')
        # Domain R does not leave first, for then Nova's begin would wait.
        self.useFixture(fixtures.MockPatchObject(
            self.driver('c1')._early_departures, 'leave'))
        self.api.post_server_action(self.server['id'], {'os-migrateLive': {
            'host': 'c2', 'block_migration': 'auto'}})
        self.until(lambda: asked)
        (migration,) = self.api.api_get(
            f'/servers/{self.server["id"]}/migrations').body['migrations']
        self.assertEqual('running', migration['status'])
        self.api.api_delete(f'/servers/{self.server["id"]}/migrations/'
                            f'{migration["id"]}')
        answers.append('at last')
        self._wait_for_migration_status(self.server, ['cancelled'])
        self._wait_for_state_change(self.server, 'ACTIVE')
        self.until(lambda: not self.driver('c1')._source_roles._roles)
        self.assertFalse(self.stopped.is_set())
        self.domain_r_stopped.clear()
        self.domain_r_error = None
        self._assert_stays()

    def test_a_stock_instance_is_migrated_by_nova_alone(self):
        self._delete_server(self.server)
        self.server = self.boot(host='c1', flavor_id=self._create_flavor(
            extra_spec={'dmore:domain_r': 'disabled'}))
        self.shadow.log.clear()
        self._live_migrate(self.server, host='c2')
        self.assertTrue(self.stopped.is_set())
        self.assertEqual([], self.shadow.log)
        self.assert_nothing_left()
