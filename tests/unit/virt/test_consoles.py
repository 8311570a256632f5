# SPDX-License-Identifier: Apache-2.0
"""Where users and proxies are sent, through the driver."""

from unittest import mock

from nova.console import type as console_type
from nova import exception as nova_exception
from nova.virt.libvirt import host as libvirt_host

from nova_dmore import exception
from nova_dmore.virt import consoles
from tests.unit.virt import driver_case
from tests.unit.virt import fakes


class ConsoleTest(driver_case.DriverTestCase):
    """Where the console proxies are sent."""

    def setUp(self):
        super().setUp()
        self.driver._host = mock.create_autospec(
            libvirt_host.Host, instance=True)
        self.driver._host.get_connection.return_value = self.libvirt
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

    def test_it_was_started_while_it_could_have_no_pair(self):
        self.pairs.ensure(self.instance, display=True)
        self.libvirt.add_instance(xml=driver_case.XML)
        self._assert_stock('vnc', 'serial')

    def test_no_display(self):
        self.pairs.ensure(self.instance, display=False)
        self._assert_stock('vnc')
        self.serial.assert_not_called()

    def test_its_domain_r_cannot_be_had(self):
        self.pairs.ensure(self.instance, display=True)
        self.pairs.trouble[fakes.UUID] = consoles.why(
            exception.AddressError('port x cannot be bound on host c1'))
        for get in (self.driver.get_vnc_console,
                    self.driver.get_serial_console):
            error = self.assertRaises(
                nova_exception.ConsoleTypeUnavailable, get, 'context',
                self.instance)
            self.assertIn('has no network now', str(error))
            self.assertNotIn('c1', str(error))

    def test_no_guest(self):
        # It is being started anew.
        self.pairs.ensure(self.instance, display=True)
        self.driver._host.get_guest.side_effect = (
            nova_exception.InstanceNotFound(instance_id=fakes.UUID))
        for get in (self.driver.get_vnc_console,
                    self.driver.get_serial_console):
            self.assertRaises(nova_exception.InstanceNotFound, get,
                              'context', self.instance)
