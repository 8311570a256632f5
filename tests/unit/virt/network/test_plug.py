# SPDX-License-Identifier: Apache-2.0

import pathlib
import time
from unittest import mock

import fixtures
from lxml import etree
from nova import exception as nova_exception
from nova.virt.libvirt import host
from nova.virt.libvirt import vif

from nova_dmore import exception
from nova_dmore.virt.network import plug
from tests.unit.virt import fakes


class PlugTest(fakes.TestCase):

    def setUp(self):
        super().setUp()
        self.record = fakes.make_record()
        self.stock = vif.LibvirtGenericVIFDriver(
            mock.create_autospec(host.Host, instance=True))
        self.driver = mock.create_autospec(self.stock, instance=True)

    def test_vif(self):
        made = plug.to_vif(fakes.make_address())
        self.assertEqual('tapf1e2d3c4-00', made['devname'])
        self.assertEqual('br-int', made['network']['bridge'])
        self.assertEqual(1450, made['network']['meta']['mtu'])
        self.assertIs(True, made['details']['ovs_create_tap'])
        self.assertEqual('fa:16:3e:00:00:01', made['address'])

    def test_interface(self):
        # Nova's own driver makes the element.
        element = etree.fromstring(
            plug.Plug(self.stock, 'qemu').interface_xml(self.record))
        self.assertEqual('fa:16:3e:00:00:01',
                         element.find('mac').get('address'))
        self.assertEqual('virtio', element.find('model').get('type'))
        self.assertEqual('tapf1e2d3c4-00', element.find('target').get('dev'))

    def test_plug_and_unplug(self):
        one = plug.Plug(self.driver, 'qemu')
        one.plug(self.record)
        one.unplug(self.record)
        for method in (self.driver.plug, self.driver.unplug):
            (instance, made), _keywords = method.call_args
            self.assertEqual(fakes.UUID, instance.uuid)
            self.assertEqual(plug.to_vif(self.record.address), made)

    def test_it_cannot_be(self):
        one = plug.Plug(self.driver, 'qemu')
        for method, ours in ((self.driver.plug, one.plug),
                             (self.driver.unplug, one.unplug)):
            method.side_effect = nova_exception.InternalError('no bridge')
            error = self.assertRaises(exception.AddressError, ours,
                                      self.record)
            self.assertIn(self.record.address.port_id, str(error))
            self.assertIn('no bridge', str(error))


class EnsureUpTest(fakes.TestCase):
    """The switch writes the flags that it has read, as os-vif does."""

    def setUp(self):
        super().setUp()
        self.set_up = self.useFixture(fixtures.MockPatch(
            'nova.privsep.linux_net.set_device_enabled', autospec=True)).mock
        self.record = fakes.make_record()
        self.plug = plug.Plug(mock.Mock(), 'qemu')

    def _plug(self, *flags):
        """:param flags: of the tap, one time after the other."""
        tap = plug.to_vif(self.record.address)['devname']
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.useFixture(fixtures.MockPatchObject(plug, '_INTERFACES', folder))
        (folder / tap).mkdir()
        file = folder / tap / 'flags'
        left = list(flags)

        def next_one(*_):
            if left:
                file.write_text(f'{left.pop(0):#x}\n')

        next_one()
        with mock.patch.object(time, 'sleep', side_effect=next_one):
            self.plug.plug(self.record)
        self.assertEqual([], left)
        return tap

    def test_it_is_up(self):
        self._plug(0x1003, 0x1003, 0x1103)
        self.set_up.assert_not_called()

    def test_it_was_set_down(self):
        tap = self._plug(0x1003, 0x1102)
        self.set_up.assert_called_once_with(tap)

    def test_the_switch_does_not_notice_it(self):
        with mock.patch.object(plug, '_NOTICE_S', 0):
            tap = self._plug(0x1002)
        self.set_up.assert_called_once_with(tap)

    def test_there_is_none(self):
        self._plug()
        self.set_up.assert_not_called()
