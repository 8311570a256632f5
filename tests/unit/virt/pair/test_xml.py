# SPDX-License-Identifier: Apache-2.0

from lxml import etree

from nova_dmore import places
from nova_dmore.virt.pair import host_side
from nova_dmore.virt.pair import xml
from tests.unit.virt import fakes
from tests.unit.virt.pair import xml_case

DIRECTORY = xml_case.DIRECTORY
INSTANCE = xml_case.INSTANCE
WHERE = xml_case.WHERE
QEMU = xml_case.QEMU
Layout = places.Layout
MONITOR = ['-chardev', f'socket,id=dmore-qmp,path={INSTANCE}/qmp.sock,'
           'reconnect=1', '-mon', 'chardev=dmore-qmp,mode=control']
EARLIER_MONITOR = [
    '-qmp', f'unix:{DIRECTORY}/instance.qmp,server=on,wait=off']
EARLIER_DISPLAY = ['-vnc', f'unix:{DIRECTORY}/display.sock']

#: What Nova makes of an instance with [serial_console] enabled.
TCP = '''
<domain type="qemu">
  <name>instance-00000001</name>
  <metadata>
    <nova:instance xmlns:nova="http://openstack.org/xmlns/libvirt/nova/1.1"/>
  </metadata>
  <devices>
    <serial type="tcp">
      <source host="127.0.0.1" mode="bind" service="10000"/>
      <protocol type="raw"/>
      <log file="/i/console.log" append="off"/>
      <target port="0"/>
    </serial>
    <serial type="tcp">
      <source host="127.0.0.1" mode="bind" service="10001"/>
      <protocol type="raw"/>
      <target port="1"/>
    </serial>
    <input type="tablet" bus="usb"/>
    <graphics type="vnc" autoport="yes" listen="::"/>
    <graphics type="spice" autoport="yes" listen="::"/>
    <video><model type="virtio"/></video>
  </devices>
</domain>'''

#: And without.
PTY = '''
<domain type="qemu"><devices>
  <serial type="pty" tty="/dev/pts/1"><log file="/i/console.log"
      append="off"/><source path="/dev/pts/1"/><alias name="serial0"/>
  </serial>
</devices></domain>'''

#: On other architectures the console is the serial port.
CONSOLE = '''
<domain type="qemu"><devices>
  <console type="tcp">
    <source host="::1" mode="bind" service="10000"/><protocol type="raw"/>
    <log file="/i/console.log" append="off"/>
    <target port="0" type="serial"/>
  </console>
  <console type="tcp">
    <source host="::1" mode="bind" service="10001"/>
    <target port="1" type="serial"/>
  </console>
</devices></domain>'''


class ShadowDevicesTest(fakes.TestCase):

    def _shadow(self, text):
        shadow = xml.with_shadow_devices(text, WHERE)
        return etree.fromstring(shadow.xml), shadow

    def _assert_shadow(self, device, root):
        self._assert_pipe(device)
        self.assertIsNone(device.get('tty'))
        self.assertIsNone(device.find('protocol'))
        self.assertEqual('/i/console.log', device.find('log').get('file'))
        self.assertEqual(MONITOR, xml_case.arguments(root)[:4])

    def _assert_pipe(self, device):
        self.assertEqual('pipe', device.get('type'))
        source, = device.findall('source')
        self.assertEqual({'path': f'{INSTANCE}/serial0'},
                         dict(source.attrib))
        return source

    def test_group_that_lets_qemu_in(self):
        shadow = xml.with_shadow_devices(PTY, WHERE)
        device = etree.fromstring(shadow.xml).find('devices/serial')
        label = self._assert_pipe(device).find('seclabel')
        self.assertEqual({'model': 'dac', 'relabel': 'no'},
                         dict(label.attrib))

    def test_every_layout_becomes_every_other(self):
        layouts = [each for each in Layout if each is not Layout.STOCK]
        texts = [xml.with_shadow_devices(TCP, WHERE, layout)
                 for layout in layouts]
        for known in texts:
            self.assertTrue(known.display)
            self.assertTrue(xml.has_shadow_devices(known.xml))
            self.assertTrue(xml.has_display(known.xml))
            for layout, expected in zip(layouts, texts):
                for sent in (
                        xml.for_destination(known.xml, layout),
                        xml.with_shadow_devices(known.xml, WHERE,
                                                layout).xml):
                    self.assertEqual(*(
                        etree.canonicalize(each.replace('append="off"',
                                                        'append="on"'))
                        for each in (expected.xml, sent)))

    def test_a_host_that_can_have_no_pair(self):
        known = xml.with_shadow_devices(TCP, WHERE).xml
        sent = xml.for_destination(known, Layout.STOCK)
        self.assertFalse(xml.has_shadow_devices(sent))
        self.assertFalse(xml.has_display(sent))
        root = etree.fromstring(sent)
        device = root.find('devices/serial')
        self.assertEqual('pty', device.get('type'))
        self.assertIsNone(device.find('source'))
        # The guest's hardware and its log are as before.
        self.assertEqual('on', device.find('log').get('append'))
        self.assertEqual(
            [len(etree.fromstring(known).findall('devices/*'))],
            [len(root.findall('devices/*'))])
        self.assertNotIn(str(WHERE.instance), sent)
        self.assertIn('none', [each.get('value') for each in root.iter(
            '{http://libvirt.org/schemas/domain/qemu/1.0}arg')])

    def test_a_host_that_can_have_no_pair_and_has_consoles(self):
        known = xml.with_shadow_devices(TCP, WHERE).xml
        sent = xml.for_destination(
            known, Layout.STOCK, host_side.StockConsoles(
                '192.0.2.2', ('10.0.0.2', 10001)))
        self.assertFalse(xml.has_shadow_devices(sent))
        self.assertNotIn('"none"', sent)
        root = etree.fromstring(sent)
        graphics, = root.findall("devices/graphics[@type='vnc']")
        self.assertEqual(
            {'type': 'vnc', 'port': '-1', 'autoport': 'yes',
             'listen': '192.0.2.2'}, dict(graphics.attrib))
        self.assertEqual({'type': 'address', 'address': '192.0.2.2'},
                         dict(graphics.find('listen').attrib))
        for device in root.findall('devices/serial')[:1] + root.findall(
                'devices/console'):
            self.assertEqual('tcp', device.get('type'))
            self.assertEqual(
                {'mode': 'bind', 'host': '10.0.0.2', 'service': '10001'},
                dict(device.find('source').attrib))
            self.assertEqual('raw', device.find('protocol').get('type'))
            self.assertEqual('on', device.find('log').get('append'))
        # One that has no display gets none.
        self.assertEqual([], etree.fromstring(xml.for_destination(
            xml.with_shadow_devices(PTY, WHERE).xml, Layout.STOCK,
            host_side.StockConsoles('192.0.2.2'))).findall(
                'devices/graphics'))

    def test_layouts_of_earlier_releases(self):
        for layout, kind, path in (
                (Layout.FIFOS, 'pipe', f'{DIRECTORY}/serial0'),
                (Layout.SOCKETS, 'unix', f'{DIRECTORY}/serial0.sock')):
            root = etree.fromstring(
                xml.with_shadow_devices(TCP, WHERE, layout).xml)
            first, second = root.findall('devices/serial')
            self.assertEqual(kind, first.get('type'))
            self.assertEqual(path, first.find('source').get('path'))
            self.assertEqual(EARLIER_MONITOR + EARLIER_DISPLAY,
                             xml_case.arguments(root))
            # Its second port is the guest's own.
            self.assertEqual('tcp', second.get('type'))
        self.assertEqual('1', first.find('source/reconnect').get('timeout'))

    def test_destination_of_a_later_release(self):
        shadow = xml.with_shadow_devices(TCP, WHERE).xml
        self.assertEqual(xml.for_destination(shadow),
                         xml.for_destination(shadow, 7))

    def test_tcp(self):
        root, shadow = self._shadow(TCP)
        first, second = root.findall('devices/serial')
        self._assert_shadow(first, root)
        self.assertEqual('0', first.find('target').get('port'))
        self.assertEqual([('127.0.0.1', 10000)], shadow.released_ports)
        self.assertEqual(
            etree.tostring(etree.fromstring(TCP).findall(
                'devices/serial')[1]).split(),
            etree.tostring(second).replace(
                b' xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0"',
                b'').split())

    def test_pty(self):
        root, shadow = self._shadow(PTY)
        self._assert_shadow(root.find('devices/serial'), root)
        self.assertEqual([], shadow.released_ports)

    def test_console(self):
        root, shadow = self._shadow(CONSOLE)
        first, second = root.findall('devices/console')
        self._assert_shadow(first, root)
        self.assertEqual('tcp', second.get('type'))
        self.assertEqual([('::1', 10000)], shadow.released_ports)

    def test_twice_is_once(self):
        # So it is with a suspended instance that is resumed.
        for text in (TCP, PTY):
            once = xml.with_shadow_devices(text, WHERE)
            twice = xml.with_shadow_devices(once.xml, WHERE)
            self.assertEqual([], twice.released_ports)
            self.assertEqual(once.display, twice.display)
            self.assertEqual(etree.canonicalize(once.xml),
                             etree.canonicalize(twice.xml))

    def test_the_prefix_is_declared_on_the_root(self):
        # Elsewhere libvirt does not see qemu:commandline.
        root, _shadow = self._shadow(PTY)
        self.assertEqual(QEMU[1:-1], root.nsmap['qemu'])

    def test_everything_else_stays(self):
        root, _shadow = self._shadow(TCP)
        self.assertEqual('qemu', root.get('type'))
        self.assertEqual('instance-00000001', root.findtext('name'))
        self.assertIsNotNone(root.find(
            'metadata/{http://openstack.org/xmlns/libvirt/nova/1.1}instance'))
        self.assertEqual(['spice'], [
            graphics.get('type')
            for graphics in root.findall('devices/graphics')])
        self.assertIsNotNone(root.find('devices/input[@type="tablet"]'))
        self.assertEqual('virtio', root.find('devices/video/model').get(
            'type'))

    def test_display(self):
        root, shadow = self._shadow(TCP)
        self.assertTrue(shadow.display)
        arguments = xml_case.arguments(root)
        self.assertEqual(1, arguments.count('-vnc'))
        self.assertEqual(['-vnc', 'none'], arguments[4:])

    def test_no_display(self):
        for text in (PTY, TCP.replace('type="vnc"', 'type="spice"')):
            root, shadow = self._shadow(text)
            self.assertFalse(shadow.display)
            self.assertNotIn('-vnc', xml_case.arguments(root))

    def test_no_password_nor_address_of_vnc_stays(self):
        # As an operator's hook, or libvirt, may have added them.
        root, _shadow = self._shadow(TCP.replace(
            'listen="::"/>', 'passwd="secret" port="5901" listen="::">'
            '<listen type="address" address="::"/></graphics>', 1))
        self.assertNotIn(b'secret', etree.tostring(root))
        self.assertNotIn(b'5901', etree.tostring(root))

    def test_arguments_of_the_operator_stay(self):
        text = PTY.replace('</domain>', (
            '<q:commandline xmlns:q="http://libvirt.org/schemas/domain/'
            'qemu/1.0"><q:arg value="-foo"/></q:commandline></domain>'))
        root, _shadow = self._shadow(text)
        self.assertEqual('-foo', xml_case.arguments(root)[0])
        self.assertEqual(MONITOR, xml_case.arguments(root)[1:])

    def test_has_shadow_devices(self):
        for text in (TCP, PTY, CONSOLE):
            self.assertFalse(xml.has_shadow_devices(text))
            self.assertTrue(xml.has_shadow_devices(
                xml.with_shadow_devices(text, WHERE).xml))
        self.assertFalse(xml.has_shadow_devices('<domain><devices/></domain>'))

    def test_has_display(self):
        for text in (TCP, PTY):
            shadowed = xml.with_shadow_devices(text, WHERE)
            self.assertFalse(xml.has_display(text))
            self.assertEqual(shadowed.display, xml.has_display(shadowed.xml))


class DestinationTest(fakes.TestCase):

    def test_the_log_is_appended_to(self):
        for text in (TCP, PTY, CONSOLE):
            shadow = xml.with_shadow_devices(text, WHERE).xml
            log = etree.fromstring(xml.for_destination(shadow)).find('.//log')
            self.assertEqual('on', log.get('append'))
            self.assertEqual('/i/console.log', log.get('file'))

    def test_nothing_else_is_changed(self):
        shadow = xml.with_shadow_devices(TCP, WHERE).xml
        self.assertEqual(
            etree.canonicalize(shadow.replace(
                'append="off"', 'append="on"')),
            etree.canonicalize(xml.for_destination(shadow)))
