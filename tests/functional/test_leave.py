# SPDX-License-Identifier: Apache-2.0
"""An instance leaves its host while it is off; its address stays the same."""

import fixtures

from tests.functional import base

ADDRESSES = {'c1': '192.0.2.1', 'c2': '192.0.2.2'}


class LeaveTest(base.TestCase):

    def setUp(self):
        super().setUp()
        # Nothing is copied; the two hosts of one process have one address;
        # and the fake's domains have TCP consoles whatever was defined.
        for name, function in {
                '_serial_ports_already_defined': lambda *args: False,
                'migrate_disk_and_power_off': self._power_off,
                'get_host_ip_addr': lambda driver: ADDRESSES[
                    driver._pairs.host]}.items():
            self.useFixture(fixtures.MonkeyPatch(
                f'nova.virt.libvirt.driver.LibvirtDriver.{name}', function))
        self.start('c1')
        self.start('c2')
        self.server = self.boot(host='c1')
        self.port = self.assert_pair(self.server)

    def _power_off(self, driver, context, instance, *args, **kwargs):
        driver.power_off(instance)
        return '[]'

    def _assert_only_on(self, hostname):
        port = self.assert_pair(self.server, hostname)
        self.assertEqual(self.port['fixed_ips'], port['fixed_ips'])
        self.assertEqual(self.port['mac_address'], port['mac_address'])
        self.assertEqual(hostname, port['binding:host_id'])
        self.assertEqual({self.pair_directory(self.server, hostname)},
                         self.shadow.alive)
        for other in {'c1', 'c2'} - {hostname}:
            self.assertIsNone(self.domain_r(self.server, other))
            self.assertEqual([], self.driver(other)._pairs.records.all())

    def _assert_deleted(self):
        self._delete_server(self.server)
        self.assert_nothing_left()

    def test_cold_migration(self):
        log = self.write_kernel_log(self.server)
        self.server = self._migrate_server(self.server, host='c2')
        self._assert_only_on('c2')
        self._confirm_resize(self.server)
        self._assert_only_on('c2')
        self.assertTrue(log.exists())
        self._assert_deleted()

    def test_cold_migration_that_is_reverted(self):
        self.server = self._migrate_server(self.server, host='c2')
        self.server = self._revert_resize(self.server)
        self._assert_only_on('c1')
        self._assert_deleted()

    def test_shelved_and_unshelved(self):
        self.server = self._shelve_server(self.server)
        self.assertEqual(set(), self.shadow.alive)
        self.assertEqual([self.port['id']],
                         list(self.neutron_for_domain_r.ports))
        self.server = self._unshelve_server(self.server)
        self._assert_only_on(
            self.server['OS-EXT-SRV-ATTR:host'])
        self._assert_deleted()

    def test_deleted_while_it_is_shelved(self):
        log = self.write_kernel_log(self.server)
        self.server = self._shelve_server(self.server)
        self._delete_server(self.server)
        # No driver was asked.
        self.assertEqual(1, len(self.neutron_for_domain_r.ports))
        self.assertTrue(log.exists())
        # It has the same folder of logs here, and nothing of the instance.
        self.driver('c2')._watch._reconciler.sweep()
        self.assertEqual(1, len(self.neutron_for_domain_r.ports))
        self.driver('c1')._watch._reconciler.sweep()
        self.assert_nothing_left()
        self.assertFalse(log.exists())

    def test_evacuation(self):
        self.computes['c1'].stop()
        self.api.put_service(self._service('c1'), {'forced_down': True})
        self.server = self._evacuate_server(
            self.server, expected_host='c2', expected_migration_status='done')
        self.assertEqual('c2', self.assert_pair(
            self.server, 'c2')['binding:host_id'])
        self.flags(run_dir=self._path('run-c1'),
                   record_dir=self._path('records-c1'), group='dmore')
        self.restart_compute_service('c1')
        self._assert_only_on('c2')
        self._assert_deleted()

    def _service(self, hostname):
        (service,) = self.api.get_services(
            host=hostname, binary='nova-compute')
        return service['id']

    def test_rebuild(self):
        self.api.post_server_action(self.server['id'], {
            'rebuild': {'imageRef': self.server['image']['id']}})
        self.server = self._wait_for_state_change(self.server, 'ACTIVE')
        self._assert_only_on('c1')
        self._assert_deleted()
