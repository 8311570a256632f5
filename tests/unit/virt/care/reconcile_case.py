# SPDX-License-Identifier: Apache-2.0
"""What the tests of reconciling share: what Nova and libvirt say."""

from unittest import mock

import fixtures
import libvirt

from nova_dmore.virt.care import reconcile
from nova_dmore.virt.care import reporter
from tests.unit.virt import fake_host
from tests.unit.virt import fakes

#: run_state of an instance whose memory is still arriving.
ARRIVING = (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_MIGRATION)
SHUT_OFF = (libvirt.VIR_DOMAIN_SHUTOFF, 1)
PAUSED = (libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_USER)


class ReconcileTestCase(fake_host.HostTestCase):

    def setUp(self):
        super().setUp()
        self.now = 1000.0
        self.useFixture(fixtures.MockPatchObject(
            reconcile.time, 'monotonic', lambda: self.now))
        self.reporter = mock.create_autospec(reporter.Reporter, instance=True)
        #: What Nova's database says.
        self.nova_says = fakes.HOST
        self.asked = 0
        self.migrating = False
        self.reconciler = reconcile.Reconciler(
            self.pairs, self.reporter, 'context', lambda: self.libvirt,
            self._locate, self._is_migrating)

    def _locate(self, context, instance_uuid):
        self.assertEqual(('context', fakes.UUID), (context, instance_uuid))
        self.asked += 1
        return self.nova_says

    def _is_migrating(self, context, instance_uuid):
        self.assertEqual(('context', fakes.UUID), (context, instance_uuid))
        self.asked += 1
        return self.migrating

    def _reconcile(self, after=0.0):
        self.now += after
        return self.reconciler.reconcile(self.pairs.get(fakes.UUID))
