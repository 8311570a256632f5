# SPDX-License-Identifier: Apache-2.0

from unittest import mock

import fixtures
import libvirt
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

    def test_domain_rs_are_left_out(self):
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
        self.host._is_domain_r = lambda uuid: uuid == OTHER_UUID
        # It calls nothing before its time.
        self.host._delayed_executor = self.delayed = mock.Mock()

    def _stopped(self, uuid):
        stopped = event.LifecycleEvent(uuid, event.EVENT_LIFECYCLE_STOPPED)
        # As libvirt's thread does.
        self.host._event_handler._queue_event(stopped)
        return stopped

    def test_the_end_of_a_domain_r_is_told_at_once(self):
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
