# SPDX-License-Identifier: Apache-2.0
"""Guests of all kinds: each has a pair, or is refused as stock refuses it."""

import os

import fixtures
from nova import conf
from nova.console import serial
from nova.tests.fixtures import libvirt as fakelibvirt
from nova.tests.functional.api import client

from tests.functional import base
from tests.functional import migration_case

CONF = conf.CONF


class VarietyTest(base.TestCase):

    def _boot(self, extra_spec=None, **properties):
        arguments = {}
        if extra_spec:
            arguments['flavor_id'] = self._create_flavor(
                extra_spec=extra_spec)
        if properties:
            arguments['image_uuid'] = self.make_guest_image(**properties)
        return self.boot(**arguments)

    def _serial_types(self, server):
        return [device.get('type') for device in
                self.instance_xml(server).findall('devices/serial')]

    def test_several_serial_ports(self):
        """The first one is the pair's, the others are as stock has them."""
        self.start()
        ports = set(serial.ALLOCATED_PORTS)
        server = self._boot({'hw:serial_port_count': '3'})
        self.assert_pair(server)
        self.assertEqual(['pipe', 'tcp', 'tcp'], self._serial_types(server))
        self.assertEqual(2, len(set(serial.ALLOCATED_PORTS) - ports))

    def _second_tcp_port(self, server):
        return self.instance_xml(server).findall(
            'devices/serial')[1].find('source').get('service')

    def test_several_serial_ports_in_a_rescue(self):
        """Nova makes none for a domain that has some over TCP."""
        self.see_consoles()
        self.start()
        server = self._boot({'hw:serial_port_count': '2'})
        os.makedirs(os.path.join(CONF.instances_path, server['id']),
                    exist_ok=True)
        port, domain = self.assert_pair(server), self.domain_r(server)
        second = self._second_tcp_port(server)
        for change in (self._rescue_server, self._unrescue_server):
            change(server)
            self.assertEqual(['pipe', 'tcp'], self._serial_types(server))
            self.assertEqual(port, self.assert_pair(server))
            self.assertIs(domain, self.domain_r(server))
            self.assertEqual(('10.0.0.5', 5900),
                             self.endpoint(self.make_token(server)))
            self.assertEqual(second, self._second_tcp_port(server))

    def test_one_without_a_pair_in_a_rescue(self):
        """It can have one now: a rescue gives it one."""
        self.see_consoles()
        self.flags(enabled=False, group='dmore')
        self.start()
        server = self._boot()
        self.assert_no_pair(server)
        os.makedirs(os.path.join(CONF.instances_path, server['id']),
                    exist_ok=True)
        self.flags(enabled=True, group='dmore')
        self._rescue_server(server)
        self.assert_pair(server)
        self.assertEqual(('10.0.0.5', 5900),
                         self.endpoint(self.make_token(server)))

    def test_no_serial_console(self):
        """Its line is the pair's all the same: Nova's pty has a log."""
        self.flags(enabled=False, group='serial_console')
        self.start()
        server = self._boot()
        self.assert_pair(server)
        self.assertEqual(['pipe'], self._serial_types(server))
        self.assertRaises(client.OpenStackApiException, self.make_token,
                          server, 'serial', 'serial')

    def test_no_vnc(self):
        self.flags(enabled=False, group='vnc')
        self.start()
        server = self._boot()
        self.assert_pair(server)
        (config,), _keywords = self.shadow_client(server).configure.call_args
        self.assertIsNone(config['vnc'])
        self.assertRaises(client.OpenStackApiException, self.make_token,
                          server)

    def test_spice_beside_it(self):
        self.flags(enabled=True, group='spice')
        self.start()
        server = self._boot()
        self.assert_pair(server)
        self.assert_display(self.instance_xml(server),
                            self.pair_directory(server))
        self.assertIsNotNone(self.instance_xml(server).find(
            "devices/graphics[@type='spice']"))

    def _assert_video(self, model):
        self.start()
        server = self._boot(hw_video_model=model)
        self.assert_pair(server)
        self.assertEqual(model, self.instance_xml(server).find(
            'devices/video/model').get('type'))

    def test_no_video(self):
        self._assert_video('none')

    def test_virtio_video(self):
        self._assert_video('virtio')

    def test_vga(self):
        self._assert_video('vga')

    def test_q35(self):
        self.start()
        server = self._boot(hw_machine_type='q35')
        self.assert_pair(server)
        self.assertEqual('q35', self.instance_xml(server).find(
            'os/type').get('machine'))

    def test_uefi(self):
        self.start()
        server = self._boot(hw_firmware_type='uefi',
                            hw_machine_type='q35')
        self.assert_pair(server)
        self.assertIsNotNone(self.instance_xml(server).find('os/loader'))

    def test_secure_boot(self):
        self.start()
        server = self._boot(hw_firmware_type='uefi', hw_machine_type='q35',
                            os_secure_boot='required')
        self.assert_pair(server)
        self.assertEqual('yes', self.instance_xml(server).find(
            'os/loader').get('secure'))

    def test_pointer_models(self):
        self.start()
        server = self._boot(hw_pointer_model='usbtablet')
        self.assert_pair(server)
        self.assertIsNotNone(self.instance_xml(server).find(
            "devices/input[@type='tablet']"))

    def test_config_drive(self):
        self.useFixture(fixtures.MockPatch(
            'nova.virt.libvirt.driver.LibvirtDriver._create_configdrive'))
        self.start()
        server = self.boot({'config_drive': True})
        self.assert_pair(server)
        self.assertEqual('True', self.api.get_server(
            server['id'])['config_drive'])

    def test_aarch64(self):
        """No Domain R has been made for it: said at the start, once."""
        self.log = self.useFixture(fixtures.FakeLogger())
        self.useFixture(fixtures.MonkeyPatch(
            'tests.functional.base.Connection.domainXMLToNative',
            lambda connection, kind, xml, flags=0: self._refuse()
            if 'pc-i440fx' in xml or 'ivshmem' in xml else ''))
        self.start()
        self.assertEqual(1, self.log.output.count('device not available'))
        server = self._boot()
        self.assert_no_pair(server)

    @staticmethod
    def _refuse():
        raise base.fake_host.libvirt_error(
            text="machine type 'pc-i440fx-7.2' is not supported")


class MigrationTest(migration_case.MigrationTestCase):

    def test_a_device_that_is_passed_through(self):
        """Stock Nova refuses to migrate it; nothing of the pair is left."""
        error = fakelibvirt.make_libvirtError(
            fakelibvirt.libvirtError, 'cannot migrate a domain with '
            'assigned host devices', error_code=1)
        self.instance_error = error
        self.stay()
        self.assertIsNotNone(self.domain_r(self.server, 'c1'))
        self.assertIsNone(self.driver('c2')._pairs.get(self.server['id']))
