# SPDX-License-Identifier: Apache-2.0
"""When the certificates of a host's pairs are renewed."""

from unittest import mock

import fixtures

from nova_dmore import exception
from nova_dmore.virt.care import renewal
from nova_dmore.virt.config import certificate
from nova_dmore.virt.config import config_message
from nova_dmore.virt.pair import pairs
from tests.unit.virt import fakes

OTHER_UUID = '9b0b0c52-59c1-4b0e-8f58-0a5a4c3d2b10'
_DUE_S = certificate.RENEWED_AFTER.total_seconds()


class RenewalTest(fakes.TestCase):

    def setUp(self):
        super().setUp()
        self.config.config(group='dmore', vnc_tls_dir='/etc/nova/vnc')
        self.config.config(group='vnc', enabled=True)
        self.now = 1000.0
        self.useFixture(fixtures.MockPatchObject(
            renewal.time, 'monotonic', lambda: self.now))
        self.pairs = mock.create_autospec(pairs.Pairs, instance=True)
        self.pairs.configured = {}
        self.pairs.configure_again.side_effect = self._configured
        self.renewal = renewal.Renewal(self.conf, self.pairs)
        self.records = [fakes.make_record(),
                        fakes.make_record(instance_uuid=OTHER_UUID)]

    def _configured(self, instance_uuid):
        self.pairs.configured[instance_uuid] = self.now

    def _renew(self, seconds=1):
        """Which pair is told, this many seconds later."""
        self.now += seconds
        self.pairs.configure_again.reset_mock()
        one_needed_it = self.renewal.renew_one(self.records)
        told = [uuid for (uuid,), _ in
                self.pairs.configure_again.call_args_list]
        self.assertEqual(one_needed_it, told != [])
        return told

    def test_one_after_the_other_after_a_start(self):
        self.assertEqual([[fakes.UUID], [OTHER_UUID], []],
                         [self._renew() for _ in range(3)])

    def test_a_host_key_that_took_a_while(self):
        self.config.config(group='dmore', vnc_tls_dir=None)
        self._configured(fakes.UUID)
        with mock.patch.object(
                config_message, 'is_outdated',
                lambda options, record, configured: configured < 1001):
            self.assertEqual([fakes.UUID], self._renew())
            self.assertEqual([], self._renew())
        with mock.patch.object(
                config_message, 'is_outdated',
                side_effect=exception.ConfigurationError('no secret')):
            self.assertEqual([], self._renew(_DUE_S))

    def test_well_before_the_end(self):
        self._renew()
        self._renew()
        self.assertEqual([], self._renew(_DUE_S - 10))
        self.assertEqual([fakes.UUID], self._renew(10))
        self.assertLess(_DUE_S * 2, certificate.LIFETIME.total_seconds())

    def test_what_was_told_by_others(self):
        self._configured(fakes.UUID)
        self.assertEqual([OTHER_UUID], self._renew())

    def test_incoming(self):
        self.records = [fakes.make_record(incoming=True)]
        self.assertEqual([], self._renew())

    def test_passwords_that_an_earlier_release_has_told(self):
        self.config.config(group='dmore', vnc_tls_dir=None,
                           vnc_direct_networks=['192.0.2.0/28'])
        self.assertEqual([[fakes.UUID], [OTHER_UUID], []],
                         [self._renew() for _ in range(3)])
        # They stay what they are.
        self.assertEqual([], self._renew(_DUE_S))

    def test_without_certificates_and_passwords(self):
        self.config.config(group='dmore', vnc_tls_dir=None)
        self.assertEqual([], self._renew())
        self.config.config(group='dmore', vnc_tls_dir='/etc/nova/vnc')
        self.config.config(group='vnc', enabled=False)
        self.assertEqual([], self._renew())

    def test_one_that_cannot_be_told_holds_up_no_other(self):
        log = self.useFixture(fixtures.FakeLogger())
        self.pairs.configure_again.side_effect = (
            exception.ConfigurationError('[dmore] vnc_tls_dir: gone'))
        self.assertEqual([fakes.UUID], self._renew())
        self.assertIn('[dmore] vnc_tls_dir: gone', log.output)
        self.assertIn(fakes.UUID, log.output)
        self.pairs.configure_again.side_effect = self._configured
        self.assertEqual([OTHER_UUID], self._renew())
        self.assertEqual([], self._renew())
        # But not every second.
        self.assertEqual([fakes.UUID], self._renew(3600))

    def test_nobody_can_tell(self):
        log = self.useFixture(fixtures.FakeLogger())
        self.pairs.configure_again.side_effect = (
            exception.HostServiceError('away'))
        # Whoever called says so, once, and for all of them.
        self.assertRaises(exception.HostServiceError, self._renew)
        self.assertEqual('', log.output)
