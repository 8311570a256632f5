# SPDX-License-Identifier: Apache-2.0
"""The destination does not have the plug-in."""

import fixtures
from lxml import etree
from neutronclient.common import exceptions as neutron_exceptions
from nova import objects

from nova_dmore import exception
from nova_dmore import places
from nova_dmore.virt.migration import plain_destination
from nova_dmore.virt.migration.phases import Phase
from nova_dmore.virt.pair import announcement
from nova_dmore.virt.pair import host_side
from nova_dmore.virt.pair import xml
from tests.unit.virt import fakes
from tests.unit.virt.migration import source_case

DOMAIN = '''<domain><devices><serial type="pty"><target port="0"/></serial>
<graphics type="vnc" port="-1"/></devices></domain>'''


class PlainDestinationTest(source_case.SourceTestCase):

    def setUp(self):
        super().setUp()
        self.guest.story = self.guest.switch_over_at_once
        self.destination.prepare.side_effect = exception.NobodyThereError('no')
        self.where = places.of_pair(
            self.pairs.records.directory(fakes.UUID))
        self.in_nova = fakes.make_instance()
        self.in_nova.metadata[announcement.SSH_PROPERTY] = 'ssh://x'
        self.useFixture(fixtures.MockPatchObject(
            objects.Instance, 'get_by_uuid', return_value=self.in_nova))
        self.save = self.useFixture(fixtures.MockPatchObject(
            objects.Instance, 'save')).mock

    def _migrate(self):
        self._run(destination_xml=xml.with_shadow_devices(
            DOMAIN, self.where).xml)
        return self.guest.called_with[1]['destination_xml']

    def _assert_stock(self, sent):
        self.assertFalse(xml.has_shadow_devices(sent))
        root = etree.fromstring(sent)
        source = root.find('devices/serial/source')
        self.assertEqual(('10.0.0.2', '10001'),
                         (source.get('host'), source.get('service')))
        self.assertEqual('192.0.2.2', root.find(
            'devices/graphics/listen').get('address'))

    def test_it_arrives_as_a_stock_instance(self):
        self._assert_stock(self._migrate())
        self.assertNotIn('migrate Domain R', self.log)
        self._assert_gone_from_here()
        self.destination.finish.assert_not_called()
        self.reporter.stock.assert_called_once()
        self.assertEqual(fakes.UUID, self.reporter.stock.call_args.args[1])
        self.assertEqual('stock', self.reporter.migration.call_args.args[4])
        # Its user is not told an address where nobody is.
        self.assertEqual({}, self.in_nova.metadata)
        self.save.assert_called_once_with()
        # And it can have that again.
        self.assertEqual([(fakes.PORT, fakes.HOST)],
                         list(self.neutron.bindings))

    def test_it_stays(self):
        self.guest.story = self.guest.fail
        self._run_failing()
        self.destination.abort.assert_not_called()
        self.reporter.stock.assert_not_called()
        self.assertEqual('rolled back',
                         self.reporter.migration.call_args.args[4])
        self.assertEqual((True, True), self.pairs.is_alive(fakes.UUID))
        self.save.assert_not_called()

    def test_nobody_answers(self):
        self.destination.prepare.side_effect = exception.NoAnswerError('no')
        self._assert_stock(self._migrate())
        self.destination.finish.assert_not_called()

    def test_nobody_answers_and_the_port_was_bound_there(self):
        # RabbitMQ is away: what was made early is there.
        self.pairs.addresses.add_binding(
            self.record.address, fakes.OTHER_HOST)
        self.destination.prepare.side_effect = exception.NoAnswerError('no')
        self.assertTrue(xml.has_shadow_devices(self._migrate()))
        self.assertIs(False, self._finished_with()[1])
        self.reporter.stock.assert_not_called()

    def test_nobody_answers_and_neutron_is_away(self):
        self.destination.prepare.side_effect = exception.NoAnswerError('no')
        self.neutron.client.show_port_binding.side_effect = (
            neutron_exceptions.ConnectionFailed(reason='refused'))
        self._assert_stock(self._migrate())

    def test_the_host_service_is_away_there(self):
        # It is a host with the plug-in, and says so itself.
        self.layout = places.Layout.STOCK
        self.destination.prepare.side_effect = self._prepare
        self._assert_stock(self._migrate())
        self.assertIs(False, self._finished_with()[1])
        self.reporter.stock.assert_not_called()
        self.assertEqual('rebuilt',
                         self.reporter.migration.call_args.args[4])

    def test_nova_does_not_know_the_instance_any_more(self):
        objects.Instance.get_by_uuid.side_effect = ValueError('deleted')
        self._migrate()
        self.assertEqual(Phase.DONE, self.role.co_migration.phase)
        self._assert_gone_from_here()


class StockConsolesTest(fakes.TestCase):

    def test_what_the_destination_has_reserved(self):
        data = objects.LibvirtLiveMigrateData(
            graphics_listen_addr_vnc='192.0.2.2',
            serial_listen_addr='10.0.0.2', serial_listen_ports=[10001, 10002])
        self.assertEqual(
            host_side.StockConsoles('192.0.2.2', ('10.0.0.2', 10001)),
            plain_destination.stock_consoles(data))

    def test_no_serial_console_there(self):
        data = objects.LibvirtLiveMigrateData(
            graphics_listen_addr_vnc='::', serial_listen_addr=None,
            serial_listen_ports=[])
        self.assertEqual(host_side.StockConsoles('::'),
                         plain_destination.stock_consoles(data))

    def test_nothing_known(self):
        self.assertEqual(
            host_side.StockConsoles(), plain_destination.stock_consoles(
                objects.LibvirtLiveMigrateData()))
