# SPDX-License-Identifier: Apache-2.0
"""Which Domain Rs have room for large pictures, in a cloud of two hosts."""

from nova import context
from nova import objects

from nova_dmore.virt.pair import large_pictures
from tests.functional import base


class LargePicturesTest(base.TestCase):

    def setUp(self):
        super().setUp()
        self.neutron_for_domain_r.free_addresses = [
            f'10.0.0.{number}' for number in range(5, 10)]

    def _shown_by(self, server):
        """Whether the Domain R of a server has the room."""
        xml = self.connection().xml['domr-' + server['id']]
        return 'ivshmem-large.sock' in xml

    def _node(self, hostname):
        return objects.ComputeNode.get_by_host_and_nodename(
            context.get_admin_context(), hostname, hostname)

    def test_all_hosts_say_that_they_can(self):
        self.start('c1')
        self.start('c2')
        server = self.boot(az='nova:c1')
        self.assertTrue(self._shown_by(server))
        self.assertTrue(self.shadow.large)
        # Nova goes on saying so, beside what it says itself.
        self._run_periodics()
        stats = self._node('c1').stats
        self.assertLessEqual(large_pictures._STAT.items(), stats.items())
        self.assertEqual('1', stats['num_instances'])

    def test_one_host_does_not_say_so(self):
        self.start('c1')
        self.start('c2')
        node = self._node('c2')
        node.stats = {name: value for name, value in node.stats.items()
                      if name not in large_pictures._STAT}
        node.save()
        self.assertFalse(self._shown_by(self.boot(az='nova:c1')))
        self.assertFalse(self.shadow.large)
        # Its nova-compute is started with this release; others see it later.
        self._run_periodics()
        self.assertFalse(self._shown_by(self.boot(az='nova:c1')))
        self.driver()._pairs.large_regions.__self__.refresh()
        self.assertTrue(self._shown_by(self.boot(az='nova:c1')))

    def test_host_service_of_the_release_before(self):
        self.start('c1')
        self.shadow.is_old = True
        self.assertFalse(self._shown_by(self.boot()))
