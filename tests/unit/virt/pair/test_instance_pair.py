# SPDX-License-Identifier: Apache-2.0
"""An instance is destroyed or leaves while it is off, through the driver."""

import dataclasses
import threading
from unittest import mock

import fixtures
from neutronclient.common import exceptions as neutron_exceptions
from nova.compute import task_states
from nova.compute import vm_states
from nova import exception as nova_exception
from nova import objects

from nova_dmore.virt.pair import policy
from nova_dmore.virt import where
from tests.unit.virt import driver_case
from tests.unit.virt import fakes

XML = driver_case.XML


class LeaveTest(driver_case.DriverTestCase):
    """What becomes of the pair, and of its address, when the instance goes."""

    def setUp(self):
        super().setUp()
        self.pairs.ensure(self.instance)
        self.instance.vm_state = vm_states.ACTIVE
        self.instance.task_state = None
        self.destroyed = self.stock('destroy')
        self.stock('get_host_ip_addr', return_value='10.0.0.1')

    def _destroy(self, **changes):
        for name, value in changes.items():
            setattr(self.instance, name, value)
        self.driver.destroy('context', self.instance, 'network',
                            destroy_disks=False)
        self.destroyed.assert_called_once_with(
            self.driver, 'context', self.instance, 'network',
            block_device_info=None, destroy_disks=False,
            destroy_secrets=True)

    def _assert_gone(self):
        """The pair, not the address."""
        self.assertIsNone(self.pairs.get(fakes.UUID))
        self.assertEqual([fakes.PORT], list(self.neutron.ports))
        self.neutron.ports.clear()
        self.assert_nothing_left()

    def _assert_kept(self):
        self.assertIsNotNone(self.pairs.get(fakes.UUID))
        self.assertEqual((True, True), self.pairs.is_alive(fakes.UUID))

    def test_a_migration_to_here_is_rolled_back(self):
        self.pairs.records.save(dataclasses.replace(
            self.pairs.get(fakes.UUID), incoming=True))
        self._destroy(host=fakes.OTHER_HOST,
                      task_state=task_states.MIGRATING)
        roll_back = (self.driver._destination.
                     rollback_live_migration_at_destination)
        roll_back.assert_called_once_with(fakes.UUID)

    def test_deleted(self):
        self._destroy(task_state=task_states.DELETING)
        self.assert_nothing_left()

    def test_deleted_before_its_resize_was_confirmed(self):
        for vm_state in (vm_states.ACTIVE, vm_states.STOPPED):
            with self.subTest(vm_state):
                self.pairs.ensure(self.instance)
                self.destroyed.reset_mock()
                # Nova has confirmed it meanwhile.
                self._destroy(vm_state=vm_state)
                self.assert_nothing_left()

    def test_deleted_meanwhile(self):
        self._destroy(deleted=True, host=fakes.OTHER_HOST)
        self.assert_nothing_left()

    def test_not_built(self):
        self._destroy(vm_state=vm_states.BUILDING,
                      task_state=task_states.SPAWNING)
        self.assert_nothing_left()

    def test_deleted_and_its_pair_is_elsewhere_or_gone(self):
        self.pairs.remove(fakes.UUID, delete_address=False)
        self.config.config(enabled=False, group='dmore')
        self._destroy(task_state=task_states.DELETING)
        self.assert_nothing_left()

    def test_a_stock_cloud(self):
        self.pairs.remove(fakes.UUID, delete_address=True)
        self.config.config(management_network=None, group='dmore')
        self.neutron.client.reset_mock()
        self._destroy(task_state=task_states.DELETING)
        self.neutron.client.list_ports.assert_not_called()

    def test_shelved(self):
        self._destroy(task_state=task_states.SHELVING_OFFLOADING)
        self._assert_gone()

    def test_reverted_at_the_destination(self):
        self._destroy(task_state=task_states.RESIZE_REVERTING)
        self._assert_gone()

    def _reverting(self, source_compute):
        self.useFixture(fixtures.MockPatchObject(
            objects.Migration, 'get_by_id', lambda context, number:
            {7: objects.Migration(source_compute=source_compute)}[number]))
        self._destroy(
            task_state=task_states.RESIZE_REVERTING,
            migration_context=objects.MigrationContext(migration_id=7))

    def test_reverted_on_the_same_host(self):
        self._reverting(fakes.HOST)
        self._assert_kept()

    def test_reverted_to_the_source(self):
        self._reverting(fakes.OTHER_HOST)
        self._assert_gone()

    def test_reclaimed(self):
        self._destroy(vm_state=vm_states.SOFT_DELETED)
        self.assert_nothing_left()

    def test_evacuated(self):
        self._destroy(host=fakes.OTHER_HOST,
                      task_state=task_states.DELETING)
        self._assert_gone()

    def test_rolled_back(self):
        self._destroy(host=fakes.OTHER_HOST,
                      task_state=task_states.MIGRATING)
        self._assert_gone()

    def test_the_pair_cannot_be_removed(self):
        self.neutron.client.list_ports.side_effect = TypeError('a bug')
        self._destroy(task_state=task_states.DELETING)
        self.assertIn('a bug', self.log.output)

    def test_what_nova_knows_of_it_cannot_be_read(self):
        away = RuntimeError('no conductor')
        with mock.patch.object(where, 'will_be_nowhere', side_effect=away):
            self._destroy(task_state=task_states.DELETING)
        self.assertIn('no conductor', self.log.output)
        self._assert_kept()     # the watch asks later
        self.stock('confirm_migration')
        with mock.patch.object(policy, 'wants_domain_r', side_effect=away):
            self.driver.confirm_migration(
                'context', 'migration', self.instance, 'network')
        self.assertEqual(2, self.log.output.count('RuntimeError'))

    def test_hard_reboot(self):
        def reboot(driver, *args, **kwargs):
            driver.destroy('context', self.instance, 'network',
                           destroy_disks=False)
            return 'result'

        stock = self.stock('_hard_reboot', side_effect=reboot)
        self.assertEqual('result', self.driver._hard_reboot(
            'context', self.instance, 'network', 'shares', 'devices'))
        stock.assert_called_once_with(
            self.driver, 'context', self.instance, 'network', 'shares',
            block_device_info='devices', accel_info=None)
        self._assert_kept()
        # The next time it is not rebooted; also when a reboot failed.
        stock.side_effect = RuntimeError
        self.assertRaises(RuntimeError, self.driver._hard_reboot, 'context',
                          self.instance, 'network', 'shares')
        self.destroyed.reset_mock()
        self._destroy(task_state=task_states.DELETING)
        self.assert_nothing_left()

    def test_deleted_while_it_starts(self):
        """Nova starts it without a lock."""
        def start(driver, *args, **kwargs):
            deletes = threading.Thread(target=self._destroy, kwargs={
                'task_state': task_states.DELETING})
            deletes.start()
            deletes.join()

        self.stock('_hard_reboot', side_effect=start)
        self.driver._hard_reboot(
            'context', self.instance, 'network', 'shares')
        self.assert_nothing_left()

    def _migrate(self, dest, **behaviour):
        stock = self.stock('migrate_disk_and_power_off', **behaviour)
        result = self.driver.migrate_disk_and_power_off(
            'context', self.instance, dest, 'flavor', 'network', 'devices',
            30, 5)
        stock.assert_called_once_with(
            self.driver, 'context', self.instance, dest, 'flavor', 'network',
            block_device_info='devices', timeout=30, retry_interval=5)
        return result

    def test_cold_migration(self):
        self.assertEqual('disks', self._migrate(
            '10.0.0.2', return_value='disks'))
        self._assert_gone()

    def test_cold_migration_of_a_stock_cloud(self):
        self.pairs.remove(fakes.UUID, delete_address=True)
        self.config.config(management_network=None, group='dmore')
        with mock.patch.object(self.pairs, 'remove') as remove:
            self._migrate('10.0.0.2')
        remove.assert_not_called()

    def test_there_and_back(self):
        before = self.pairs.get(fakes.UUID).address.interface
        self._migrate('10.0.0.2')
        self.pairs.addresses.ensure(fakes.UUID, fakes.OTHER_HOST)
        self.stock('_create_guest')
        self.driver._create_guest('context', XML, self.instance)
        self._assert_kept()
        self.assertEqual(before, self.pairs.get(fakes.UUID).address.interface)
        self.assertEqual(fakes.HOST, self.neutron.active_host(fakes.PORT))

    def test_resize_on_this_host(self):
        self._migrate('10.0.0.1')
        self._assert_kept()

    def test_a_migration_that_fails(self):
        self.assertRaises(nova_exception.ResizeError, self._migrate,
                          '10.0.0.2', side_effect=nova_exception.ResizeError(
                              reason='no'))
        self._assert_kept()

    def test_a_start_at_the_destination_that_fails(self):
        self.pairs.remove(fakes.UUID, delete_address=False)
        self.stock('_create_guest', side_effect=RuntimeError)
        self.assertRaises(RuntimeError, self.driver._create_guest,
                          'context', XML, self.instance)
        self._assert_gone()

    def test_confirmed(self):
        stock = self.stock('confirm_migration')
        for host in (fakes.HOST, fakes.OTHER_HOST):
            self._assert_kept()
            self.instance.host = host
            self.driver.confirm_migration(
                'context', 'migration', self.instance, 'network')
            stock.assert_called_with(self.driver, 'context', 'migration',
                                     self.instance, 'network')
        self._assert_gone()

    def test_confirmed_with_a_flavor_that_opts_out(self):
        self.stock('confirm_migration')
        self.pairs.remove(fakes.UUID, delete_address=False)
        self.instance.host = fakes.OTHER_HOST
        self.instance.flavor.extra_specs['dmore:domain_r'] = 'disabled'
        self.driver.confirm_migration(
            'context', 'migration', self.instance, 'network')
        self.assert_nothing_left()
        self.forget_tokens.assert_called_with(fakes.UUID)

    def test_confirmed_with_a_flavor_that_always_opted_out(self):
        """The tokens of its stock consoles are good."""
        self.pairs.remove(fakes.UUID, delete_address=True)
        self.forget_tokens.reset_mock()
        self.stock('confirm_migration')
        self.instance.host = fakes.OTHER_HOST
        self.instance.flavor.extra_specs['dmore:domain_r'] = 'disabled'
        for answer, times in ((None, 0), (
                neutron_exceptions.ConnectionFailed(reason='no'), 1)):
            with mock.patch.object(self.neutron.client, 'list_ports',
                                   wraps=self.neutron.client.list_ports,
                                   side_effect=answer):
                self.driver.confirm_migration(
                    'context', 'migration', self.instance, 'network')
            self.assertEqual(times, self.forget_tokens.call_count)
