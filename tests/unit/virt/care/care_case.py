# SPDX-License-Identifier: Apache-2.0
"""A pair that is well and reconciled, for whoever watches it."""

from unittest import mock

from nova_dmore.virt.care import reconcile
from nova_dmore.virt.care import reporter
from nova_dmore import wire
from tests.unit.virt import fake_host
from tests.unit.virt import fakes

OTHER_UUID = '9b0b0c52-59c1-4b0e-8f58-0a5a4c3d2b10'


def gap(number):
    return wire.GapReport(
        number=number, stream='serial0_out', at=100, bytes=5,
        kind=wire.GapKind.EXACT, reason='too slow', migration_id=None,
        time=1.0)


class CareTestCase(fake_host.HostTestCase):

    def setUp(self):
        super().setUp()
        self.record = self.pairs.ensure(fakes.make_instance())
        self.reporter = mock.create_autospec(reporter.Reporter, instance=True)
        self.reconciler = mock.create_autospec(
            reconcile.Reconciler, instance=True)
        self.reconciler.is_reconciled.return_value = True
        self.reconciler.reconcile.return_value = True
        self.reconciler.has_stock_consoles.return_value = False
