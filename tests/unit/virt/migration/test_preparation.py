# SPDX-License-Identifier: Apache-2.0

import dataclasses

from nova_dmore import exception
from nova_dmore import places
from nova_dmore.virt.pair import record
from tests.unit.virt import fakes
from tests.unit.virt.migration import destination_case

OTHER_UUID = '9b0b0c52-59c1-4b0e-8f58-0a5a4c3d2b10'


class PreparationTest(destination_case.DestinationTestCase):

    def test_prepare(self):
        self.assertEqual(places.NEWEST,
                         self.role.prepare(None, 'm1', self.text))
        self.images.ensure.assert_called_once_with(fakes.DIGEST)
        self.assertEqual(['start', 'arm', 'configure'], self.shadow.log)
        self.assertTrue(self.pairs.get(fakes.UUID).incoming)
        self.assertEqual(
            {'bridge_name': 'br-there'},
            self.pairs.get(fakes.UUID).address.vif_details)

    def test_the_port_cannot_be_bound(self):
        self.neutron.vif_type = 'binding_failed'
        self.assertRaises(exception.AddressError, self.role.prepare, None,
                          'm1', self.text)
        self._assert_awaited_alone()

    def test_prepare_twice(self):
        self.role.prepare(None, 'm1', self.text)
        self.assertEqual(places.NEWEST,
                         self.role.prepare(None, 'm1', self.text))
        self.assertEqual(['start', 'arm', 'configure'], self.shadow.log)

    def test_host_service_of_an_earlier_release(self):
        self.shadow.is_old = True
        for _ in range(2):
            self.assertEqual(places.Layout.DOMAIN_DIRECTORIES,
                             self.role.prepare(None, 'm1', self.text))

    def test_prepare_when_the_instance_runs_here(self):
        # The call is late, or forged.
        self.pairs.ensure(fakes.make_instance())
        self.libvirt.add_instance()
        for role in (self.role, self._role()):
            before = self.pairs.get(fakes.UUID)
            self.shadow.log.clear()
            error = self.assertRaises(exception.PairError, role.prepare,
                                      None, 'm1', self.text)
            self.assertIn('runs here', str(error))
            self.assertEqual([], self.shadow.log)
            self.assertEqual(before, self.pairs.get(fakes.UUID))
            self.assertEqual((True, True), self.pairs.is_alive(fakes.UUID))

    def test_prepare_again_when_it_has_come(self):
        self.role.prepare(None, 'm1', self.text)
        self.libvirt.add_instance()
        self.assertEqual(places.NEWEST,
                         self.role.prepare(None, 'm1', self.text))
        self.assertEqual(['start', 'arm', 'configure'], self.shadow.log)

    def test_prepare_for_the_next_try(self):
        # The first source was lost, or its message to abort was.
        self.role.prepare(None, 'm0', self.text)
        self.shadow.log.clear()
        self.role.prepare(None, 'm1', self.text)
        self.assertEqual(['shutdown', 'start', 'arm', 'configure'],
                         self.shadow.log)
        self.role.abort('m0', fakes.UUID)
        self.assertIsNotNone(self.pairs.get(fakes.UUID))

    def test_prepare_fails(self):
        self.images.ensure.side_effect = exception.ImageError('no')
        self.assertRaises(exception.ImageError, self.role.prepare, None,
                          'm1', self.text)
        self._assert_awaited_alone()
        self.images.ensure.side_effect = None
        self.role.prepare(None, 'm1', self.text)
        self.assertEqual(1, len(self.shadow.alive))

    def _during(self, step, error=None):
        """Have something happen while the image is fetched."""
        def ensure(digest):
            self.images.ensure.side_effect = None
            step()
            if error is not None:
                raise error
        self.images.ensure.side_effect = ensure

    def test_prepare_that_outlives_the_migration(self):
        # The source had no patience, and the instance came alone.
        for error in (None, exception.ImageError('no')):
            self._during(lambda: self._finish(False), error)
            self.assertRaises(exception.DMoreError, self.role.prepare, None,
                              'm1', self.text)
            self._assert_rebuilt()
            self.reporter.reset_mock()
            self.role = self._role()
            self.libvirt.domains.clear()

    def test_prepare_that_outlives_an_abort(self):
        self._during(lambda: self.role.abort('m1', fakes.UUID))
        self.assertRaises(exception.PairError, self.role.prepare, None,
                          'm1', self.text)
        self.assertEqual(set(), self.shadow.alive)

    def test_the_instance_needs_its_process_before_all_else(self):
        seen = []
        self._during(lambda: seen.append(set(self.shadow.alive)))
        self.role.prepare(None, 'm1', self.text)
        self.assertEqual([{self.pairs.records.directory(fakes.UUID)}], seen)

    def test_the_instance_can_arrive_alone(self):
        # Its QEMU connects to the process, and needs the FIFOs.
        self.images.ensure.side_effect = exception.ImageError('no')
        self.assertRaises(exception.ImageError, self.role.prepare, None,
                          'm1', self.text)
        self._assert_awaited_alone()
        self.role.abort('m0', fakes.UUID)
        self.assertEqual({self.pairs.records.directory(fakes.UUID)},
                         self.shadow.alive)
        self.role.abort('m1', fakes.UUID)
        self.assertEqual(set(), self.shadow.alive)
        self.assertEqual(set(), self.shadow.folders)

    def test_another_port_than_the_pairs(self):
        # Of another instance, or of a user's.
        other = self.pairs.addresses.ensure(OTHER_UUID, fakes.OTHER_HOST)
        self.text = record.to_json(fakes.make_record(address=other))
        error = self.assertRaises(exception.AddressError, self.role.prepare,
                                  None, 'm1', self.text)
        self.assertIn(other.port_id, str(error))
        self.assertNotIn((other.port_id, fakes.HOST), self.neutron.bindings)
        self._assert_awaited_alone()

    def test_what_the_source_says_of_its_port_is_not_believed(self):
        here = self.there.address
        self.text = record.to_json(fakes.make_record(
            address=dataclasses.replace(
                here, mac='fa:16:3e:66:66:66', interface='10.6.6.6/24',
                network_id=OTHER_UUID, mtu=9000, vif_type='bridge',
                vif_details={'bridge_name': 'br-ex'})))
        self.role.prepare(None, 'm1', self.text)
        self.assertEqual(
            dataclasses.replace(here,
                                vif_details={'bridge_name': 'br-there'}),
            self.pairs.get(fakes.UUID).address)

    def test_a_subnet_was_added(self):
        """Sessions go on at the address that Domain R has."""
        self.neutron.add_subnet()
        self.role.prepare(None, 'm1', self.text)
        self._assert_same_address()

    def test_a_subnet_was_added_and_it_is_prepared_early(self):
        self.neutron.add_subnet()
        self.role.pre_live_migration('context', fakes.make_instance())
        self.role._early._preparations[fakes.UUID].join()
        self.role.prepare(None, 'm1', self.text)
        self._assert_same_address()

    def test_a_subnet_was_added_and_domain_r_does_not_come(self):
        self.neutron.add_subnet()
        self._finish(False)
        self.assertEqual(self.there.address.interface,
                         self.pairs.get(fakes.UUID).address.interface)

    def _assert_same_address(self):
        self.assertEqual(
            dataclasses.replace(self.there.address,
                                vif_details={'bridge_name': 'br-there'}),
            self.pairs.get(fakes.UUID).address)
