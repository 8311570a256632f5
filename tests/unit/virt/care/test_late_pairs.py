# SPDX-License-Identifier: Apache-2.0

from unittest import mock

import fixtures
import libvirt
from neutronclient.common import exceptions as neutron_exceptions
from nova import exception as nova_exception
from nova import objects
import oslo_messaging as messaging

from nova_dmore import exception
from nova_dmore.virt.care import late_notes
from nova_dmore.virt.care import late_pairs
from nova_dmore.virt.care import shutdown
from nova_dmore.virt.pair import announcement
from tests.unit.virt import fake_host
from tests.unit.virt import fakes


class LatePairsTest(fake_host.HostTestCase):

    def setUp(self):
        super().setUp()
        self.instance = fakes.make_instance(
            vm_state='active', task_state=None)
        self.find = self.useFixture(fixtures.MockPatchObject(
            objects.Instance, 'get_by_uuid', return_value=self.instance)).mock
        self.useFixture(fixtures.MockPatchObject(objects.Instance, 'save'))
        self.domain = self.libvirt.add_instance()
        self.late = late_pairs.LatePairs(
            self.pairs, 'context', lambda: self.libvirt,
            late_notes.LateNotes(
                self.pairs, 'context', self.conf.dmore))

    def _assert_made(self):
        self.assertEqual((True, True), self.pairs.is_alive(fakes.UUID))
        self.assertIn(announcement.NOTE, self.instance.system_metadata)

    def _assert_not_made(self):
        self.assertIsNone(self.pairs.get(fakes.UUID))
        self.assertNotIn(self.domr, self.libvirt.domains)

    def test_the_host_shuts_down(self):
        with mock.patch.object(shutdown, 'is_under_way', return_value=True):
            self.late.make()
        self._assert_not_made()

    def test_when_neutron_answers_again(self):
        ports = self.neutron.client.list_ports
        before = ports.side_effect
        ports.side_effect = neutron_exceptions.ConnectionFailed(
            reason='refused')
        self.assertRaises(exception.ServiceAwayError, self.late.make)
        self._assert_not_made()
        ports.side_effect = before
        self.late.make()
        self._assert_made()
        # A Domain R is no instance, and one pair is enough.
        self.find.reset_mock()
        self.late.make()
        self.find.assert_not_called()

    def test_a_paused_instance(self):
        self.domain.run_state = (libvirt.VIR_DOMAIN_PAUSED,
                                 libvirt.VIR_DOMAIN_PAUSED_USER)
        self.late.make()
        self._assert_made()

    def test_not_its_business(self):
        for changes in ({'host': fakes.OTHER_HOST},
                        {'task_state': 'deleting'}):
            self.find.return_value = fakes.make_instance(
                **{'task_state': None, **changes})
            self.late.make()
        self.find.return_value = self.instance
        self.domain.job = True
        self.late.make()
        self.domain.job = False
        self.domain.xml = '<domain/>'
        self.late.make()
        self._assert_not_made()

    def _lose_the_record(self):
        """The pair, of which nova-compute knows nothing any more."""
        self.pairs.ensure(self.instance)
        self.pairs.records.forget(fakes.UUID)
        self.shadow.log.clear()
        # Glance has another one by now.
        self.images.current.return_value = 'cd' * 32
        self.pairs = self.make_pairs()
        self.late = late_pairs.LatePairs(
            self.pairs, 'context', lambda: self.libvirt, late_notes.LateNotes(
                self.pairs, 'context', self.conf.dmore))

    def test_adopted(self):
        self._lose_the_record()
        domain = self.libvirt.domains[self.domr]
        self.late.make()
        self._assert_made()
        self.assertIs(domain, self.libvirt.domains[self.domr])
        self.assertEqual(['configure'], self.shadow.log)
        # A destination needs the image that it runs.
        self.assertEqual(fakes.DIGEST, self.pairs.get(fakes.UUID).digest)

    def test_one_that_is_off_is_adopted(self):
        self._lose_the_record()
        self.domain.run_state = (libvirt.VIR_DOMAIN_SHUTOFF, 1)
        self.domain.xml = '<domain/>'
        with mock.patch.object(fake_host.Domain, 'isActive', lambda domain: (
                domain.uuid is None)):
            self.late.make()
            self._assert_made()

    def test_a_damaged_record(self):
        self.pairs.ensure(self.instance)
        path = self.pairs.records._path(fakes.UUID)
        path.write_text('{"half of a')
        self.late.make()
        self._assert_made()

    def test_removed(self):
        for find in (nova_exception.InstanceNotFound(instance_id='x'),
                     [fakes.make_instance(host=fakes.OTHER_HOST,
                                          task_state=None)]):
            self.libvirt.domains.clear()
            self._lose_the_record()
            self.find.side_effect = find
            self.late.make()
            self.assertNotIn(self.domr, self.libvirt.domains)
            self.assertEqual(set(), self.shadow.alive)
            self.assertEqual(set(), self.shadow.folders)
            self.assertEqual(set(), self.vif_driver.plugged)
            self.assertIn(fakes.PORT, self.neutron.ports)

    def test_not_removed(self):
        self._lose_the_record()
        # It has not left, whatever Nova says; or it is on its way.
        for task_state in (None, 'migrating'):
            self.find.return_value = fakes.make_instance(
                host=fakes.OTHER_HOST, task_state=task_state)
            self.late.make()
            self.assertIn(self.domr, self.libvirt.domains)
            self.assertNotEqual(set(), self.shadow.alive)
            self.libvirt.domains.pop('instance-00000001', None)

    def test_what_a_stock_instance_does_not_need(self):
        self.shadow._start(self.pairs.shadows._service, fakes.UUID)
        self.domain.xml = '<domain/>'
        self.late.make()
        self.assertEqual(set(), self.shadow.alive)
        self._assert_not_made()

    def test_one_that_fails_does_not_hold_up_others(self):
        other = self.libvirt.add_instance(
            '7c3f0b1e-52c1-4d0b-9f44-1c2d3e4f5a6b', 'instance-00000002')
        self.assertIsNotNone(other)

        def find(context, uuid, expected_attrs):
            if uuid != fakes.UUID:
                raise nova_exception.InstanceNotFound(instance_id=uuid)
            return self.instance
        self.find.side_effect = find
        self.libvirt.domains = dict(reversed(self.libvirt.domains.items()))
        self.late.make()
        self._assert_made()

    def test_what_was_not_foreseen_does_not_hold_up_others(self):
        other = '7c3f0b1e-52c1-4d0b-9f44-1c2d3e4f5a6b'
        self.libvirt.add_instance(other, 'instance-00000002')
        self.libvirt.domains = dict(reversed(self.libvirt.domains.items()))
        self.find.side_effect = lambda context, uuid, expected_attrs: (
            fakes.make_instance(uuid=uuid, vm_state='active', task_state=None)
            if uuid == other else self.instance)
        ensure = self.pairs.ensure

        def fail(instance, display):
            if instance.uuid == other:
                raise KeyError('binding:vif_type')
            return ensure(instance, display)
        with mock.patch.object(self.pairs, 'ensure', fail):
            self.late.make()
        self._assert_made()

    def test_the_conductor_is_away(self):
        self.find.side_effect = messaging.MessagingTimeout
        self.assertRaises(messaging.MessagingTimeout, self.late.make)

    def test_libvirt_is_away(self):
        self.late = late_pairs.LatePairs(
            self.pairs, 'context', mock.Mock(
                side_effect=nova_exception.HypervisorUnavailable()),
            late_notes.LateNotes(
                self.pairs, 'context', self.conf.dmore))
        self.assertRaises(exception.PairError, self.late.make)
