# SPDX-License-Identifier: Apache-2.0
"""``tests/functional/test_care.py`` has it with Nova."""

from unittest import mock

import fixtures
import libvirt
from neutronclient.common import exceptions as neutron_exceptions
from nova import exception as nova_exception
from nova import objects

from nova_dmore import exception
from nova_dmore.virt.care import off_ports
from nova_dmore.virt.pair import announcement
from tests.unit.virt import fake_host
from tests.unit.virt import fakes


class OffPortsTest(fake_host.HostTestCase):

    def setUp(self):
        super().setUp()
        self.config.config(release_ports_when_off=True, group='dmore')
        self.instance = fakes.make_instance(
            vm_state='stopped', task_state=None)
        self.pairs.ensure(self.instance)
        self.find = self.useFixture(fixtures.MockPatchObject(
            objects.Instance, 'get_by_uuid', return_value=self.instance)).mock
        self.useFixture(fixtures.MockPatchObject(objects.Instance, 'save'))
        self.log = self.useFixture(fixtures.FakeLogger())
        self.off = off_ports.OffPorts(
            self.pairs, 'context', lambda: self.libvirt, self.conf.dmore)

    def _release(self):
        self.off.release(self.pairs.records.all())

    def _assert_kept(self):
        self._release()
        self.assertEqual([fakes.PORT], list(self.neutron.ports))
        self.assertIsNotNone(self.pairs.get(fakes.UUID))

    def test_given_back(self):
        self._release()
        self.assert_nothing_left()

    def test_nova_compute_ends_meanwhile(self):
        announcement.announce(
            self.conf.dmore, self.instance, self.pairs.get(fakes.UUID))
        with mock.patch.object(self.pairs, 'remove', side_effect=SystemExit):
            self.assertRaises(SystemExit, self._release)
        self.assertNotIn(announcement.NOTE, self.instance.system_metadata)
        self._release()
        self.assert_nothing_left()

    def test_nova_starts_it_meanwhile(self):
        self.instance.system_metadata[announcement.NOTE] = 'ssh://'
        with mock.patch.object(
                objects.Instance, 'save',
                side_effect=nova_exception.UnexpectedTaskStateError(
                    instance_uuid=fakes.UUID, expected={}, actual={})):
            self._assert_kept()
        self.assertNotIn('not given back', self.log.output)

    def test_not_wanted(self):
        self.config.config(release_ports_when_off=False, group='dmore')
        self._assert_kept()
        self.find.assert_not_called()

    def test_one_that_is_up(self):
        """Also if Nova does not know that yet."""
        domain = self.libvirt.add_instance()
        self._assert_kept()
        domain.destroy()
        self._release()
        self.assertEqual({}, self.neutron.ports)

    def test_what_nova_says(self):
        for name, value in (('vm_state', 'active'), ('vm_state', 'resized'),
                            ('task_state', 'powering-on'),
                            ('host', fakes.OTHER_HOST)):
            before = self.instance[name]
            self.instance[name] = value
            self._assert_kept()
            self.instance[name] = before

    def test_one_that_arrives(self):
        self.pairs.records.save(fakes.make_record(incoming=True))
        self._assert_kept()

    def test_one_that_starts_now(self):
        with self.pairs.locked(fakes.UUID):
            fake_host.in_thread(self._assert_kept)

    def test_nova_does_not_know_it(self):
        self.find.side_effect = nova_exception.InstanceNotFound(
            instance_id=fakes.UUID)
        self._assert_kept()
        self.assertIn('not given back yet', self.log.output)

    def test_who_is_away(self):
        self.neutron.client.list_ports.side_effect = (
            neutron_exceptions.ConnectionFailed(reason='refused'))
        self.assertRaises(exception.ServiceAwayError, self._release)
        self.useFixture(fixtures.MockPatchObject(
            fake_host.Libvirt, 'lookupByUUIDString',
            side_effect=fake_host.libvirt_error(
                libvirt.VIR_ERR_INTERNAL_ERROR)))
        self.pairs.records.save(fakes.make_record())
        self.assertRaises(exception.PairError, self._release)
