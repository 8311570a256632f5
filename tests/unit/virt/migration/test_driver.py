# SPDX-License-Identifier: Apache-2.0
"""What the driver alone does when an instance moves."""

from unittest import mock

from nova_dmore.virt.migration import uris
from nova_dmore.virt.pair import announcement
from tests.unit.virt import driver_case
from tests.unit.virt import fakes


class CheckTest(driver_case.DriverTestCase):

    def _check(self, **metadata):
        self.instance.system_metadata = metadata
        check = self.stock('check_can_live_migrate_destination',
                           return_value='data')
        self.assertEqual(
            'data', self.driver.check_can_live_migrate_destination(
                'context', self.instance, 'source', 'destination'))
        check.assert_called_once_with(
            self.driver, 'context', self.instance, 'source', 'destination',
            False, False)
        return self.driver._destination.check_can_live_migrate_destination

    def test_an_instance_with_domain_r_is_checked(self):
        check = self._check(
            **{announcement.NOTE: 'ssh://console@10.0.0.5'})
        check.assert_called_once_with(self.instance, False)
        self.driver._destination.check_passed.assert_called_once_with(
            'context', self.instance)

    def test_a_stock_instance_has_none(self):
        self._check(some='property').assert_not_called()
        self.driver._destination.check_passed.assert_not_called()


class ArrivalTest(driver_case.DriverTestCase):

    def setUp(self):
        super().setUp()
        self.stock_method = self.stock('pre_live_migration',
                                       return_value='data')

    def _arrive(self, **metadata):
        self.instance.system_metadata = metadata
        self.assertEqual('data', self.driver.pre_live_migration(
            'context', self.instance, 'devices', 'networks', None, 'data'))
        self.stock_method.assert_called_once_with(
            self.driver, 'context', self.instance, 'devices', 'networks',
            None, 'data')

    def test_an_instance_with_domain_r_is_prepared_for(self):
        self._arrive(**{announcement.NOTE: 'ssh://console@10.0.0.5'})
        self.assertEqual(
            [mock.call.pre_live_migration('context', self.instance),
             mock.call.pre_live_migration_ended(self.instance, 'data')],
            self.driver._destination.mock_calls)

    def test_a_stock_instance_is_not(self):
        self._arrive(some='property')
        self.assertEqual([], self.driver._destination.mock_calls)

    def test_one_of_an_earlier_release_is(self):
        self.instance.metadata = {announcement.SSH_PROPERTY: 'ssh://x'}
        # Nobody but the plug-in makes a port on its network.
        self.pairs.addresses.ensure(fakes.UUID, fakes.OTHER_HOST)
        self._arrive()
        self.driver._destination.pre_live_migration.assert_called_once()

    def test_one_whose_user_says_so_is_not(self):
        self.instance.metadata = {announcement.SSH_PROPERTY: 'ssh://x'}
        self._arrive()
        self.assertEqual([], self.driver._destination.mock_calls)

    def test_a_bug(self):
        self.driver._destination.pre_live_migration.side_effect = (
            TypeError('a bug'))
        self._arrive(**{announcement.NOTE: 'ssh://console@10.0.0.5'})
        self.assertIn('Traceback', self.log.output)


class ArrivedTest(driver_case.DriverTestCase):

    def _arrived(self, **metadata):
        self.instance.system_metadata = metadata
        stock = self.stock('post_live_migration_at_destination')
        self.driver.post_live_migration_at_destination(
            'context', self.instance, 'networks')
        stock.assert_called_once_with(
            self.driver, 'context', self.instance, 'networks', False, None)
        return self.driver._destination.post_live_migration_at_destination

    def test_an_instance_with_domain_r(self):
        self._arrived(**{announcement.NOTE: 'ssh://x'}
                      ).assert_called_once_with(self.instance)

    def test_a_stock_instance(self):
        self._arrived(some='property').assert_not_called()


class LiveMigrationTest(driver_case.DriverTestCase):

    def test_a_bug_before_it_begins(self):
        self.pairs.ensure(self.instance)
        migrate = self.stock('live_migration')
        # Without migrate_data there is no role.
        self.driver.live_migration('context', self.instance, 'c2', 'post',
                                   'recover')
        migrate.assert_called_once_with(
            self.driver, 'context', self.instance, 'c2', 'post', 'recover',
            False, None)
        self.assertEqual({}, self.driver._source_roles._roles)

    def test_the_uris_of_a_host(self):
        """As Nova tells a source."""
        self.assertEqual(
            uris.MigrationURIs(f'qemu+tcp://{fakes.HOST}/system', None),
            self.driver._uris_to(fakes.HOST, None))
        self.config.config(group='libvirt', live_migration_scheme='tls')
        self.assertEqual(
            uris.MigrationURIs('qemu+tls://[fd00::1]/system',
                               'tcp://[fd00::1]'),
            self.driver._uris_to(fakes.HOST, 'fd00::1'))
