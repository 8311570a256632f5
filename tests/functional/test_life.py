# SPDX-License-Identifier: Apache-2.0

import pathlib
import time

import fixtures
import nova.virt
from nova.console import serial
from nova import context
from nova import objects
from nova.tests import fixtures as nova_fixtures

from nova_dmore.virt import driver
from nova_dmore.virt.pair import domain_r
from tests.functional import base


class LifeTest(base.TestCase):

    def setUp(self):
        super().setUp()
        self.start()

    def test_the_driver_is_loaded_by_its_name(self):
        self.assertIs(driver.DMoreDriver, type(self.driver()))
        path = pathlib.Path(nova.virt.__path__[0], 'dmore')
        self.assertFalse(path.exists() or path.with_suffix('.py').exists())

    def test_boot_and_delete(self):
        server = self.boot()
        port = self.assert_pair(server)
        self.assertEqual('c1', port['binding:host_id'])
        self.assert_secured(port)
        log = self.write_kernel_log(server)
        self._delete_server(server)
        self.assert_nothing_left()
        self.assertFalse(log.exists())

    def test_the_ssh_address_is_in_the_properties(self):
        self.flags(ssh_metadata=True, group='dmore')
        server = self.boot()
        self.assertEqual('ssh://console@10.0.0.5:22',
                         self.api.get_server(server['id'])['metadata'][
                             'dmore:console_ssh'])

    def test_hard_reboot_keeps_the_pair(self):
        server = self.boot()
        port = self.assert_pair(server)
        domain = self.domain_r(server)
        self.shadow.log.clear()
        self._reboot_server(server, hard=True)
        self.assertEqual(port, self.assert_pair(server))
        self.assertIs(domain, self.domain_r(server))
        # Neither ended nor started again: an open session goes on.
        self.assert_left_alone()

    def test_stop_and_start_keep_the_pair(self):
        server = self.boot()
        domain = self.domain_r(server)
        self._stop_server(server)
        self.assertIs(domain, self.domain_r(server))
        self._start_server(server)
        self.assert_pair(server)
        self.assertIs(domain, self.domain_r(server))

    def test_hard_reboot_makes_a_dead_pair_whole(self):
        server = self.boot()
        self.domain_r(server).destroy()
        self.shadow.kill(server['id'])
        self._reboot_server(server, hard=True)
        self.assertEqual('10.0.0.5', self.assert_pair(
            server)['fixed_ips'][0]['ip_address'])

    def test_pause(self):
        server = self.boot()
        self.api.post_server_action(server['id'], {'pause': {}})
        self._wait_for_state_change(server, 'PAUSED')
        self.assert_pair(server)
        self.api.post_server_action(server['id'], {'unpause': {}})
        self._wait_for_state_change(server, 'ACTIVE')
        self.assert_pair(server)

    def test_console_log(self):
        server = self.boot()
        self.useFixture(nova_fixtures.PrivsepFixture())
        log = self._file('console.log', 'Linux boots\n')
        self.driver()._get_console_log_path = lambda instance: log
        output = self.api.post_server_action(
            server['id'], {'os-getConsoleOutput': {}})
        self.assertEqual('Linux boots\n', output['output'])

    def test_boot_fails_after_the_pair_was_made(self):
        self.connection().defineXML = self._refuse
        server = self.boot(expected_state='ERROR')
        self.assert_nothing_left()
        self.assertIn('id', server)

    @staticmethod
    def _refuse(xml):
        raise base.fakelibvirt.make_libvirtError(
            base.fakelibvirt.libvirtError, 'no', error_code=1)


class SerialConsoleTest(base.TestCase):

    def setUp(self):
        super().setUp()
        self.start()

    def _endpoint(self, server):
        return self.endpoint(self.make_token(server, 'serial', 'serial'))

    def test_domain_r_serves_it(self):
        server = self.boot()
        self.assertEqual(('10.0.0.5', 6083), self._endpoint(server))

    def test_configured_port(self):
        self.flags(serial_port=7000, group='dmore')
        self.assertEqual(('10.0.0.5', 7000), self._endpoint(self.boot()))

    def test_the_port_of_the_stock_console_is_free_again(self):
        others = set(serial.ALLOCATED_PORTS)
        self.boot()
        self.assertEqual(others, set(serial.ALLOCATED_PORTS))
        self.boot(flavor_id=self._create_flavor(
            extra_spec={'dmore:domain_r': 'disabled'}))
        self.assertEqual(1, len(set(serial.ALLOCATED_PORTS) - others))


class OptOutTest(base.TestCase):

    def setUp(self):
        super().setUp()
        self.start()

    def test_flavor(self):
        flavor = self._create_flavor(
            extra_spec={'dmore:domain_r': 'disabled'})
        server = self.boot(flavor_id=flavor)
        self.assert_no_pair(server)
        self.assertNotIn('dmore:console_ssh', server['metadata'])
        self._delete_server(server)

    def test_image(self):
        image = self.make_guest_image(dmore_domain_r='disabled')
        self.assert_no_pair(self.boot(image_uuid=image))

    def test_image_that_does_not(self):
        # The same path with another property: the test above tells.
        image = self.make_guest_image(hw_machine_type='pc')
        self.assert_pair(self.boot(image_uuid=image))

    def test_switched_off(self):
        kept = self.boot()
        self.flags(enabled=False, group='dmore')
        plain = self.boot()
        self.assertIsNone(self.domain_r(plain))
        self.assertEqual('tcp', self.serial(plain)[0])
        self._reboot_server(kept, hard=True)
        self.assert_pair(kept)


class InventoryTest(base.TestCase):

    def setUp(self):
        super().setUp()
        self.start()

    def test_hidden_from_lists(self):
        server = self.boot()
        self.assertEqual([server['id']],
                         self.driver().list_instance_uuids())
        self.assertEqual(1, len(self.driver().list_instances()))
        self.assertEqual(1, self.driver().get_num_instances())
        self.assertEqual(2, len(self.connection()._vms))

    def test_the_periodic_tasks_do_not_see_it(self):
        self.boot()
        manager = self.computes['c1'].manager
        admin = context.get_admin_context()
        manager._sync_power_states(admin)
        manager._cleanup_running_deleted_instances(admin)
        self._run_periodics(raise_on_error=True)
        self.assertEqual(2, len(self.connection()._vms))
        self.assertEqual(1, self._hypervisor()['running_vms'])

    def _hypervisor(self):
        self.admin_api.microversion = '2.87'
        try:
            (hypervisor,) = self.admin_api.api_get(
                '/os-hypervisors/detail').body['hypervisors']
        finally:
            self.admin_api.microversion = self.microversion
        return hypervisor

    def test_its_events_do_not_reach_nova(self):
        server = self.boot()
        seen = []
        self.driver().register_event_listener(seen.append)
        for uuid in (domain_r.uuid_of(server['id']), server['id']):
            self.driver().emit_event(nova.virt.event.LifecycleEvent(
                uuid, nova.virt.event.EVENT_LIFECYCLE_STOPPED))
        self.assertEqual([server['id']], [event.uuid for event in seen])


class RestartTest(base.TestCase):

    def test_pairs_are_found_again(self):
        self.start()
        server = self.boot()
        port = self.assert_pair(server)
        domain = self.domain_r(server)
        self.shadow.log.clear()
        self.restart_compute_service('c1')
        self.assertEqual(port, self.assert_pair(server))
        self.assertIs(domain, self.domain_r(server))
        self.assert_left_alone()
        # And is still known for a Domain R, and removed with its instance.
        self.assertEqual([server['id']],
                         self.driver().list_instance_uuids())
        self._delete_server(server)
        self.assert_nothing_left()

    def test_what_died_meanwhile_is_built_again(self):
        self.flags(watch_interval=0.1, group='dmore')
        self.start()
        server = self.boot()
        # Only after the restart is it watched: the first watch ended.
        self.computes['c1'].driver._watch.stop()
        self.domain_r(server).destroy()
        self.restart_compute_service('c1')
        for _attempt in range(100):
            if self.domain_r(server) is not None:
                break
            time.sleep(0.1)
        self.assert_pair(server)

    def test_libvirt_tells_that_domain_r_ended(self):
        self.useFixture(fixtures.MonkeyPatch(
            'nova_dmore.virt.care.watch._AGAIN_S', 0.05))
        self.start()
        server = self.boot()
        # Until the new pair is well, and is not checked any more but for what
        # is told.
        time.sleep(2)
        ended = self.domain_r(server)
        ended.destroy()
        # Nova's fake tells of no domain that is transient.
        self.driver().emit_event(nova.virt.event.LifecycleEvent(
            ended.UUIDString(), nova.virt.event.EVENT_LIFECYCLE_STOPPED))
        for _attempt in range(100):
            if self.domain_r(server) not in (None, ended):
                break
            time.sleep(0.1)
        self.assert_pair(server)

    def test_a_port_of_an_earlier_release_gets_port_security(self):
        self.flags(watch_interval=0.1, group='dmore')
        self.start()
        server = self.boot()
        self.computes['c1'].driver._watch.stop()
        port = self.assert_pair(server)
        port.update(port_security_enabled=False, security_groups=[])
        self.restart_compute_service('c1')
        for _attempt in range(100):
            if port['port_security_enabled']:
                break
            time.sleep(0.1)
        self.assert_secured(port)
        self.assert_pair(server)

    def test_instances_of_the_database_are_no_domain_rs(self):
        self.start()
        server = self.boot()
        instance = objects.Instance.get_by_uuid(
            context.get_admin_context(), server['id'])
        self.assertFalse(self.driver()._pairs.is_domain_r(instance.uuid))
