# SPDX-License-Identifier: Apache-2.0

from unittest import mock

import fixtures
import libvirt
from nova import exception as nova_exception

from nova_dmore import exception
from nova_dmore.virt import where
from nova_dmore.virt.where import Here
from tests.unit.virt import fake_host
from tests.unit.virt import fakes

#: run_state of an instance whose memory is still arriving.
ARRIVING = (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_MIGRATION)
SHUT_OFF = (libvirt.VIR_DOMAIN_SHUTOFF, 1)
PAUSED = (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_USER)


class FindTest(fakes.TestCase):

    def setUp(self):
        super().setUp()
        self.libvirt = fake_host.Libvirt()
        self.domain = self.libvirt.add_instance()

    def _assert_found(self, here):
        self.assertIs(
            here, where.find(self.libvirt, fakes.UUID))

    def test_running(self):
        self._assert_found(Here.RUNNING)

    def test_absent(self):
        self.libvirt.domains.clear()
        self._assert_found(Here.ABSENT)

    def test_it_disappears_meanwhile(self):
        self.domain.job = fake_host.libvirt_error(libvirt.VIR_ERR_NO_DOMAIN)
        self._assert_found(Here.ABSENT)

    def test_at_rest(self):
        for state in (PAUSED, SHUT_OFF):
            self.domain.run_state = state
            self._assert_found(Here.AT_REST)

    def test_leaving(self):
        self.domain.job = True
        self._assert_found(Here.MOVING)

    def test_arriving(self):
        self.domain.run_state = ARRIVING
        self._assert_found(Here.MOVING)
        # And as libvirt answers while it runs already (post-copy).
        self.domain.run_state = (libvirt.VIR_DOMAIN_RUNNING, 1)
        for code in (libvirt.VIR_ERR_OPERATION_INVALID,
                     libvirt.VIR_ERR_OPERATION_UNSUPPORTED):
            self.domain.job = fake_host.libvirt_error(code)
            self._assert_found(Here.MOVING)

    def test_libvirt_does_not_say(self):
        self.domain.job = fake_host.libvirt_error()
        self.assertRaises(exception.PairError, where.find,
                          self.libvirt, fakes.UUID)

    def test_definition(self):
        """That with which it would start, whatever runs now."""
        self.domain.XMLDesc = {
            0: '<running/>', libvirt.VIR_DOMAIN_XML_INACTIVE: '<next/>'}.get
        self.assertEqual('<next/>', where.definition(
            self.libvirt, fakes.UUID))
        for code, error in ((libvirt.VIR_ERR_NO_DOMAIN, None),
                            (libvirt.VIR_ERR_INTERNAL_ERROR,
                             exception.PairError)):
            self.domain.XMLDesc = mock.Mock(
                side_effect=fake_host.libvirt_error(code))
            if error is None:
                self.assertIsNone(where.definition(self.libvirt, fakes.UUID))
            else:
                self.assertRaises(error, where.definition, self.libvirt,
                                  fakes.UUID)
        self.libvirt.domains.clear()
        self.assertIsNone(where.definition(self.libvirt, fakes.UUID))


class InNovaTest(fakes.TestCase):

    def setUp(self):
        super().setUp()
        self.get_by_uuid = self.useFixture(fixtures.MockPatch(
            'nova.objects.Instance.get_by_uuid')).mock

    def _host(self, **changes):
        self.get_by_uuid.return_value = fakes.make_instance(**changes)
        return where.host_in_nova('context', fakes.UUID)

    def test_on_a_host(self):
        self.assertEqual('c2', self._host(host='c2'))
        self.get_by_uuid.assert_called_once_with('context', fakes.UUID)

    def test_on_none(self):
        # Not to be taken for one that is no more.
        self.assertEqual('', self._host(host=None))

    def test_live_migrating(self):
        for task_state, migrating in (('migrating', True), (None, False),
                                      ('rebooting', False)):
            self.get_by_uuid.return_value = fakes.make_instance(
                task_state=task_state)
            self.assertIs(migrating, where.is_live_migrating(
                'context', fakes.UUID))
        self.get_by_uuid.side_effect = nova_exception.InstanceNotFound(
            instance_id=fakes.UUID)
        self.assertFalse(where.is_live_migrating('context', fakes.UUID))

    def test_no_more(self):
        self.get_by_uuid.side_effect = nova_exception.InstanceNotFound(
            instance_id=fakes.UUID)
        self.assertIsNone(where.host_in_nova('context', fakes.UUID))
