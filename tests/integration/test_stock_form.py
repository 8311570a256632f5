# SPDX-License-Identifier: Apache-2.0
"""An instance changes from the form with a pair to a stock one, and back, in
libvirt and QEMU: as in a migration, where libvirt makes the same comparison.
"""

import os
import pathlib
import socket
import tempfile
import threading
import unittest

import libvirt
from lxml import etree

from nova_dmore import places
from nova_dmore.virt.pair import host_side
from nova_dmore.virt.pair import xml
from tests.unit.virt import fakes

#: libvirt's own QEMU driver in this process, as far as it can be.
_QEMU_CONF = '''security_driver = "none"
user = "root"
group = "root"
remember_owner = 0
cgroup_controllers = [ ]
namespaces = [ ]
stdio_handler = "file"
'''


def _free_port():
    with socket.create_server(('127.0.0.1', 0)) as server:
        return server.getsockname()[1]


def _turn():
    while True:
        libvirt.virEventRunDefaultImpl()


class StockFormTest(unittest.TestCase):

    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest('needs root')
        # Short: a socket's path may have 107 characters.
        self.folder = self.enterContext(
            tempfile.TemporaryDirectory(prefix='dmore-', dir='/run'))
        etc = pathlib.Path(self.folder, 'libvirt', 'etc')
        etc.mkdir(parents=True)
        (etc / 'qemu.conf').write_text(_QEMU_CONF)
        libvirt.virEventRegisterDefaultImpl()
        threading.Thread(target=_turn, daemon=True).start()
        self.connection = libvirt.open(
            f'qemu:///embed?root={etc.parent}')
        self.addCleanup(self.connection.close)
        self.where = places.of_pair(
            os.path.join(self.folder, 'run', fakes.UUID))
        self._stand_in_for_keeper()

    def _stand_in_for_keeper(self):
        os.makedirs(self.where.instance)
        for end in ('in', 'out'):
            path = os.path.join(self.where.instance, f'serial0.{end}')
            os.mkfifo(path)
            self.addCleanup(os.close, os.open(path, os.O_RDWR))
        server = self.enterContext(socket.socket(socket.AF_UNIX))
        server.bind(os.path.join(self.where.instance, 'qmp.sock'))
        server.listen()

    def _start(self):
        """An instance of two serial ports and a display, with a pair."""
        log = os.path.join(self.folder, 'console.log')
        domain = self.connection.createXML(xml.with_shadow_devices(
            f'''<domain type="qemu"><name>instance-1</name>
            <uuid>{fakes.UUID}</uuid><memory unit="MiB">64</memory>
            <os><type machine="pc">hvm</type></os><devices>
            <serial type="tcp">
              <source mode="bind" host="127.0.0.1" service="{_free_port()}"/>
              <protocol type="raw"/><log file="{log}" append="off"/>
              <target port="0"/></serial>
            <serial type="pty"><target port="1"/></serial>
            <graphics type="vnc" port="-1" listen="127.0.0.1"/>
            <video><model type="vga"/></video></devices></domain>''',
            self.where).xml, 0)
        self.addCleanup(lambda: self._domain().destroy())
        return domain

    def _domain(self):
        return self.connection.lookupByUUIDString(fakes.UUID)

    def _becomes(self, change):
        """It leaves and comes, changed by a function of its XML."""
        domain = self._domain()
        changed = change(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_MIGRATABLE))
        memory = os.path.join(self.folder, 'memory')
        domain.save(memory)
        self.connection.restoreFlags(memory, changed, 0)
        self.assertEqual(
            libvirt.VIR_DOMAIN_RUNNING, self._domain().state()[0])
        return self._domain().XMLDesc(0)

    def _assert_stock(self, serial):
        found = self._becomes(lambda known: xml.for_destination(
            known, places.Layout.STOCK,
            host_side.StockConsoles('127.0.0.1', serial)))
        self.assertFalse(xml.has_shadow_devices(found))
        root = etree.fromstring(found)
        graphics = root.find("devices/graphics[@type='vnc']")
        with socket.create_connection(
                ('127.0.0.1', int(graphics.get('port'))), 10) as viewer:
            self.assertEqual(b'RFB 003.008\n', viewer.recv(12))
        # What Nova searches for.
        source = root.find('devices/console/source')
        self.assertEqual(dict(root.find('devices/serial/source').attrib),
                         dict(source.attrib))
        if serial is None:
            self.assertTrue(os.path.exists(source.get('path')))
            return
        self.assertIsNotNone(root.find(
            "devices/console[@type='tcp']/log[@file]"))
        with socket.create_connection(serial, 10):
            pass

    def test_there_and_back(self):
        self._start()
        for serial in (('127.0.0.1', _free_port()), None):
            self._assert_stock(serial)
            again = self._becomes(lambda known: xml.with_shadow_devices(
                known, self.where).xml)
            self.assertTrue(xml.has_shadow_devices(again))
