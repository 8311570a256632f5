# SPDX-License-Identifier: Apache-2.0
"""What nova-compute says of its host when it starts; see also
``test_driver_start.py``."""

from unittest import mock

import fixtures
from neutronclient.common import exceptions as neutron_exceptions

from nova_dmore import exception
from nova_dmore.virt.checks import host
from nova_dmore.virt.checks import start
from nova_dmore.virt.checks import table
from tests.unit.virt import fake_host


class StartTest(fake_host.HostTestCase):

    def setUp(self):
        super().setUp()
        self.config.config(group='libvirt', virt_type='qemu')
        self.subject = table.Subject(
            self.conf, lambda: self.libvirt, self.pairs, None)

    def _said_aside(self):
        with fixtures.FakeLogger() as log:
            start.check_aside(self.subject).join(60)
        return log.output

    def test_all_is_well(self):
        self.assertEqual('', self._said_aside())

    def test_no_processor_is_left(self):
        with mock.patch.object(
                host.cpus, 'of_domain_r',
                side_effect=exception.ConfigurationError('none is left')):
            self.assertEqual('none is left', start.check(self.subject))

    def test_what_was_not_foreseen_does_not_keep_nova_from_its_start(self):
        with (mock.patch.object(host, 'device', side_effect=TypeError),
              mock.patch.object(host, 'versions', side_effect=TypeError),
              mock.patch.object(host.cpus, 'of_domain_r', side_effect=(
                  exception.ConfigurationError('none is left'))),
              fixtures.FakeLogger() as log):
            self.assertEqual('none is left', start.check(self.subject))
        self.assertIn('Device of Domain R cannot be checked', log.output)

    def test_no_network(self):
        self.config.config(group='dmore', management_network=None)
        self.pairs.addresses._network.name = None
        self.assertEqual(1, self._said_aside().count('management_network is'))

    def test_the_quota_is_used_up(self):
        self.neutron.quota['ports'] = 0
        self.assertIn('Quota of ports: No instance gets a Domain R',
                      self._said_aside())

    def test_no_image(self):
        self.images.newest.side_effect = exception.ImageError('no image')
        self.assertIn('Image of Domain R: no image', self._said_aside())

    def test_neutron_is_away(self):
        for name in ('list_networks', 'show_quota_details'):
            getattr(self.neutron.client, name).side_effect = (
                neutron_exceptions.ConnectionFailed(reason='refused'))
        output = self._said_aside()
        self.assertEqual(2, output.count('Not checked'))
        self.assertNotIn('Traceback', output)

    def test_what_was_not_foreseen_ends_no_other(self):
        self.neutron.client.show_quota_details.side_effect = TypeError
        self.images.newest.side_effect = exception.ImageError('no image')
        output = self._said_aside()
        self.assertIn('Quota of ports cannot be checked', output)
        self.assertIn('no image', output)
