# SPDX-License-Identifier: Apache-2.0

import fixtures
from nova import objects

from tests.unit.virt import fakes
from tests.unit.virt.migration import destination_case

HOST = '10.0.0.2'


class SerialPortTest(destination_case.DestinationTestCase):
    """Nova has reserved the first TCP port for an instance that arrives."""

    def setUp(self):
        super().setUp()
        self.instance = fakes.make_instance()
        self.used = {(HOST, 10001), (HOST, 10002)}
        self.useFixture(fixtures.MonkeyPatch(
            'nova.console.serial.ALLOCATED_PORTS', self.used))
        self._reserve()

    def _reserve(self, ports=(10001, 10002), is_shared=True):
        self.role.pre_live_migration_ended(
            self.instance, objects.LibvirtLiveMigrateData(
                serial_listen_addr=HOST if ports else None,
                serial_listen_ports=ports, is_shared_instance_path=is_shared))

    def _arrive(self, **instance):
        self.libvirt.add_instance(**instance)
        self.role.post_live_migration_at_destination(self.instance)

    def _assert_free(self, *ports):
        self.assertEqual({10001, 10002} - set(ports),
                         {port for _host, port in self.used})

    def test_with_its_pair(self):
        self._arrive()
        # Its second serial port is Nova's own.
        self._assert_free(10001)

    def test_it_is_released_once(self):
        self._arrive()
        self.used.add((HOST, 10001))    # another instance has it
        self.role.post_live_migration_at_destination(self.instance)
        self._assert_free()

    def test_with_the_stock_consoles(self):
        self._arrive(xml='<domain/>')
        self._assert_free()

    def test_none_is_reserved_the_next_time(self):
        self._reserve(ports=())
        self._arrive()
        self._assert_free()

    def _stay(self, **data):
        self._reserve(**data)
        self.role.prepare(None, 'm1', self.text)
        self.role.abort('m1', fakes.UUID)
        self.role.abort('m1', fakes.UUID)

    def test_it_stays(self):
        self._stay()
        self._assert_free(10001)

    def test_it_stays_and_nova_releases_all_of_them(self):
        self._stay(is_shared=False)
        self._assert_free()
