# SPDX-License-Identifier: Apache-2.0
"""Nova has an instance start on another host; its pair is there then."""

import fixtures

from tests.functional import base
from tests.functional import operations


class MoveTest(operations.TwoHostsTestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MonkeyPatch(
            'nova.virt.libvirt.driver.LibvirtDriver._cleanup_resize',
            lambda *_: None))
        self.useFixture(fixtures.MonkeyPatch(
            'nova.virt.libvirt.driver.LibvirtDriver.snapshot',
            operations.snapshot))
        # Nova reads which serial ports the domain at the source has, and its
        # fake tells of stock consoles, whatever it was given.
        self.useFixture(fixtures.MonkeyPatch(
            'nova.tests.fixtures.libvirt.Domain.XMLDesc',
            base.kept_xml))
        self.without = self._create_flavor(
            extra_spec={'dmore:domain_r': 'disabled'})

    def _cold_migrate(self):
        self.admin_api.post_server_action(
            self.server['id'], {'migrate': {'host': 'c2'}})
        self._wait_for_state_change(self.server, 'VERIFY_RESIZE')

    def test_cold_migration_confirmed(self):
        with self.reattaches('c1', 'c2'):
            self._cold_migrate()
            self._confirm_resize(self.server)

    def test_cold_migration_reverted(self):
        with self.reattaches('c1', 'c1'):
            self._cold_migrate()
            self.assert_left('c1')
            self._revert_resize(self.server)
        self.assert_left('c2')

    def test_deleted_before_it_is_confirmed(self):
        self._cold_migrate()
        self._delete_server(self.server)
        self.assert_nothing_left()

    def test_resize_confirmed(self):
        with self.reattaches('c1', 'c2'):
            self._resize_server(
                self.server, self._create_flavor(memory_mb=256))
            self._confirm_resize(self.server)

    def test_resize_reverted(self):
        with self.reattaches('c1', 'c1'):
            self._resize_server(
                self.server, self._create_flavor(memory_mb=256))
            self._revert_resize(self.server)
        self.assert_left('c2')

    def test_resize_to_a_flavor_that_opts_out(self):
        self._resize_server(self.server, self.without)
        self._confirm_resize(self.server)
        self.assertEqual('tcp', self.serial(self.server, 'c2')[0])
        self.assert_nothing_left()

    def test_resize_to_a_flavor_that_opts_out_reverted(self):
        with self.reattaches('c1', 'c1'):
            self._resize_server(self.server, self.without)
            self._revert_resize(self.server)

    def test_resize_from_a_flavor_that_opts_out_reverted(self):
        server = self.boot(flavor_id=self.without, host='c1')
        self.neutron_for_domain_r.free_addresses = ['10.0.0.6']
        self._resize_server(server, self._create_flavor(memory_mb=256))
        self.assert_pair(server, 'c2')
        self._revert_resize(server)
        self.assertEqual([self.port['id']],
                         list(self.neutron_for_domain_r.ports))

    def test_evacuation_and_the_return_of_the_host(self):
        self.host_dies()
        self._evacuate_server(
            self.server, {'host': 'c2'}, expected_host='c2')
        self._start_server(self.server)
        port = self.assert_pair(self.server, 'c2')
        self.assertEqual(self.port['fixed_ips'], port['fixed_ips'])
        self.assertEqual('c2', port['binding:host_id'])
        # Of which users are told.
        (record,) = self.driver('c2')._pairs.records.all()
        self.assertIsNotNone(record.evacuated_at)
        domain = self.domain_r(self.server, 'c2')
        self.host_returns()
        self.assert_left('c1')
        self.assertIs(domain, self.domain_r(self.server, 'c2'))
        self.assertEqual('c2', self.assert_pair(
            self.server, 'c2')['binding:host_id'])

    def test_deleted_after_its_host_was_lost(self):
        self.host_dies()
        self._delete_server(self.server)
        self.host_returns()
        self.driver('c1')._watch._reconciler.sweep()
        self.assertEqual({}, self.neutron_for_domain_r.ports)

    def test_unshelved_on_the_other_host(self):
        self.flags(shelved_offload_time=0)
        with self.reattaches('c1', 'c2'):
            self._shelve_server(self.server)
            self.admin_api.put_service(
                self.computes['c1'].service_ref.uuid, {'status': 'disabled'})
            self._unshelve_server(self.server)
