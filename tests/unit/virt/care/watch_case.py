# SPDX-License-Identifier: Apache-2.0
"""A watch that has yet to be started."""

import time
from unittest import mock

import fixtures

from nova_dmore.virt.care import late_pairs
from nova_dmore.virt.care import renewal
from nova_dmore.virt.care import watch
from tests.unit.virt.care import care_case


class WatchTestCase(care_case.CareTestCase):

    #: Seconds between two checks of a pair of which nothing is heard.
    interval = 0.002

    def setUp(self):
        super().setUp()
        self.reconciler.is_reconciled.return_value = False
        self.renewal = mock.create_autospec(renewal.Renewal, instance=True)
        self.renewal.renew_one.return_value = False
        self.late = mock.create_autospec(late_pairs.LatePairs, instance=True)
        #: A task that is run once per interval.
        self.task = mock.Mock(return_value=None)
        self.watch = watch.Watch(
            self.pairs, self.reporter, self.interval, 'context',
            self.reconciler, self.renewal, self.late)
        self.watch.also(lambda: self.task(self.watch.not_moving()))
        self.log = self.useFixture(fixtures.FakeLogger())

    def _start(self):
        self.watch.start()
        self.addCleanup(self.watch.stop)

    def _until(self, condition):
        deadline = time.monotonic() + 60
        while not condition():
            self.assertLess(time.monotonic(), deadline, 'in vain')
            time.sleep(0.002)

    def _checked(self, times=3):
        """Wait until the pair was checked some times more."""
        status = self.client().status
        calls = status.call_count + times
        self._until(lambda: status.call_count >= calls)
