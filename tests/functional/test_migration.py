# SPDX-License-Identifier: Apache-2.0
"""Nova migrates an instance; its Domain R moves along, or is built anew."""

from unittest import mock

import fixtures
import libvirt
from nova.console import serial
from nova import exception as nova_exception
from nova.tests.fixtures import libvirt as fakelibvirt
from nova.tests.functional.api import client

from nova_dmore import exception
from tests.functional import base
from tests.functional import migration_case
from tests.unit.virt import fake_host


class LiveMigrationTest(migration_case.MigrationTestCase):

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
        self.assertEqual(migration_case.CARRY_OVER, carried)
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
            'nova.tests.fixtures.libvirt.Domain.XMLDesc',
            migration_case.numbered_xml))
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
