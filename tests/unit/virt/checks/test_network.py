# SPDX-License-Identifier: Apache-2.0

from nova_dmore.virt.checks import network
from nova_dmore.virt.checks import result
from nova_dmore.virt.network import ports
from tests.unit.virt import fakes

GOOD, WARNING, FAILURE = result.Level


class QuotaTest(fakes.TestCase):

    def _level(self, limit, used):
        found = network.quota(ports.Quota('p1', used, limit))
        if found.text:
            self.assertIn('openstack quota set --ports N p1', found.text)
        return found.level

    def test_levels(self):
        self.assertEqual(
            [GOOD, GOOD, WARNING, WARNING, FAILURE, FAILURE, GOOD],
            [self._level(500, 10), self._level(500, 450),
             self._level(500, 460), self._level(20, 11),
             self._level(500, 500), self._level(500, 501),
             self._level(None, 5000)])


class WayBackTest(fakes.TestCase):

    near = {'cidr': '192.0.2.0/24', 'gateway_ip': None}

    def setUp(self):
        super().setUp()
        self.config.config(group='vnc', enabled=True)
        self.config.config(group='serial_console', enabled=False)

    def _found(self, subnets, *networks):
        self.config.config(group='dmore', vnc_proxy_networks=list(networks))
        return network.way_back(subnets, self.conf)

    def test_there_is_one(self):
        for subnet, proxies in (
                (self.near, '192.0.2.16/28'),
                ({**self.near, 'gateway_ip': '192.0.2.1'}, '10.0.0.0/8'),
                ({'cidr': 'fd00::/64', 'gateway_ip': None}, 'fd00::5/128')):
            self.assertEqual(result.GOOD, self._found([subnet], proxies))

    def test_there_is_none(self):
        for proxies in ('10.0.0.5/32', '192.0.0.0/16', 'fd00::5/128'):
            found = self._found([self.near], '192.0.2.7/32', proxies)
            self.assertEqual(FAILURE, found.level)
            self.assertIn(f'vnc_proxy_networks ({proxies})', found.text)
            self.assertNotIn('192.0.2.7', found.text)

    def test_of_a_console_that_is_off(self):
        self.config.config(group='dmore',
                           serial_proxy_networks=['10.0.0.0/8'])
        self.assertEqual(result.GOOD, self._found([self.near]))

    def test_no_subnet(self):
        self.assertEqual(FAILURE, self._found([]).level)
