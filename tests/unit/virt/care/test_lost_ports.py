# SPDX-License-Identifier: Apache-2.0

import itertools
from unittest import mock

import fixtures
from neutronclient.common import exceptions as neutron_exceptions
from nova import exception as nova_exception
from nova import objects

from nova_dmore import exception
from nova_dmore.virt.care import astray_ports
from nova_dmore.virt.care import late_notes
from nova_dmore.virt.care import lost_ports
from nova_dmore.virt.care import port_search
from nova_dmore.virt.care import reporter
from nova_dmore.virt.pair import announcement
from tests.unit.virt import fake_host
from tests.unit.virt import fakes


class LostPortsTest(fake_host.HostTestCase):

    def setUp(self):
        super().setUp()
        self.instance = fakes.make_instance(task_state=None)
        self.record = self.pairs.ensure(self.instance)
        self.find = self.useFixture(fixtures.MockPatchObject(
            objects.Instance, 'get_by_uuid', return_value=self.instance)).mock
        self.useFixture(fixtures.MockPatchObject(objects.Instance, 'save'))
        self.reporter = mock.create_autospec(reporter.Reporter, instance=True)
        self.search = port_search.PortSearch(
            self.pairs, lost_ports.LostPorts(
                self.pairs, self.reporter, 'context',
                late_notes.LateNotes(self.pairs, 'context', self.conf.dmore)),
            mock.create_autospec(astray_ports.AstrayPorts, instance=True))
        self.log = self.useFixture(fixtures.FakeLogger())

    def _replace_lost(self, times=2):
        for _ in range(times):
            self.search.run(self.pairs.records.all())

    def _delete_port(self):
        self.neutron.ports.clear()
        self.neutron.bindings.clear()
        self.forget_tokens.reset_mock()
        self.libvirt.domains[self.domr].is_old = True

    def _assert_replaced(self):
        (port,) = self.neutron.ports
        self.assertNotEqual(fakes.PORT, port)
        record = self.pairs.get(fakes.UUID)
        self.assertEqual(port, record.address.port_id)
        self.assertEqual({port}, self.vif_driver.plugged)
        self.assertEqual((True, True), self.pairs.is_alive(fakes.UUID))
        self.assertFalse(hasattr(self.libvirt.domains[self.domr], 'is_old'))
        self.reporter.rebuilt.assert_called_once()
        self.assertIn(f'{record.address.ip} now',
                      self.reporter.rebuilt.call_args.args[2])
        self.assertIn(record.address.ip, self.instance.system_metadata[
            announcement.NOTE])
        self._replace_lost()
        self.reporter.rebuilt.assert_called_once()
        return record.address

    def test_none_is_lost(self):
        self._replace_lost()
        self.neutron.client.show_port.assert_not_called()
        self.assertEqual([], self.reporter.mock_calls)

    def test_it_is_searched_for_again_soon(self):
        """But not again and again, if it cannot be replaced."""
        records = self.pairs.records.all()
        self.assertIsNone(self.search.run(records))
        self._delete_port()
        self.neutron.quota['ports'] = 0
        self.assertEqual(5.0, self.search.run(records))
        self.assertIsNone(self.search.run(records))
        self.assertIsNone(self.search.run(records))
        self.neutron.quota['ports'] = 1
        self.assertIsNone(self.search.run(records))
        self._assert_replaced()

    def test_one_that_is_bound_elsewhere(self):
        self.neutron.ports[fakes.PORT]['binding:host_id'] = fakes.OTHER_HOST
        self._replace_lost()
        self.assertEqual([fakes.PORT], list(self.neutron.ports))

    def test_neutron_that_has_just_started(self):
        """For a moment it knows no admin."""
        ports = dict(self.neutron.ports)
        self.libvirt.domains[self.domr].is_old = True
        for times in (1, 1):
            self.neutron.ports.clear()
            self._replace_lost(times)
            self.neutron.ports.update(ports)
            self._replace_lost(1)
        self.assertTrue(self.libvirt.domains[self.domr].is_old)
        self.assertEqual([], self.reporter.mock_calls)

    def test_two_searches_that_are_not_in_a_row(self):
        self._delete_port()
        self._replace_lost(1)
        self.search.run([])      # it is being moved
        self._replace_lost(1)
        self.assertEqual({}, self.neutron.ports)
        self._replace_lost(1)
        self._assert_replaced()

    def test_one_that_is_there_after_all(self):
        self.libvirt.domains[self.domr].is_old = True
        self.neutron.client.list_ports.side_effect = itertools.chain(
            [{'ports': []}] * 2, itertools.repeat(
                {'ports': list(self.neutron.ports.values())}))
        self.neutron.client.show_port.side_effect = (
            neutron_exceptions.PortNotFoundClient)
        self._replace_lost()
        self.assertTrue(self.libvirt.domains[self.domr].is_old)
        self.assertEqual([fakes.PORT], list(self.neutron.ports))
        self.assertEqual([], self.reporter.mock_calls)

    def test_the_same_address(self):
        self._delete_port()
        self._replace_lost(1)
        self.assertEqual({}, self.neutron.ports)
        self._replace_lost(1)
        address = self._assert_replaced()
        self.assertEqual(self.record.address.interface, address.interface)
        self.assertEqual(self.record.address.mac, address.mac)
        self.forget_tokens.assert_not_called()

    def test_another_one_has_the_address(self):
        self._delete_port()
        self.neutron.client.create_port({'port': {
            'network_id': fakes.NETWORK, 'device_id': '', 'fixed_ips': [
                {'ip_address': '10.0.0.5'}], 'binding:host_id': 'x'}})
        other = next(iter(self.neutron.ports))
        self._replace_lost()
        del self.neutron.ports[other]
        self.assertEqual('10.0.0.6', self._assert_replaced().ip)
        # They lead to what has the address now.
        self.forget_tokens.assert_called_once_with(fakes.UUID)

    def test_one_that_arrives(self):
        self._delete_port()
        self.pairs.records.save(fakes.make_record(incoming=True))
        self._replace_lost()
        self.assertEqual({}, self.neutron.ports)

    def test_somebody_changes_the_pair(self):
        self._delete_port()
        with self.pairs.locked(fakes.UUID):
            fake_host.in_thread(self._replace_lost)
        self.assertEqual({}, self.neutron.ports)
        self._replace_lost()
        self._assert_replaced()

    def test_no_room_for_another_one(self):
        self._delete_port()
        self.neutron.quota['ports'] = 0
        self._replace_lost()
        self.assertIn('the quota of ports', self.log.output)
        self.assertEqual([], self.reporter.mock_calls)
        self.neutron.quota['ports'] = 1
        self._replace_lost()
        self._assert_replaced()

    def test_neutron_is_away(self):
        self._delete_port()
        self.neutron.client.list_ports.side_effect = (
            neutron_exceptions.ConnectionFailed(reason='refused'))
        self.assertRaises(exception.ServiceAwayError, self._replace_lost)
        self.assertIn(self.domr, self.libvirt.domains)

    def test_the_instance_is_being_deleted(self):
        self._delete_port()
        self.find.side_effect = nova_exception.InstanceNotFound(
            instance_id=fakes.UUID)
        self._replace_lost()
        self.assertIn('Nova does not know', self.log.output)
        self.reporter.rebuilt.assert_called_once()

    def test_before_a_start(self):
        self._delete_port()
        record = self.pairs.ensure(self.instance)
        self.assertEqual(self.record.address.ip, record.address.ip)
        self.assertEqual({record.address.port_id}, self.vif_driver.plugged)
        self.assertEqual([record.address.port_id], list(self.neutron.ports))

    def test_before_a_start_while_neutron_is_away(self):
        self.neutron.client.show_port.side_effect = (
            neutron_exceptions.ConnectionFailed(reason='refused'))
        self.assertEqual(self.record, self.pairs.ensure(self.instance))
