# SPDX-License-Identifier: Apache-2.0

import dataclasses
from unittest import mock

import fixtures
from nova import objects

from nova_dmore import exception
from nova_dmore.virt.care import astray_ports
from nova_dmore.virt.care import lost_ports
from nova_dmore.virt.care import port_search
from tests.unit.virt import fake_host
from tests.unit.virt import fakes


class AstrayPortsTest(fake_host.HostTestCase):

    def setUp(self):
        super().setUp()
        self.instance = fakes.make_instance(task_state=None)
        self.record = self.pairs.ensure(self.instance)
        self.domain = self.libvirt.add_instance()
        self.useFixture(fixtures.MockPatchObject(
            objects.Instance, 'get_by_uuid', return_value=self.instance))
        self.lost = mock.create_autospec(lost_ports.LostPorts, instance=True)
        self.search = port_search.PortSearch(
            self.pairs, self.lost, astray_ports.AstrayPorts(
                self.pairs, 'context', lambda: self.libvirt))
        # A live migration was cut off when it had been there.
        addresses = self.pairs.addresses
        addresses.add_binding(self.record.address, fakes.OTHER_HOST)
        addresses.activate_binding(fakes.PORT, fakes.OTHER_HOST)

    def _assert_on(self, host, times=2):
        for _ in range(times):
            self.search.run(self.pairs.records.all())
        self.assertEqual(host, self.neutron.active_host(fakes.PORT))

    def test_taken_back(self):
        self.vif_driver.plugged.clear()
        self._assert_on(fakes.OTHER_HOST, times=1)
        self._assert_on(fakes.HOST, times=1)
        self.assertEqual({fakes.PORT}, self.vif_driver.plugged)
        self.assertTrue(self.libvirt.domains[self.domr].isActive())

    def test_the_binding_here_is_gone(self):
        del self.neutron.bindings[fakes.PORT, fakes.HOST]
        self._assert_on(fakes.HOST)

    def test_none_is_astray(self):
        self.pairs.addresses.activate_binding(fakes.PORT, fakes.HOST)
        self.neutron.client.show_port.reset_mock()
        self._assert_on(fakes.HOST)
        self.neutron.client.show_port.assert_not_called()

    def test_the_instance_leaves(self):
        self.domain.job = True
        self._assert_on(fakes.OTHER_HOST)

    def test_the_instance_was_evacuated(self):
        self.instance.host = fakes.OTHER_HOST
        self._assert_on(fakes.OTHER_HOST)

    def test_it_is_on_its_way_back(self):
        self.pairs.records.save(
            dataclasses.replace(self.record, incoming=True))
        self._assert_on(fakes.OTHER_HOST)

    def test_it_cannot_be_bound_here(self):
        with mock.patch.object(self.pairs.addresses, 'activate_binding',
                               side_effect=exception.AddressError('no')):
            self._assert_on(fakes.OTHER_HOST)
        self._assert_on(fakes.HOST)
