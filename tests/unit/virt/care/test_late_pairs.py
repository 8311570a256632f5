# SPDX-License-Identifier: Apache-2.0

from unittest import mock

import fixtures
import libvirt
from nova import exception as nova_exception
from nova import objects

from nova_dmore import exception
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
            self.conf.dmore)

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
        ports.side_effect = fakes.neutron_exceptions.ConnectionFailed(
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

    def test_one_that_fails_does_not_hold_up_others(self):
        other = self.libvirt.add_instance(
            '7c3f0b1e-52c1-4d0b-9f44-1c2d3e4f5a6b', 'instance-00000002')
        self.assertIsNotNone(other)

        def find(context, uuid):
            if uuid != fakes.UUID:
                raise nova_exception.InstanceNotFound(instance_id=uuid)
            return self.instance
        self.find.side_effect = find
        self.libvirt.domains = dict(reversed(self.libvirt.domains.items()))
        self.late.make()
        self._assert_made()

    def test_libvirt_is_away(self):
        self.late = late_pairs.LatePairs(
            self.pairs, 'context', mock.Mock(
                side_effect=nova_exception.HypervisorUnavailable()),
            self.conf.dmore)
        self.assertRaises(exception.PairError, self.late.make)
