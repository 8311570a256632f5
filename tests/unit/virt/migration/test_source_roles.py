# SPDX-License-Identifier: Apache-2.0
"""What a role is told, through the driver."""

import base64
from unittest import mock

import fixtures
from nova import exception as nova_exception
from nova import objects

from nova_dmore.virt.migration import guest
from nova_dmore.virt.migration import source
from tests.unit.virt import driver_case


class SourceRolesTest(driver_case.DriverTestCase):

    def setUp(self):
        super().setUp()
        self.role = mock.create_autospec(source.SourceRole, instance=True)
        self.made = self.useFixture(fixtures.MockPatchObject(
            source, 'SourceRole', return_value=self.role)).mock
        self.migrate = self.stock('live_migration')
        self.stock('_get_console_log_path', return_value='/console.log')
        self.stock('_get_console_output_file', return_value=b'boot')

    def _migrate(self, within=lambda: None, shared=False, error=None):
        """Nova's live migration, in which it calls its own methods."""
        def migrate(*arguments):
            within()
            if error is not None:
                raise error
        self.migrate.side_effect = migrate
        self.driver.live_migration(
            'context', self.instance, 'c2', 'post', 'recover',
            migrate_data=objects.LibvirtLiveMigrateData(
                is_shared_instance_path=shared))

    def _operate(self):
        stock = self.stock('_live_migration_operation')
        stock.side_effect = lambda *arguments: self.assertFalse(
            self.role.live_migration_operation_ended.called)
        self.driver._live_migration_operation(
            'context', self.instance, 'c2', False, None, 'guest', [])
        return stock.call_args.args[6]

    def _monitor(self):
        stock = self.stock('_live_migration_monitor')
        stock.side_effect = lambda *arguments: self.assertFalse(
            self.role.live_migration_monitor_ended.called)
        self.driver._live_migration_monitor(
            'context', self.instance, 'guest', 'c2', 'post', 'recover',
            False, None, 'future', [])
        return stock.call_args.args[3]

    def test_how_far_nova_is(self):
        self.pairs.ensure(self.instance)
        abort = self.stock('live_migration_abort')

        def within():
            self.assertIsInstance(self._operate(), guest.CoMigratingGuest)
            self.role.live_migration_operation_ended.assert_called_once_with()
            self.assertIsInstance(self._monitor(), guest.CoMigratingGuest)
            self.role.live_migration_monitor_ended.assert_called_once_with()
            # libvirt is asked.
            self.assertTrue(self.made.call_args.args[4].request())
            self.driver.live_migration_abort(self.instance)
            self.role.wait_for_instance_job.assert_called_once_with()
            abort.assert_called_once()
            self.role.live_migration_ended.assert_not_called()
        self._migrate(within)
        self.role.live_migration_ended.assert_called_once_with()
        self.driver._early_departures.ended.assert_called_once_with(
            self.instance.uuid)

    def test_an_abort_before_libvirt_is_asked(self):
        """Also while the role is not made, which may have to wait."""
        self.pairs.ensure(self.instance)
        abort = self.stock('live_migration_abort')
        made = self.made.side_effect = mock.Mock(
            side_effect=lambda *arguments:
            self.driver.live_migration_abort(self.instance) or self.role)
        self._migrate()
        self.assertTrue(made.call_args.args[4].is_aborted())
        abort.assert_not_called()
        # There is no role: Nova's operation does not begin.
        made.side_effect = (
            lambda *arguments:
            self.driver.live_migration_abort(self.instance) or 1 / 0)
        self._migrate(within=lambda: self.assertRaises(
            nova_exception.MigrationError, self._operate))
        # It is over.
        self.driver.live_migration_abort(self.instance)
        abort.assert_called_once()

    def test_that_it_has_failed(self):
        self.pairs.ensure(self.instance)
        self.assertRaises(RuntimeError, self._migrate, error=RuntimeError())
        self.role.live_migration_ended.assert_called_once_with()
        self.driver._early_departures.ended.assert_called_once_with(
            self.instance.uuid)

    def test_an_instance_without_a_pair_has_none(self):
        self.stock('live_migration_abort')

        def within():
            self.assertEqual('guest', self._operate())
            self.assertEqual('guest', self._monitor())
            self.driver.live_migration_abort(self.instance)
        self._migrate(within)
        self.made.assert_not_called()
        self.assertEqual([], self.driver._early_departures.mock_calls)

    def test_the_console_log(self):
        """It is sent where the hosts do not share it."""
        self.pairs.ensure(self.instance)
        for shared, sent in ((False, base64.b64encode(b'boot').decode()),
                             (True, None)):
            self._migrate(shared=shared)
            read = self.made.call_args.args[2]
            self.assertEqual(sent, read())
