# SPDX-License-Identifier: Apache-2.0

from unittest import mock

from nova_dmore import exception
from nova_dmore.virt.care import astray_ports
from nova_dmore.virt.care import lost_ports
from nova_dmore.virt.care import port_search
from tests.unit.virt import fake_host
from tests.unit.virt import fakes


class PortSearchTest(fake_host.HostTestCase):

    def setUp(self):
        super().setUp()
        self.record = self.pairs.ensure(fakes.make_instance())
        self.lost = mock.create_autospec(lost_ports.LostPorts, instance=True)
        self.astray = mock.create_autospec(
            astray_ports.AstrayPorts, instance=True)
        self.search = port_search.PortSearch(
            self.pairs, self.lost, self.astray)

    def _run(self):
        """Search -> what was lost twice, and what was astray."""
        self.lost.reset_mock()
        self.astray.reset_mock()
        self.search.run(self.pairs.records.all())
        (lost,), _ = self.lost.replace.call_args
        (astray,), _ = self.astray.take_back.call_args
        return lost, astray

    def _is_bound_elsewhere(self):
        self.neutron.ports[fakes.PORT]['binding:host_id'] = fakes.OTHER_HOST

    def test_neutron_is_asked_once_for_all(self):
        self.neutron.client.list_ports.reset_mock()
        self.neutron.client.show_port.reset_mock()
        self.assertEqual(([], []), self._run())
        self.neutron.client.list_ports.assert_called_once()
        self.neutron.client.show_port.assert_not_called()

    def test_two_searches_have_to_find_the_same(self):
        ports = dict(self.neutron.ports)
        self._is_bound_elsewhere()
        self.assertEqual(([], []), self._run())
        self.neutron.ports.clear()
        self.assertEqual(([], []), self._run())
        self.assertEqual(([self.record], []), self._run())
        self.neutron.ports.update(ports)
        self.assertEqual(([], []), self._run())
        self.assertEqual(([], [self.record]), self._run())

    def test_a_binding_of_which_neutron_says_nothing(self):
        del self.neutron.ports[fakes.PORT]['binding:host_id']
        with mock.patch.object(self.pairs.addresses, 'ports_on',
                               return_value=set()):
            for _ in range(2):
                self.assertEqual(([], []), self._run())

    def test_one_that_cannot_be_taken_back_keeps_no_other_lost(self):
        self.neutron.ports.clear()
        self._run()
        self.astray.take_back.side_effect = exception.PairError('no libvirt')
        self.assertRaises(exception.PairError, self.search.run,
                          self.pairs.records.all())
        self.lost.replace.assert_called_with([self.record])

    def test_neutron_is_away_meanwhile(self):
        self.neutron.ports.clear()
        self._run()
        with mock.patch.object(
                self.pairs.addresses, 'ports_on',
                side_effect=exception.NeutronAwayError('away')):
            self.assertRaises(exception.NeutronAwayError, self.search.run,
                              self.pairs.records.all())
        self.assertEqual(([], []), self._run())
