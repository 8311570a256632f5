# SPDX-License-Identifier: Apache-2.0
"""The XML of a Domain R."""

from lxml import etree

from nova_dmore import places
from nova_dmore.virt.pair import xml
from nova_dmore import wire
from tests.unit.virt import fakes
from tests.unit.virt.pair import xml_case

DIRECTORY = xml_case.DIRECTORY
WHERE = xml_case.WHERE
QEMU = xml_case.QEMU
Layout = places.Layout


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
            arguments = xml_case.arguments(self._root(virt_type=virt_type))
            self.assertIn(f'socket,id=dmore-qmp,path={WHERE.domain_r}/qmp.'
                          'sock,reconnect=1', arguments)
            self.assertIn('chardev=dmore-qmp,mode=control', arguments)
            self.assertNotIn('server=on', str(arguments))

    def test_keeper_of_an_earlier_release(self):
        root = self._root(layout=Layout.FIFOS)
        self.assertEqual(
            ['-qmp', f'unix:{DIRECTORY}/domain_r.qmp,server=on,wait=off'],
            xml_case.arguments(root)[:2])
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
            found = xml.domain_r_for_destination(text, WHERE, layout).xml
            if expected is None:
                self.assertIsNone(found)
                continue
            self.assertEqual(
                sorted(xml_case.arguments(etree.fromstring(expected))),
                sorted(xml_case.arguments(etree.fromstring(found))))
            self.assertEqual(
                *(etree.fromstring(each).find('devices/shmem/server').get(
                    'path') for each in (expected, found)))

    def test_large_region_goes_where_it_goes(self):
        def path(root):
            return root.find('devices/shmem/server').get('path')

        text = etree.tostring(self._root(large_region=True)).decode()
        self.assertEqual(f'{WHERE.domain_r}/ivshmem-large.sock',
                         path(etree.fromstring(text)))
        self.assertFalse(xml.domain_r_for_destination(
            etree.tostring(self._root()).decode(), WHERE, places.NEWEST
        ).large_region)
        for layout in (Layout.LARGE_REGIONS, 9):
            self.assertEqual(
                xml.DomainRThere(True, None),
                xml.domain_r_for_destination(text, WHERE, layout))
        # No such destination takes it, and the caller has to say so.
        self.assertTrue(xml.domain_r_for_destination(
            text, WHERE, Layout.FIFOS).large_region)
        there = places.of_pair('/elsewhere/' + fakes.UUID)
        self.assertEqual(
            f'{there.domain_r}/ivshmem-large.sock', path(etree.fromstring(
                xml.domain_r_for_destination(
                    text, there, places.NEWEST).xml)))

    def test_processors(self):
        self.assertEqual({}, dict(self._root().find('vcpu').attrib))
        self.assertEqual({'cpuset': '0-1,4'}, dict(self._root(
            cpus='0-1,4').find('vcpu').attrib))

    def test_a_destination_has_other_processors(self):
        root = self._root(cpus='0-1')
        # As libvirt tells them of one that is bound and limited.
        root.append(etree.fromstring(
            '<cputune><global_quota>200000</global_quota>'
            '<emulatorpin cpuset="0-1"/></cputune>'))
        text = etree.tostring(root).decode()
        for cpus, expected in ((None, {}), ('2,5', {'cpuset': '2,5'}),
                               ('0-1', {'cpuset': '0-1'})):
            for changed in (xml.domain_r_for_destination(
                    text, WHERE, places.NEWEST, cpus).xml,
                    xml.with_processors(text, cpus)):
                found = etree.fromstring(changed)
                self.assertEqual(expected, dict(found.find('vcpu').attrib))
                self.assertIsNone(found.find('cputune'))

    def test_a_destination_has_the_same_processors(self):
        for cpus in (None, '0-1'):
            text = etree.tostring(self._root(cpus=cpus)).decode()
            self.assertIsNone(xml.with_processors(text, cpus))
            self.assertIsNone(xml.domain_r_for_destination(
                text, WHERE, places.NEWEST, cpus).xml)

    def test_emulated_memory_has_a_size_that_migrates_whole(self):
        for memory_mib in (48, 96, 128):
            arguments = xml_case.arguments(self._root(memory_mib=memory_mib))
            backend = arguments[arguments.index('-object') + 1]
            size = int(backend.rpartition('size=')[2])
            self.assertGreaterEqual(size, memory_mib << 20)
            self.assertNotEqual(0, size % (64 * 4096))
            self.assertEqual(0, size % 4096)
            self.assertEqual(
                f'{size // 1024}k', arguments[arguments.index('-m') + 1])

    def test_memory_under_kvm_is_libvirts(self):
        arguments = xml_case.arguments(self._root(virt_type='kvm'))
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
