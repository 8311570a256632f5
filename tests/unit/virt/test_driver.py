# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

import os
from unittest import mock

import fixtures
from nova.compute import task_states
from nova.compute import vm_states
from nova.console import type as console_type
from nova import exception as nova_exception
from nova.virt.libvirt import driver as libvirt_driver
from nova.virt.libvirt import host as libvirt_host

from nova_dmore import exception
from nova_dmore.virt import driver
from nova_dmore.virt.migration import destination
from tests.unit.virt import fake_host
from tests.unit.virt import fakes

XML = '''<domain type="qemu"><name>instance-1</name><devices>
<serial type="pty"><log file="/console.log" append="off"/>
<target port="0"/></serial></devices></domain>'''


class DriverTestCase(fake_host.HostTestCase):
    """The driver over a stock driver of which no method does anything."""

    def setUp(self):
        super().setUp()
        # Nova's constructor asks libvirt and the host for too much.
        self.driver = driver.DMoreDriver.__new__(driver.DMoreDriver)
        self.driver._pairs = self.pairs
        self.driver._comigrations = {}
        self.driver._rebooting = set()
        self.instance = fakes.make_instance()
        self.saved = self.useFixture(fixtures.MockPatch(
            'nova.objects.Instance.save', autospec=True)).mock
        self.log = self.useFixture(fixtures.FakeLogger())

    def stock(self, name, **behaviour):
        """Replace one of Nova's methods."""
        return self.useFixture(fixtures.MockPatchObject(
            libvirt_driver.LibvirtDriver, name, autospec=True,
            **behaviour)).mock


class CreateTest(DriverTestCase):
    """The instance comes first."""

    def setUp(self):
        super().setUp()
        self.create = self.stock('_create_guest', return_value='guest')

    def _create(self):
        guest = self.driver._create_guest(
            'context', XML, self.instance, power_on=False)
        self.assertEqual('guest', guest)
        (call,) = self.create.call_args_list
        self.assertEqual({'power_on': False, 'pause': False,
                          'post_xml_callback': None}, call.kwargs)
        return call.args[2]

    def _assert_stock(self):
        self.assertEqual(XML, self._create())
        self.assert_nothing_left()
        self.assertIn('stock consoles', self.log.output)

    def test_with_a_pair(self):
        self.assertIn('serial0.sock', self._create())
        self.assertIn(self.domr, self.libvirt.domains)
        self.assertIn('dmore:console_ssh', self.instance.metadata)

    def test_what_can_be_foreseen(self):
        self.images.current.side_effect = exception.ImageError('no image')
        self._assert_stock()
        self.assertIn('no image', self.log.output)
        self.assertNotIn('Traceback', self.log.output)

    def test_what_nobody_expected(self):
        self.images.current.side_effect = TypeError('a bug')
        self._assert_stock()
        self.assertIn('Traceback', self.log.output)

    def test_a_bug_after_the_pair_was_made(self):
        self.useFixture(fixtures.MockPatch(
            'nova_dmore.virt.xml.with_shadow_devices',
            side_effect=KeyError('a bug')))
        self._assert_stock()

    def test_required(self):
        self.config.config(required=True, group='dmore')
        for error, text in ((exception.ImageError('no image'), 'no image'),
                            (TypeError('a bug'), 'a bug'),
                            (AssertionError(), 'AssertionError')):
            self.images.current.side_effect = error
            raised = self.assertRaises(
                nova_exception.BuildAbortException, self._create)
            self.assertIn(text, str(raised))
            self.assert_nothing_left()
        self.create.assert_not_called()

    def test_announcing_it_fails(self):
        self.saved.side_effect = RuntimeError('no conductor')
        self._create()
        self.assertIn(self.domr, self.libvirt.domains)

    def test_novas_error_passes_through(self):
        error = RuntimeError('no memory')
        self.create.side_effect = error
        # Also when the way back fails.
        for refuse in ({}, {'shutdown': TypeError('a bug')}):
            self.shadow.refuse = refuse
            self.assertIs(error, self.assertRaises(
                RuntimeError, self._create))
            self.create.reset_mock()
        self.assertEqual([], self.pairs.records.all())


class WithdrawTest(DriverTestCase):
    """An instance that had a Domain R starts with the stock consoles."""

    def setUp(self):
        super().setUp()
        self.create = self.stock('_create_guest')
        self._create(XML)
        self.shadowed = self.create.call_args.args[2]
        self.create.reset_mock()
        self.images.current.side_effect = exception.ImageError('no image')
        self.images.ensure.side_effect = exception.ImageError('no image')
        self.libvirt.domains.clear()

    def _create(self, xml):
        self.driver._create_guest('context', xml, self.instance)

    def test_nothing_leads_to_domain_r(self):
        self.saved.reset_mock()
        self._create(XML)
        self.assertEqual(XML, self.create.call_args.args[2])
        self.assertEqual({}, self.instance.metadata)
        self.saved.assert_called_once_with(self.instance)
        self.assertIsNone(self.pairs.get(fakes.UUID))
        # It is still the instance's.
        self.assertEqual([fakes.PORT], list(self.neutron.ports))
        self.neutron.ports.clear()
        self.assert_nothing_left()

    def test_resumed(self):
        # It is as it was suspended, and its QEMU makes sockets there.
        for pair_is_gone in (False, True):
            if pair_is_gone:
                self.pairs.records.remove(fakes.UUID)
            self._create(self.shadowed)
            self.assertEqual(self.shadowed, self.create.call_args.args[2])
            self.assertTrue(os.path.isdir(
                self.pairs.records.directory(fakes.UUID)))

    def test_opted_out(self):
        self.instance.flavor.extra_specs['dmore:domain_r'] = 'disabled'
        self._create(XML)
        self.assertEqual(XML, self.create.call_args.args[2])
        self.assertEqual({}, self.instance.metadata)
        self.assert_nothing_left()


class ConsoleTest(DriverTestCase):
    """Where the console proxies are sent."""

    def setUp(self):
        super().setUp()
        self.driver._host = mock.create_autospec(
            libvirt_host.Host, instance=True)
        self.vnc = self.stock('get_vnc_console', return_value='vnc')
        self.serial = self.stock('get_serial_console', return_value='serial')

    def _consoles(self):
        return [get('context', self.instance)
                for get in (self.driver.get_vnc_console,
                            self.driver.get_serial_console)]

    def _assert_stock(self, *kinds):
        found = self._consoles()
        for kind in kinds:
            self.assertIn(kind, found)
            getattr(self, kind).assert_called_once_with(
                self.driver, 'context', self.instance)

    def test_domain_r(self):
        self.pairs.ensure(self.instance, display=True)
        self.config.config(vnc_port=5911, serial_port=7000, group='dmore')
        vnc, serial = self._consoles()
        self.assertIs(console_type.ConsoleVNC, type(vnc))
        self.assertEqual(('10.0.0.5', 5911), (vnc.host, vnc.port))
        self.assertIs(console_type.ConsoleSerial, type(serial))
        self.assertEqual(('10.0.0.5', 7000), (serial.host, serial.port))
        self.vnc.assert_not_called()
        self.serial.assert_not_called()

    def test_no_pair(self):
        self._assert_stock('vnc', 'serial')

    def test_no_display(self):
        self.pairs.ensure(self.instance, display=False)
        self._assert_stock('vnc')
        self.serial.assert_not_called()

    def test_no_guest(self):
        # It is being started anew.
        self.pairs.ensure(self.instance, display=True)
        self.driver._host.get_guest.side_effect = (
            nova_exception.InstanceNotFound(instance_id=fakes.UUID))
        for get in (self.driver.get_vnc_console,
                    self.driver.get_serial_console):
            self.assertRaises(nova_exception.InstanceNotFound, get,
                              'context', self.instance)


class ArrivalTest(DriverTestCase):

    def setUp(self):
        super().setUp()
        self.stock_method = self.stock('pre_live_migration',
                                       return_value='data')
        self.driver._destination = mock.create_autospec(
            destination.DestinationRole, instance=True)

    def _arrive(self, **metadata):
        self.instance.metadata = metadata
        self.assertEqual('data', self.driver.pre_live_migration(
            'context', self.instance, 'devices', 'networks', None, 'data'))
        self.stock_method.assert_called_once_with(
            self.driver, 'context', self.instance, 'devices', 'networks',
            None, 'data')

    def test_an_instance_with_domain_r_is_expected(self):
        self._arrive(**{driver.SSH_PROPERTY: 'ssh://console@10.0.0.5'})
        self.driver._destination.expect.assert_called_once_with(
            self.instance)

    def test_a_stock_instance_is_not(self):
        self._arrive(some='property')
        self.driver._destination.expect.assert_not_called()

    def test_a_bug(self):
        self.driver._destination.expect.side_effect = TypeError('a bug')
        self._arrive(**{driver.SSH_PROPERTY: 'ssh://console@10.0.0.5'})
        self.assertIn('Traceback', self.log.output)


class LiveMigrationTest(DriverTestCase):

    def test_a_bug_before_it_begins(self):
        self.pairs.ensure(self.instance)
        migrate = self.stock('live_migration')
        # Without migrate_data there is no role.
        self.driver.live_migration('context', self.instance, 'c2', 'post',
                                   'recover')
        migrate.assert_called_once_with(
            self.driver, 'context', self.instance, 'c2', 'post', 'recover',
            False, None)
        self.assertEqual({}, self.driver._comigrations)


class LeaveTest(DriverTestCase):
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

    def test_deleted(self):
        self._destroy(task_state=task_states.DELETING)
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
