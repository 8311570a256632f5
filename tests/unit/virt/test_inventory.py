# SPDX-License-Identifier: Apache-2.0

from unittest import mock

import fixtures
import libvirt
from nova import exception as nova_exception
from nova.virt import event
from nova.virt.libvirt import host

from nova_dmore.virt import inventory
from tests.unit.virt import fakes

OTHER_UUID = '9b0b0c52-59c1-4b0e-8f58-0a5a4c3d2b10'


def _domain(name):
    domain = mock.create_autospec(libvirt.virDomain, instance=True)
    domain.name.return_value = name
    return domain


class HostTest(fakes.TestCase):

    def setUp(self):
        super().setUp()
        self.domains = [_domain('instance-00000001'),
                        _domain('domr-' + fakes.UUID),
                        _domain('other-domr-1')]
        self.stock = self.useFixture(fixtures.MockPatchObject(
            host.Host, 'list_instance_domains', autospec=True,
            return_value=self.domains)).mock
        self.host = inventory.DMoreHost('qemu:///system')

    def test_companions_are_left_out(self):
        self.assertEqual([self.domains[0], self.domains[2]],
                         self.host.list_instance_domains())

    def test_the_argument_is_passed_on(self):
        self.host.list_instance_domains(only_running=False)
        self.stock.assert_called_once_with(self.host, only_running=False)

    def test_guests_are_listed_from_there(self):
        self.assertEqual(['instance-00000001', 'other-domr-1'],
                         [guest.name for guest in self.host.list_guests()])


class EventsTest(fakes.TestCase):

    def setUp(self):
        super().setUp()
        self.handled = []
        self.host = inventory.DMoreHost(
            'qemu:///system', lifecycle_event_handler=self.handled.append)
        self.host._is_companion = lambda uuid: uuid == OTHER_UUID
        # It calls nothing before its time.
        self.host._delayed_executor = self.delayed = mock.Mock()

    def _stopped(self, uuid):
        stopped = event.LifecycleEvent(uuid, event.EVENT_LIFECYCLE_STOPPED)
        # As libvirt's thread does.
        self.host._event_handler._queue_event(stopped)
        return stopped

    def test_the_end_of_a_companion_is_told_at_once(self):
        stopped = self._stopped(OTHER_UUID)
        self.assertEqual([stopped], self.handled)
        self.delayed.submit_with_delay.assert_not_called()

    def test_the_end_of_an_instance_is_not(self):
        stopped = self._stopped(fakes.UUID)
        self.assertEqual([], self.handled)
        self.delayed.submit_with_delay.assert_called_once_with(
            self.host._event_emit, stopped)

    def test_what_is_of_no_domain(self):
        self.host._event_emit_delayed(event.Event())
        self.assertEqual(1, len(self.handled))


class HostOfTest(fakes.TestCase):

    def setUp(self):
        super().setUp()
        self.get_by_uuid = self.useFixture(fixtures.MockPatch(
            'nova.objects.Instance.get_by_uuid')).mock

    def _host_of(self, **changes):
        self.get_by_uuid.return_value = fakes.make_instance(**changes)
        return inventory.host_of('context', fakes.UUID)

    def test_on_a_host(self):
        self.assertEqual('c2', self._host_of(host='c2'))
        self.get_by_uuid.assert_called_once_with('context', fakes.UUID)

    def test_on_none(self):
        # Not to be taken for one that is no more.
        self.assertEqual('', self._host_of(host=None))

    def test_live_migrating(self):
        for task_state, migrating in (('migrating', True), (None, False),
                                      ('rebooting', False)):
            self.get_by_uuid.return_value = fakes.make_instance(
                task_state=task_state)
            self.assertIs(migrating, inventory.is_live_migrating(
                'context', fakes.UUID))
        self.get_by_uuid.side_effect = nova_exception.InstanceNotFound(
            instance_id=fakes.UUID)
        self.assertFalse(inventory.is_live_migrating('context', fakes.UUID))

    def test_no_more(self):
        self.get_by_uuid.side_effect = nova_exception.InstanceNotFound(
            instance_id=fakes.UUID)
        self.assertIsNone(inventory.host_of('context', fakes.UUID))
