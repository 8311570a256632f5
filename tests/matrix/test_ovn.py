# SPDX-License-Identifier: Apache-2.0
"""Live migrations where OVN drives Neutron's networks, as in most new clouds.

All others are on Neutron's own agents. The users go on typing, and all has to
be well afterwards.
"""

from tests.integration import cloud
from tests.integration import test_cloud_variants
from laboratory.testbed import settings


class OvnTest(cloud.OtherCloud, test_cloud_variants.VariantTest):

    arguments = '--network', settings.NETWORK_OVN

    def _ports(self):
        """The ports of all Domain Rs."""
        return list(self.machine.api._sdk.network.ports(
            device_owner='compute:dmore'))

    def test_there_and_back(self):
        instance = self.start('ovn')
        (port,) = self._ports()
        for host in (settings.COMPUTES[1], settings.COMPUTES[0]):
            self.migrate(instance)
            cloud.wait_for(lambda: self._is_bound(port.id, host), 30,
                           f'the port at {host}')
        instance.close()
        self.assertEqual([], self._ports())

    def _is_bound(self, port, host):
        """Whether Neutron shows a port as it is: at one host, and up."""
        found = self.machine.api._sdk.network.get_port(port)
        return (found.binding_host_id, found.status) == (host, 'ACTIVE')
