# SPDX-License-Identifier: Apache-2.0

from unittest import mock

from nova_dmore import exception
from nova_dmore import wire
from tests.unit.virt import fake_host
from tests.unit.virt import fakes


class ArrivalTest(fake_host.HostTestCase):

    def setUp(self):
        super().setUp()
        self.address = self.pairs.addresses.ensure(fakes.UUID, 'c2')
        self.record = fakes.make_record(address=self.address, incoming=True)

    def test_start_incoming(self):
        self.pairs.start_incoming(self.record, 'm1')
        # Armed before Domain R can come, so that nothing is taken for live.
        self.assertEqual(['start', 'arm', 'configure'], self.shadow.log)
        self.client().arm.assert_called_once_with(
            'm1', wire.Role.DESTINATION)
        self.assertEqual({fakes.PORT}, self.vif_driver.plugged)
        self.assertEqual({}, self.libvirt.domains)
        self.assertEqual(self.record, self.pairs.get(fakes.UUID))
        self.assertFalse(self.pairs.rebuild(fakes.UUID))

    def test_start_incoming_fails(self):
        for refuse in ('arm', 'configure'):
            self.shadow.refuse = {
                refuse: exception.ShadowAnswerError('no')}
            self.assertRaises(
                exception.ShadowAnswerError, self.pairs.start_incoming,
                self.record, 'm1')
            self.assertEqual(set(), self.shadow.alive)
            self.assertIsNone(self.pairs.get(fakes.UUID))
        self.shadow.refuse = {}
        self.vif_driver.refuse = fake_host.plug_error()
        self.assertRaises(
            exception.AddressError, self.pairs.start_incoming,
            self.record, 'm1')
        self.assertEqual(set(), self.shadow.alive)
        # The address is the source's.
        self.assertEqual([fakes.PORT], list(self.neutron.ports))

    def test_arrived(self):
        self.pairs.arrived(fakes.UUID)
        self.assertIsNone(self.pairs.get(fakes.UUID))
        self.pairs.start_incoming(self.record, 'm1')
        self.pairs.arrived(fakes.UUID)
        self.assertFalse(self.pairs.get(fakes.UUID).incoming)
        self.assertEqual(['start', 'arm', 'configure', 'adopt'],
                         self.shadow.log)
        # It is once enough.
        self.pairs.arrived(fakes.UUID)
        self.assertEqual(1, self.shadow.log.count('adopt'))

    def test_arrived_and_neutron_is_away(self):
        self.pairs.start_incoming(self.record, 'm1')
        with mock.patch.object(self.pairs.addresses, 'is_bound',
                               side_effect=exception.AddressError('no')):
            self.assertRaises(exception.AddressError, self.pairs.arrived,
                              fakes.UUID)
        # Domain R does not wait for that.
        self.assertEqual('adopt', self.shadow.log[-1])

    def test_arrived_at_a_process_that_cannot_adopt(self):
        self.pairs.start_incoming(self.record, 'm1')
        self.shadow.refuse['adopt'] = exception.ShadowAnswerError('no')
        self.pairs.arrived(fakes.UUID)
        self.assertFalse(self.pairs.get(fakes.UUID).incoming)

    def test_the_instance_is_started_here_instead(self):
        self.pairs.start_incoming(self.record, 'm1')
        self.shadow.log.clear()
        record = self.pairs.ensure(fakes.make_instance())
        self.assertFalse(record.incoming)
        self.assertEqual(['shutdown', 'start', 'configure'], self.shadow.log)
        self.assertIn(self.domr, self.libvirt.domains)
        self.assertEqual(fakes.HOST, self.neutron.active_host(fakes.PORT))

    def test_take_over_what_was_prepared(self):
        self.pairs.start_incoming(self.record, 'm1')
        self.shadow.log.clear()
        self.pairs.take_over(self.record)
        # What the process got from a Domain R that never came is void.
        self.assertEqual(['shutdown', 'start', 'configure'], self.shadow.log)
        self.assertIn(self.domr, self.libvirt.domains)
        record = self.pairs.get(fakes.UUID)
        self.assertFalse(record.incoming)
        self.assertEqual('10.0.0.5', record.address.ip)
        (port,) = self.neutron.ports.values()
        self.assertEqual(fakes.HOST, port['binding:host_id'])
        self.images.ensure.assert_called_once_with(fakes.DIGEST)

    def test_take_over_what_was_not(self):
        self.pairs.take_over(self.record)
        self.assertEqual((True, True), self.pairs.is_alive(fakes.UUID))

    def test_take_over_that_fails_is_left_to_the_watch(self):
        self.libvirt.refuse = fake_host.libvirt_error()
        self.assertRaises(exception.PairError, self.pairs.take_over,
                          self.record)
        self.libvirt.refuse = None
        self.assertTrue(self.pairs.rebuild(fakes.UUID))
        self.assertEqual((True, True), self.pairs.is_alive(fakes.UUID))
