# SPDX-License-Identifier: Apache-2.0

from unittest import mock

import fixtures

from nova_dmore.metrics import figures
from nova_dmore.virt import assembly
from nova_dmore.virt.care import port_quota
from nova_dmore.virt import inventory
from nova_dmore.virt.migration import uris
from tests.unit.virt import fake_host
from tests.unit.virt import fakes


class AssembleTest(fake_host.HostTestCase):

    def setUp(self):
        super().setUp()
        # Nova's RPC is not there.
        self.useFixture(fixtures.MockPatch(
            'nova.rpc.get_client', autospec=True))
        self.connect = mock.Mock(return_value=self.libvirt)
        self.asked = []
        self.made = assembly.assemble(
            self.conf, mock.create_autospec(
                inventory.DMoreHost, instance=True),
            self.vif_driver, self.connect, 'qemu:///system', self._uris_to,
            lambda: 0)

    def _uris_to(self, host, inbound_address):
        self.asked.append((host, inbound_address))
        return uris.MigrationURIs(f'qemu+tcp://{host}/system')

    def test_connects_to_nothing(self):
        self.connect.assert_not_called()
        self.assertEqual([], self.asked)

    def test_room_is_kept_for_each_pair(self):
        self.assertEqual(self.made.capacity.claim, self.made.pairs.claim)
        self.assertEqual(self.made.capacity.end_claim,
                         self.made.pairs.end_claim)

    def test_the_watch_asks_what_no_domain_r_is_to_wait_for(self):
        owners = [function.__self__ for function, _ in self.made.watch._also
                 if hasattr(function, '__self__')]
        self.assertIn(self.made.pairs.large_regions.__self__, owners)
        self.assertTrue(any(isinstance(each, port_quota.PortQuota)
                            for each in owners))

    def test_who_starts_with_the_stock_consoles_is_counted(self):
        self.made.pairs.report_stock(fakes.UUID, 'no room')
        counted = figures.Figures(figures.path_in(self.conf.dmore.record_dir))
        self.assertEqual({('stock_fallbacks', ()): 1}, counted.counts)

    def test_what_a_source_works_with(self):
        self.config.config(live_migration_inbound_addr='192.0.2.1',
                           group='libvirt')
        self.pairs.ensure(fakes.make_instance())
        # Read for each: an operator may change it.
        self.config.config(hold=False, precopy_timeout=5, group='dmore')
        services = self.made.early_departures.take(
            None, fakes.make_instance(), 'c2').services
        self.assertIs(self.made.pairs, services.pairs)
        self.assertIs(self.made.watch, services.watch)
        self.assertEqual('qemu:///system', services.libvirt_uri)
        self.assertEqual((False, True, 5), (
            services.hold, services.synchronise, services.precopy_timeout_s))
        self.assertEqual([(fakes.HOST, '192.0.2.1')], self.asked)
        self.assertEqual(f'qemu+tcp://{fakes.HOST}/system',
                         services.uris_of_this_host.uri)
