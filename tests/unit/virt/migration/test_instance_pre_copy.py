# SPDX-License-Identifier: Apache-2.0

import threading
import time
from unittest import mock

import fixtures

from nova_dmore.virt.migration import instance_pre_copy
from nova_dmore.virt.migration import job
from tests.unit.virt import fakes


class InstancePreCopyTest(fakes.TestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MockPatchObject(
            instance_pre_copy, '_POLL_S', 0.001))
        self.log = []
        self.progress = job.Progress(1, 10 ** 9)
        self.there_is_a_job = True
        self.instance = mock.create_autospec(job.Job, instance=True)
        self.instance.progress.side_effect = lambda: self.progress
        self.instance.limit.side_effect = self._limit
        self.domain_r_copied = threading.Event()
        self.wired = threading.Event()
        self.wired.set()
        self.pre_copy = instance_pre_copy.InstancePreCopy(
            self.instance, [self.domain_r_copied, self.wired], 0, 'pre-copy')
        self.addCleanup(self._end)

    def _end(self):
        if self.pre_copy.is_alive():
            self.pre_copy.end()

    def _limit(self, bandwidth_mib=None, downtime_ms=None):
        if self.there_is_a_job and (
                self.log[-1:] != [(bandwidth_mib, downtime_ms)]):
            self.log.append((bandwidth_mib, downtime_ms))
        return self.there_is_a_job

    def _after(self, progress):
        """What it has done by then."""
        self.progress = progress
        time.sleep(0.05)
        return self.log

    def test_a_domain_r_that_is_ready_costs_nothing(self):
        self.domain_r_copied.set()
        self.progress = job.Progress(2, 10)
        self.pre_copy.start()
        self.pre_copy.join(5)
        self.assertEqual([], self.log)

    def test_only_the_end_of_the_first_pass_is_slow(self):
        self.pre_copy.start()
        self.assertEqual([], self._after(self.progress))
        slow = [(instance_pre_copy._TAIL_BANDWIDTH_MIB, 1)]
        self.assertEqual(slow, self._after(
            job.Progress(1, 40 << 20)))
        slow.append((instance_pre_copy._LAST_BANDWIDTH_MIB, 1))
        self.assertEqual(slow, self._after(
            job.Progress(1, 1 << 20)))
        self.domain_r_copied.set()
        self.pre_copy.join(5)
        self.assertEqual(slow + [(job.UNLIMITED_MIB, 300)], self.log)

    def test_all_is_waited_for(self):
        self.wired.clear()
        self.domain_r_copied.set()
        self.progress = job.Progress(2, 10)
        self.pre_copy.start()
        slow = [(instance_pre_copy._LAST_BANDWIDTH_MIB, 1)]
        self.assertEqual(slow, self._after(self.progress))
        self.wired.set()
        self.pre_copy.join(5)
        self.assertEqual(slow + [(job.UNLIMITED_MIB, 300)], self.log)

    def test_an_instance_is_not_slowed_for_long(self):
        self.useFixture(fixtures.MockPatchObject(
            instance_pre_copy, 'PATIENCE_S', 0.05))
        self.progress = job.Progress(2, 1 << 20)
        self.pre_copy.start()
        self.pre_copy.join(5)
        self.assertEqual([(instance_pre_copy._LAST_BANDWIDTH_MIB, 1),
                          (job.UNLIMITED_MIB, 300)], self.log)

    def test_novas_limit_is_restored(self):
        self.progress = job.Progress(2, 1 << 20)
        self.pre_copy.start()
        self._after(self.progress)
        self.pre_copy.set_max_downtime(150)
        self.pre_copy.end()
        self.assertEqual([(instance_pre_copy._LAST_BANDWIDTH_MIB, 1),
                          (job.UNLIMITED_MIB, 150)], self.log)

    def test_novas_limit_is_qemus_at_once_otherwise(self):
        self.pre_copy.start()
        self.pre_copy.set_max_downtime(150)
        self.pre_copy.end()
        self.pre_copy.set_max_downtime(400)
        self.assertEqual([(None, 150), (None, 400)], self.log)

    def test_without_a_job_there_is_nothing_to_slow(self):
        self.there_is_a_job = False
        self.pre_copy.start()
        self.assertEqual([], self._after(
            job.Progress(2, 1 << 20)))
        self.pre_copy.end()
        self.assertEqual([], self.log)
