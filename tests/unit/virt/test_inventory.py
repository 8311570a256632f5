# SPDX-License-Identifier: Apache-2.0

from unittest import mock

import fixtures
import libvirt
from nova.virt.libvirt import host

from nova_dmore.virt import inventory
from tests.unit.virt import fakes


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
