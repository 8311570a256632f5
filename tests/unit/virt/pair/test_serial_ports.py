# SPDX-License-Identifier: Apache-2.0

from lxml import etree

from nova_dmore import exception
from nova_dmore.virt.pair import serial_ports
from nova_dmore.virt.pair import xml as xml_module
from tests.unit.virt import fakes
from tests.unit.virt.pair import test_xml
from tests.unit.virt.pair import xml_case

NONE = '<domain type="qemu"><devices><input/></devices></domain>'


class KeptTest(fakes.TestCase):

    def _devices(self, defined):
        kept = etree.fromstring(serial_ports.kept(NONE, lambda: defined))
        self.assertEqual('input', kept.find('devices')[0].tag)
        return kept.find('devices')[1:]

    def test_nova_makes_some(self):
        for xml in (test_xml.TCP, test_xml.PTY, test_xml.CONSOLE):
            self.assertEqual(xml, serial_ports.kept(xml, self.fail))

    def test_those_that_it_has(self):
        shadowed = xml_module.with_shadow_devices(
            test_xml.TCP, xml_case.WHERE).xml
        for defined in (test_xml.TCP, shadowed):
            first, second = self._devices(defined)
            self.assertEqual('/i/console.log', first.find('log').get('file'))
            self.assertEqual('10001', second.find('source').get('service'))

    def test_a_pair_leads_to_them(self):
        """And nobody releases the TCP port that is another's by now."""
        expected = xml_module.with_shadow_devices(test_xml.TCP, xml_case.WHERE)
        for defined in (test_xml.TCP, expected.xml):
            shadowed = xml_module.with_shadow_devices(serial_ports.kept(
                NONE, lambda xml=defined: xml), xml_case.WHERE)
            self.assertEqual([], shadowed.released_ports)
            self.assertEqual(
                [etree.tostring(device, with_tail=False) for device in
                 etree.fromstring(expected.xml).iter('serial')],
                [etree.tostring(device, with_tail=False) for device in
                 etree.fromstring(shadowed.xml).iter('serial')])

    def test_the_console_is_the_serial_port(self):
        self.assertEqual(2 * ['console'], [
            device.tag for device in self._devices(test_xml.CONSOLE)])

    def test_none_at_all(self):
        for defined in (None, NONE):
            self.assertRaises(exception.PairError, self._devices, defined)
