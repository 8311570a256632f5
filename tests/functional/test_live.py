# SPDX-License-Identifier: Apache-2.0
"""Live migrations that are not like most."""

from unittest import mock

import libvirt
from nova import exception as nova_exception
from nova.tests.fixtures import libvirt as fakelibvirt
from nova.tests.functional.api import client
from nova.virt.libvirt import driver as libvirt_driver

from tests.functional import migration_case
from tests.unit.virt import fake_host


class PausedTest(migration_case.MigrationTestCase):

    def test_paused(self):
        """Its Domain R comes along."""
        self.api.post_server_action(self.server['id'], {'pause': {}})
        self._wait_for_state_change(self.server, 'PAUSED')
        self.domain_r_stopped.clear()
        self._live_migrate(self.server, host='c2',
                           server_expected_state='PAUSED')
        self.until(lambda: not self.driver('c1')._source_roles._roles)
        self.until(lambda: self.driver('c1')._pairs.get(
            self.server['id']) is None)
        self.assertIsNone(self.domain_r(self.server, 'c1'))
        self.assertIsNotNone(self.domain_r(self.server, 'c2'))
        # It is the one that was moved.
        self.assertEqual(2, self.shadow.log.count('start'))
        self.assertFalse(self.driver('c2')._pairs.get(
            self.server['id']).incoming)


class FlagsTestCase(migration_case.MigrationTestCase):
    """:cvar options: of ``[libvirt]``"""

    options: dict[str, object]

    def setUp(self):
        # They are read when nova-compute starts.
        self.flags(**self.options, group='libvirt')
        super().setUp()
        #: By whether it is Domain R's.
        self.flags_of = {}
        self.parameters_of = {}

    def _migrate(self, domain, destination, params, flags):
        is_domain_r = domain.name().startswith('domr-')
        self.flags_of[is_domain_r] = flags
        self.parameters_of[is_domain_r] = params
        super()._migrate(domain, destination, params, flags)

    def go_with(self, flag):
        """Both have it, and Domain R is the one that was moved."""
        self.go()
        for flags in self.flags_of.values():
            self.assertTrue(flags & flag)
        self.assertEqual({False, True}, set(self.flags_of))
        self.assertIsNotNone(self.domain_r(self.server, 'c2'))
        self.assertEqual(2, self.shadow.log.count('start'))


class SeveralConnectionsTest(FlagsTestCase):

    options = {'live_migration_parallel_connections': 4}

    def test_both_have_as_many(self):
        self.go_with(libvirt.VIR_MIGRATE_PARALLEL)
        self.assertEqual([4, 4], [each['parallel.connections']
                                  for each in self.parameters_of.values()])


class EncryptedTest(FlagsTestCase):

    options = {'live_migration_with_native_tls': True}

    def test_both_are(self):
        self.go_with(libvirt.VIR_MIGRATE_TLS)


class PostCopyTest(FlagsTestCase):

    options = {'live_migration_permit_post_copy': True}

    def test_permitted(self):
        """To the instance alone: Domain R has to be whole when it stops."""
        self.go()
        self.assertTrue(self.flags_of[False] & libvirt.VIR_MIGRATE_POSTCOPY)
        self.assertFalse(self.flags_of[True] & libvirt.VIR_MIGRATE_POSTCOPY)
        self.assertIsNotNone(self.domain_r(self.server, 'c2'))
        self.assertEqual(2, self.shadow.log.count('start'))


class DeletedTest(migration_case.MigrationTestCase):

    def _migrate(self, domain, destination, params, flags):
        if domain.name().startswith('domr-'):
            super()._migrate(domain, destination, params, flags)
            return
        # libvirt ends the job of a domain that is destroyed.
        self.api.delete_server(self.server['id'])
        self.until(lambda: domain.name() not in self.connection('c1')._vms)
        self.domain_r_error = fake_host.libvirt_error(text='cancelled')
        raise fakelibvirt.make_libvirtError(
            libvirt.libvirtError, 'domain is not running', error_code=55)

    def test_while_it_migrates(self):
        self.api.post_server_action(self.server['id'], {
            'os-migrateLive': {'host': 'c2', 'block_migration': 'auto'}})
        self._wait_until_deleted(self.server)
        self.until(lambda: not self.driver('c1')._source_roles._roles)
        for host in ('c1', 'c2'):
            self.until(lambda: self.domain_r(self.server, host) is None)
            self.until(lambda: self.driver(host)._pairs.get(
                self.server['id']) is None)
        self.assert_nothing_left()


class RefusedTest(migration_case.MigrationTestCase):

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
                client.OpenStackApiException,
                self.api.post_server_action, self.server['id'],
                {'os-migrateLive': {'host': 'c2', 'block_migration': 'auto'}})
        self.assertIs(domain, self.domain_r(self.server, 'c1'))
        self.assert_left_alone()
        self.assertIsNone(self.driver('c2')._pairs.get(self.server['id']))
        self.assertEqual([(self.port['id'], 'c1')],
                         list(self.neutron_for_domain_r.bindings))
