# SPDX-License-Identifier: Apache-2.0

import fixtures
from neutronclient.common import exceptions as neutron_exceptions

from nova_dmore.metrics import figures
from nova_dmore.virt.care import port_quota
from tests.unit.virt import fake_neutron
from tests.unit.virt import fakes


class PortQuotaTest(fakes.TestCase):

    def setUp(self):
        super().setUp()
        self.config.config(management_network='consoles', group='dmore')
        self.neutron = fake_neutron.Neutron()
        self.useFixture(fixtures.MockPatch(
            'nova.network.neutron.get_client', autospec=True,
            return_value=self.neutron.client))
        self.path = self.useFixture(fixtures.TempDir()).join('figures.json')
        self.quota = port_quota.PortQuota(
            self.conf.dmore, None, figures.Figures(self.path))

    def _refresh(self):
        self.quota.refresh()
        return figures.Figures(self.path).gauges

    def test_what_is_left(self):
        self.neutron.quota['ports'] = 7
        self.assertEqual({'ports_used': 0, 'ports_allowed': 7},
                         self._refresh())
        self.neutron.ports['a port'] = {}
        self.assertEqual({'ports_used': 1, 'ports_allowed': 7},
                         self._refresh())

    def test_no_limit(self):
        self.neutron.quota['ports'] = -1
        self.assertEqual({'ports_used': 0}, self._refresh())

    def test_who_does_not_tell(self):
        self._refresh()
        for error in (neutron_exceptions.ConnectionFailed(reason='away'),
                      neutron_exceptions.NotFound(message='no extension')):
            self.neutron.client.show_quota_details.side_effect = error
            self.assertEqual({}, self._refresh())

    def test_no_project(self):
        self.neutron.project = None
        self.assertEqual({}, self._refresh())

    def test_a_host_that_has_no_domain_rs(self):
        self.config.config(management_network=None, group='dmore')
        self.assertEqual({}, self._refresh())
        self.neutron.client.show_quota_details.assert_not_called()
