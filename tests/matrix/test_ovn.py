# SPDX-License-Identifier: Apache-2.0
"""Live migrations where OVN drives Neutron's networks, as in most new clouds.

All others are on Neutron's own agents. The users go on typing, and all has to
be well afterwards.
"""

from tests.integration import cloud
from tests.integration import test_cloud_variants
from laboratory.testbed import ovn
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
            cloud.wait_for(lambda: self._is_at(port.id, host), 30,
                           f'the port at {host}')
        instance.close()
        self.assertEqual([], self._ports())

    def _is_at(self, port, host):
        """Whether Neutron has bound a port to a host, and OVN has it there,
        alone and up.

        Not whether Neutron shows it as ACTIVE. It does not where the new host
        claims the port before the old one lets go: chassis and additional
        chassis change at once then, the port is up all the time, and Neutron
        leaves the change out (PortBindingChassisUpdateEvent.match_fn in its
        ovsdb_monitor.py). An instance's own port is shown so as well.
        """
        found = self.machine.api._sdk.network.get_port(port)
        return found.binding_host_id == host == ovn.host_of(
            self.machine.place, port)
