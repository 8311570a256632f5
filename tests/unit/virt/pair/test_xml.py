# SPDX-License-Identifier: Apache-2.0

from lxml import etree

from nova_dmore import places
from nova_dmore.virt.pair import host_side
from nova_dmore.virt.pair import xml
from nova_dmore import wire
from tests.unit.virt import fakes

DIRECTORY = '/run/nova-dmore/' + fakes.UUID
INSTANCE = '/run/nova-dmore/libvirt-' + fakes.UUID
WHERE = places.of_pair(DIRECTORY)
Layout = places.Layout
MONITOR = ['-chardev', f'socket,id=dmore-qmp,path={INSTANCE}/qmp.sock,'
           'reconnect=1', '-mon', 'chardev=dmore-qmp,mode=control']
EARLIER_MONITOR = [
    '-qmp', f'unix:{DIRECTORY}/instance.qmp,server=on,wait=off']
EARLIER_DISPLAY = ['-vnc', f'unix:{DIRECTORY}/display.sock']
QEMU = '{http://libvirt.org/schemas/domain/qemu/1.0}'

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


def _arguments(root):
    return [arg.get('value')
            for arg in root.iterfind(f'{QEMU}commandline/{QEMU}arg')]


class DomainRTest(fakes.TestCase):

    def _root(self, **changes):
        fields = {
            'name': 'domr-' + fakes.UUID, 'uuid': fakes.UUID,
            'instance_uuid': fakes.UUID, 'virt_type': 'qemu',
            'memory_mib': 96, 'image_dir': '/images/x',
            'where': WHERE, 'kernel_arguments': 'quiet ro',
            'interface': '<interface type="bridge"><source bridge="b"/>'
                         '</interface>',
            'log_file': '/log/domr.log'}
        return etree.fromstring(xml.domain_r(
            xml.DomainR(**{**fields, **changes})))

    def test_what_it_boots(self):
        root = self._root()
        self.assertEqual('domr-' + fakes.UUID, root.findtext('name'))
        self.assertEqual(fakes.UUID, root.findtext('uuid'))
        self.assertEqual('96', root.findtext('memory'))
        self.assertEqual('MiB', root.find('memory').get('unit'))
        self.assertEqual('/images/x/vmlinuz', root.findtext('os/kernel'))
        self.assertEqual('/images/x/initrd', root.findtext('os/initrd'))
        self.assertEqual('quiet ro', root.findtext('os/cmdline'))
        disk = root.find('devices/disk')
        self.assertEqual('/images/x/root.squashfs',
                         disk.find('source').get('file'))
        self.assertIsNotNone(disk.find('readonly'))

    def test_its_files_are_not_given_to_qemus_user(self):
        (label,) = self._root().findall('seclabel')
        self.assertEqual({'type': 'none', 'model': 'dac'}, label.attrib)

    def test_region_is_migratable_and_has_all_vectors(self):
        root = self._root()
        shmem = root.find('devices/shmem')
        self.assertEqual('ivshmem-doorbell', shmem.find('model').get('type'))
        self.assertEqual(f'{WHERE.domain_r}/ivshmem.sock',
                         shmem.find('server').get('path'))
        self.assertEqual(str(len(wire.Vector)),
                         shmem.find('msi').get('vectors'))
        # The size comes from the memfd; libvirt refuses one here.
        self.assertIsNone(shmem.find('size'))
        device = root.find(f'{QEMU}override/{QEMU}device')
        self.assertEqual('shmem0', device.get('alias'))
        self.assertEqual(
            {'name': 'master', 'type': 'string', 'value': 'on'},
            dict(device.find(f'{QEMU}frontend/{QEMU}property').attrib))

    def test_ends_with_its_qemu(self):
        root = self._root()
        self.assertEqual(
            ['destroy'] * 3,
            [root.findtext('on_' + event)
             for event in ('poweroff', 'reboot', 'crash')])

    def test_it_connects_its_monitor(self):
        for virt_type in ('qemu', 'kvm'):
            arguments = _arguments(self._root(virt_type=virt_type))
            self.assertIn(f'socket,id=dmore-qmp,path={WHERE.domain_r}/qmp.'
                          'sock,reconnect=1', arguments)
            self.assertIn('chardev=dmore-qmp,mode=control', arguments)
            self.assertNotIn('server=on', str(arguments))

    def test_keeper_of_an_earlier_release(self):
        root = self._root(layout=Layout.FIFOS)
        self.assertEqual(
            ['-qmp', f'unix:{DIRECTORY}/domain_r.qmp,server=on,wait=off'],
            _arguments(root)[:2])
        self.assertEqual(
            f'{DIRECTORY}/ivshmem.sock',
            root.find('devices/shmem/server').get('path'))

    def test_destination_of_another_release(self):
        new, earlier = (etree.tostring(self._root(layout=layout)).decode()
                        for layout in (Layout.DOMAIN_DIRECTORIES,
                                       Layout.FIFOS))
        for text, layout, expected in (
                (new, Layout.DOMAIN_DIRECTORIES, None), (new, 5, None),
                (new, Layout.FIFOS, earlier), (new, Layout.SOCKETS, earlier),
                (earlier, Layout.FIFOS, None),
                (earlier, Layout.DOMAIN_DIRECTORIES, new)):
            found = xml.domain_r_for_destination(text, WHERE, layout)
            if expected is None:
                self.assertIsNone(found)
                continue
            self.assertEqual(
                sorted(_arguments(etree.fromstring(expected))),
                sorted(_arguments(etree.fromstring(found))))
            self.assertEqual(
                *(etree.fromstring(each).find('devices/shmem/server').get(
                    'path') for each in (expected, found)))

    def test_emulated_memory_has_a_size_that_migrates_whole(self):
        for memory_mib in (48, 96, 128):
            arguments = _arguments(self._root(memory_mib=memory_mib))
            backend = arguments[arguments.index('-object') + 1]
            size = int(backend.rpartition('size=')[2])
            self.assertGreaterEqual(size, memory_mib << 20)
            self.assertNotEqual(0, size % (64 * 4096))
            self.assertEqual(0, size % 4096)
            self.assertEqual(
                f'{size // 1024}k', arguments[arguments.index('-m') + 1])

    def test_memory_under_kvm_is_libvirts(self):
        arguments = _arguments(self._root(virt_type='kvm'))
        self.assertNotIn('-m', arguments)
        self.assertNotIn('-object', arguments)

    def test_interface_is_that_of_the_vif_driver(self):
        self.assertEqual(
            'b', self._root().find('devices/interface/source').get('bridge'))

    def test_processor(self):
        self.assertIsNone(self._root().find('cpu'))
        root = self._root(virt_type='kvm', tb_cache_mib=64)
        self.assertEqual('custom', root.find('cpu').get('mode'))
        self.assertEqual('kvm64', root.findtext('cpu/model'))

    def test_machine_is_one_that_every_supported_qemu_has(self):
        self.assertEqual('pc-i440fx-7.2',
                         self._root().find('os/type').get('machine'))

    def test_translation_buffer_is_tcgs_alone(self):
        for asked, given in ((None, '32'), (64, '32'), (16, '16')):
            self.assertEqual(given, self._root(
                tb_cache_mib=asked).findtext('features/tcg/tb-cache'))
        self.assertIsNone(self._root(
            virt_type='kvm', tb_cache_mib=64).find('features/tcg'))

    def test_text_is_escaped(self):
        self.assertEqual('/log/<&".log', self._root(
            log_file='/log/<&".log').find(
                'devices/serial/source').get('path'))

    def test_emulator(self):
        self.assertIsNone(self._root().find('devices/emulator'))
        self.assertEqual('/q', self._root(
            emulator='/q').findtext('devices/emulator'))


class ShadowDevicesTest(fakes.TestCase):

    def _shadow(self, text):
        shadow = xml.with_shadow_devices(text, WHERE)
        return etree.fromstring(shadow.xml), shadow

    def _assert_shadow(self, device, root):
        self._assert_pipe(device)
        self.assertIsNone(device.get('tty'))
        self.assertIsNone(device.find('protocol'))
        self.assertEqual('/i/console.log', device.find('log').get('file'))
        self.assertEqual(MONITOR, _arguments(root)[:4])

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
                             _arguments(root))
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
        arguments = _arguments(root)
        self.assertEqual(1, arguments.count('-vnc'))
        self.assertEqual(['-vnc', 'none'], arguments[4:])

    def test_no_display(self):
        for text in (PTY, TCP.replace('type="vnc"', 'type="spice"')):
            root, shadow = self._shadow(text)
            self.assertFalse(shadow.display)
            self.assertNotIn('-vnc', _arguments(root))

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
        self.assertEqual('-foo', _arguments(root)[0])
        self.assertEqual(MONITOR, _arguments(root)[1:])

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
