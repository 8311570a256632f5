# SPDX-License-Identifier: Apache-2.0
"""What the tests of the driver share."""

from unittest import mock

import fixtures
from nova.virt.libvirt import driver as libvirt_driver

from nova_dmore.virt import driver
from nova_dmore.virt.migration import destination
from nova_dmore.virt.migration import early_departure
from nova_dmore.virt.migration import source_roles
from nova_dmore.virt import under_way
from tests.unit.virt import fake_host
from tests.unit.virt import fakes

XML = '''<domain type="qemu"><name>instance-1</name><devices>
<serial type="pty"><log file="/console.log" append="off"/>
<target port="0"/></serial></devices></domain>'''


class DriverTestCase(fake_host.HostTestCase):
    """The driver over a stock driver of which no method does anything."""

    def setUp(self):
        super().setUp()
        # Nova's constructor asks libvirt and the host for too much.
        self.driver = driver.DMoreDriver.__new__(driver.DMoreDriver)
        self.driver._pairs = self.pairs
        self.driver._get_connection = lambda: self.libvirt
        self.driver._destination = mock.create_autospec(
            destination.DestinationRole, instance=True)
        self.driver._early_departures = mock.create_autospec(
            early_departure.EarlyDepartures, instance=True)
        self.driver._source_roles = source_roles.SourceRoles(
            self.pairs, self.driver._early_departures)
        self.driver._reboots = under_way.UnderWay()
        self.driver._resumes = under_way.UnderWay()
        self.driver._host = mock.Mock()
        self.driver._host.get_connection.return_value = self.libvirt
        self.instance = fakes.make_instance()
        self.saved = self.useFixture(fixtures.MockPatch(
            'nova.objects.Instance.save', autospec=True)).mock
        self.log = self.useFixture(fixtures.FakeLogger())

    def stock(self, name, **behaviour):
        """Replace one of Nova's methods."""
        return self.useFixture(fixtures.MockPatchObject(
            libvirt_driver.LibvirtDriver, name, autospec=True,
            **behaviour)).mock

    def start(self):
        """Prepare that nova-compute starts it."""
        self.stock('init_host')
        self.useFixture(fixtures.MockPatch(
            'nova_dmore.virt.rpc.server.start', autospec=True))
        self.driver._watch = mock.Mock()
        self.driver._operator = mock.Mock()
        self.aside = self.useFixture(fixtures.MockPatch(
            'nova_dmore.virt.checks.start.check_aside',
            autospec=True)).mock
