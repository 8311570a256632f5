# SPDX-License-Identifier: Apache-2.0
"""Instances start, and are resumed, whatever keeps them from having a pair."""

import time

import fixtures
from neutronclient.common import exceptions as neutron_exceptions
from nova.console import serial
from nova.tests.functional.api import client
from nova.virt.libvirt import driver as libvirt_driver

from nova_dmore import exception
from nova_dmore.virt.care import pair_care
from tests.functional import base
from tests.unit.virt import fake_host


class StartTestCase(base.TestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MonkeyPatch(
            'nova_dmore.virt.care.watch._SWEEP_RETRY_S', 0.1))
        # Also at the end of one that was resumed.
        self.useFixture(fixtures.MonkeyPatch(
            'nova.virt.libvirt.guest.Guest.sync_guest_time',
            lambda guest: None))

    def neutron_goes(self):
        self.list_ports = self.neutron_for_domain_r.client.list_ports
        self.answer = self.list_ports.side_effect
        self.list_ports.side_effect = (
            neutron_exceptions.ConnectionFailed(reason='refused'))

    def neutron_comes_back(self):
        self.list_ports.side_effect = self.answer

    def until(self, condition):
        deadline = time.monotonic() + 30
        while not condition():
            self.assertLess(time.monotonic(), deadline, 'nothing happened')
            time.sleep(0.05)


class HostBootTest(StartTestCase):
    """The host was started again: neither its guests nor its pairs run."""

    def setUp(self):
        super().setUp()
        self.flags(watch_interval=0.1, group='dmore')
        self.flags(resume_guests_state_on_host_boot=True)
        self.start()
        self.server = self.boot()
        self.port = self.assert_pair(self.server)

    def _boot_host(self):
        self.driver()._watch.stop()
        self.domain_r(self.server).destroy()
        for domain in self.connection()._vms.values():
            domain.destroy()
        self.shadow.kill(self.server['id'])
        # The directories are in memory.
        self.driver()._pairs.records.forget(self.server['id'])
        self.restart_compute_service('c1')

    def test_all_services_answer(self):
        self._boot_host()
        self.assertEqual(self.port, self.assert_pair(self.server))

    def test_what_its_user_has_changed_meanwhile(self):
        """Nova reads all instances before it starts the first one."""
        stock = libvirt_driver.LibvirtDriver.resume_state_on_host_boot

        def resume(*arguments, **keywords):
            self.api.api_post(f'/servers/{self.server["id"]}/metadata',
                              {'metadata': {'mine': '1'}})
            stock(*arguments, **keywords)
        self.useFixture(fixtures.MonkeyPatch(
            'nova.virt.libvirt.driver.LibvirtDriver.'
            'resume_state_on_host_boot', resume))
        self.flags(ssh_metadata=True, group='dmore')
        self._boot_host()
        self.until(lambda: 'dmore:console_ssh' in self.api.get_server(
            self.server['id'])['metadata'])
        self.assertEqual('1', self.api.get_server(
            self.server['id'])['metadata'].get('mine'))

    def test_neutron_answers_later(self):
        self.neutron_goes()
        self._boot_host()
        self._starts_before_its_pair()

    def test_neutron_answers_later_and_a_pair_is_required(self):
        """Nova has destroyed the instance before it starts it."""
        self.flags(required=True, group='dmore')
        self.neutron_goes()
        self._boot_host()
        self._starts_before_its_pair()

    def _starts_before_its_pair(self):
        # It runs, in the form that it has with its pair.
        self.assertEqual('ACTIVE', self.api.get_server(
            self.server['id'])['status'])
        self.assertEqual('pipe', self.serial(self.server)[0])
        self.assertIsNone(self.domain_r(self.server))
        self.assertEqual({self.pair_directory(self.server)},
                         self.shadow.alive)
        self.neutron_comes_back()
        self.until(lambda: self.domain_r(self.server) is not None)
        self.until(lambda: self.driver()._pairs.get(self.server['id']))
        self.assertEqual(self.port, self.assert_pair(self.server))

    def test_pairs_that_live_are_kept_while_neutron_is_away(self):
        self.neutron_goes()
        domain = self.domain_r(self.server)
        self.shadow.log.clear()
        self.restart_compute_service('c1')
        time.sleep(0.5)
        self.assertIs(domain, self.domain_r(self.server))
        self.assert_left_alone()
        self.assertEqual(('10.0.0.5', 6083), self.endpoint(
            self.make_token(self.server, 'serial', 'serial')))


class RefusedTest(StartTestCase):

    def setUp(self):
        super().setUp()
        self.start()
        self.see_consoles()
        stock = base.fakelibvirt.Domain.createWithFlags
        self.refuses = True

        def create(domain, flags):
            given = domain._connection.xml[domain.name()]
            if self.refuses and 'serial0' in given:
                raise base.fakelibvirt.make_libvirtError(
                    base.fakelibvirt.libvirtError, 'no such chardev',
                    error_code=1)
            stock(domain, flags)
        self.useFixture(fixtures.MonkeyPatch(
            'nova.tests.fixtures.libvirt.Domain.createWithFlags', create))

    def test_qemu_refuses_what_a_pair_needs(self):
        server = self.boot()
        self.assert_no_pair(server)
        self.assertNotIn('dmore:console_ssh', server['metadata'])

    def test_its_pair_could_not_be_removed(self):
        """The watch does it, and users are sent to the stock consoles."""
        self.refuses = False
        server = self.boot()
        port = self.assert_pair(server)
        self._wait_for(server, pair_care.Condition.WELL)
        self.refuses = True
        self.shadow.refuse['shutdown'] = exception.HostServiceError('no')
        stock = base.fakelibvirt.Domain.destroy

        def destroy(domain):
            if domain.name().startswith('domr-'):
                raise fake_host.libvirt_error(text='it is locked')
            stock(domain)
        with fixtures.MonkeyPatch(
                'nova.tests.fixtures.libvirt.Domain.destroy', destroy):
            self._reboot_server(server, hard=True)
        self.shadow.refuse.clear()
        self.assertEqual('tcp', self.serial(server)[0])
        self.assertEqual((True, True),
                         self.driver()._pairs.is_alive(server['id']))
        self.assertNotIn('10.0.0.5', self.endpoint(
            self.make_token(server, 'serial', 'serial')))
        self._wait_for(server, pair_care.Condition.GONE)
        # The address is still the instance's.
        self.assertEqual([port], list(
            self.neutron_for_domain_r.ports.values()))
        self._delete_server(server)
        self.assert_nothing_left()

    def _wait_for(self, server, condition):
        """Until that is what the watch finds."""
        self.until(lambda: self.driver()._watch.check(
            server['id']) is condition)

    def test_it_is_required(self):
        self.flags(required=True, group='dmore')
        server = self.boot(expected_state='ERROR')
        self.assertIn('no such chardev', server['fault']['message'])
        self.assert_nothing_left()


class ResumeTest(StartTestCase):

    def _suspended_when_the_host_went(self):
        """An instance with a pair; the host was started anew since."""
        self.start()
        server = self.boot()
        self._suspend_server(server)
        self.domain_r(server).destroy()
        self.shadow.kill(server['id'])
        self.driver()._pairs.records.forget(server['id'])
        return server

    def test_suspended_as_a_stock_instance(self):
        self.flags(enabled=False, group='dmore')
        self.start()
        server = self.boot()
        ports = set(serial.ALLOCATED_PORTS)
        self._suspend_server(server)
        self.flags(enabled=True, group='dmore')
        self._resume_server(server)
        self.assert_no_pair(server)
        # QEMU has opened them.
        self.assertEqual(ports, set(serial.ALLOCATED_PORTS))
        self._reboot_server(server, hard=True)
        self.assert_pair(server)

    def test_suspended_with_a_pair_that_is_required(self):
        server = self._suspended_when_the_host_went()
        self.flags(required=True, group='dmore')
        self.neutron_goes()
        # In one process the API has the error of nova-compute.
        self.assertRaises(
            client.OpenStackApiException, self.api.post_server_action,
            server['id'], {'resume': {}})
        server = self._wait_for_server_parameter(server, {
            'status': 'SUSPENDED', 'OS-EXT-STS:task_state': None})
        # What "openstack server event show" tells.
        (action,) = [each for each in self.api.get_instance_actions(
            server['id']) if each['action'] == 'resume']
        self.assertEqual('Error', action['message'])
        action = self.api.api_get(
            f'/servers/{server["id"]}/os-instance-actions/'
            f'{action["request_id"]}').body['instanceAction']
        self.assertIn('refused', action['events'][0]['details'])
        (domain,) = self.connection()._vms.values()
        self.assertTrue(domain.hasManagedSaveImage(0))
        self.neutron_comes_back()
        self._resume_server(server)
        self.assert_pair(server)

    def test_suspended_with_a_pair_and_resumed_before_it(self):
        server = self._suspended_when_the_host_went()
        self.neutron_goes()
        self._resume_server(server)
        self.assertIsNone(self.domain_r(server))
        self.assertEqual({self.pair_directory(server)}, self.shadow.alive)
        self.neutron_comes_back()
        self.driver()._watch._late.make()
        self.assert_pair(server)
