# SPDX-License-Identifier: Apache-2.0
"""Where users and proxies are sent, through the driver."""

import threading
from unittest import mock

import fixtures
from nova.console import type as console_type
from nova import exception as nova_exception
from nova.virt.libvirt import host as libvirt_host

from nova_dmore import exception
from nova_dmore.virt import consoles
from tests.unit.virt import driver_case
from tests.unit.virt import fake_shadow
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

    def _answers(self, *servings):
        """One after the other; the last one goes on."""
        left = list(servings)
        client = self.pairs.client(fakes.UUID)
        client.status.side_effect = lambda: fake_shadow.status(
            serving=left.pop(0) if len(left) > 1 else left[0])

    def _wait_for(self, seconds):
        for name, value in (('_SERVES_S', seconds), ('_POLL_S', 0.001)):
            self.useFixture(fixtures.MonkeyPatch(
                f'nova_dmore.virt.consoles.{name}', value))

    def test_its_domain_r_is_booting(self):
        self.pairs.ensure(self.instance, display=True)
        self._wait_for(20)
        self._answers(None, None, {'vnc': 0})
        self.assertEqual('10.0.0.5', self._consoles()[0].host)

    def _assert_not_ready(self):
        for get in (self.driver.get_vnc_console,
                    self.driver.get_serial_console):
            self.assertRaises(nova_exception.InstanceNotReady, get,
                              'context', self.instance)

    def test_its_domain_r_does_not_serve(self):
        self.pairs.ensure(self.instance, display=True)
        self._wait_for(0.01)
        self._answers(None)
        self._assert_not_ready()

    def test_too_many_wait_already(self):
        self.pairs.ensure(self.instance, display=True)
        self._wait_for(20)
        self._answers(None, None, {'vnc': 0})
        self.useFixture(fixtures.MonkeyPatch(
            'nova_dmore.virt.consoles._WAITERS', threading.Semaphore(0)))
        self.assertRaises(nova_exception.InstanceNotReady,
                          self.driver.get_vnc_console, 'context',
                          self.instance)

    def test_its_worker_does_not_answer(self):
        self.pairs.ensure(self.instance, display=True)
        self.pairs.client(fakes.UUID).status.side_effect = (
            exception.ShadowAnswerError('gone'))
        self.assertEqual('10.0.0.5', self._consoles()[0].host)

    def test_no_guest(self):
        # It is being started anew.
        self.pairs.ensure(self.instance, display=True)
        self.driver._host.get_guest.side_effect = (
            nova_exception.InstanceNotFound(instance_id=fakes.UUID))
        for get in (self.driver.get_vnc_console,
                    self.driver.get_serial_console):
            self.assertRaises(nova_exception.InstanceNotFound, get,
                              'context', self.instance)
