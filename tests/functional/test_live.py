# SPDX-License-Identifier: Apache-2.0
"""Live migrations that are not like most."""

from unittest import mock

import libvirt
from nova import exception as nova_exception
from nova.virt.libvirt import driver as libvirt_driver

from tests.functional import test_migration


class PausedTest(test_migration.MigrationTestCase):

    def test_paused(self):
        """Its Domain R comes along."""
        self.api.post_server_action(self.server['id'], {'pause': {}})
        self._wait_for_state_change(self.server, 'PAUSED')
        self.domain_r_stopped.clear()
        self._live_migrate(self.server, host='c2',
                           server_expected_state='PAUSED')
        self.until(lambda: not self.driver('c1')._source_roles)
        self.until(lambda: self.driver('c1')._pairs.get(
            self.server['id']) is None)
        self.assertIsNone(self.domain_r(self.server, 'c1'))
        self.assertIsNotNone(self.domain_r(self.server, 'c2'))
        # It is the one that was moved.
        self.assertEqual(2, self.shadow.log.count('start'))
        self.assertFalse(self.driver('c2')._pairs.get(
            self.server['id']).incoming)


class PostCopyTest(test_migration.MigrationTestCase):

    def setUp(self):
        # It is read when nova-compute starts.
        self.flags(live_migration_permit_post_copy=True, group='libvirt')
        super().setUp()
        self.flags_of = {}

    def _migrate(self, domain, destination, params, flags):
        self.flags_of[domain.name().startswith('domr-')] = flags
        super()._migrate(domain, destination, params, flags)

    def test_permitted(self):
        """To the instance alone: Domain R has to be whole when it stops."""
        self.go()
        self.assertTrue(self.flags_of[False] & libvirt.VIR_MIGRATE_POSTCOPY)
        self.assertFalse(self.flags_of[True] & libvirt.VIR_MIGRATE_POSTCOPY)
        self.assertIsNotNone(self.domain_r(self.server, 'c2'))
        self.assertEqual(2, self.shadow.log.count('start'))


class RefusedTest(test_migration.MigrationTestCase):

    def test_named_host(self):
        """Nothing is made there, and no session notices."""
        domain = self.domain_r(self.server, 'c1')
        self.shadow.log.clear()
        with mock.patch.object(
                libvirt_driver.LibvirtDriver,
                'check_can_live_migrate_destination',
                side_effect=nova_exception.MigrationPreCheckError(
                    reason='no')):
            self.assertRaises(
                test_migration.client.OpenStackApiException,
                self.api.post_server_action, self.server['id'],
                {'os-migrateLive': {'host': 'c2', 'block_migration': 'auto'}})
        self.assertIs(domain, self.domain_r(self.server, 'c1'))
        self.assert_left_alone()
        self.assertIsNone(self.driver('c2')._pairs.get(self.server['id']))
        self.assertEqual([(self.port['id'], 'c1')],
                         list(self.neutron_for_domain_r.bindings))
