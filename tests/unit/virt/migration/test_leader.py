# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

import threading
import time
from unittest import mock

import fixtures

from nova_dmore.virt.migration import guest
from nova_dmore.virt.migration import job
from nova_dmore.virt.migration import leader
from nova_dmore.virt.migration import source
from tests.unit.virt import fake_host
from tests.unit.virt import fakes


class LeaderTest(fakes.TestCase):

    def setUp(self):
        super().setUp()
        self.useFixture(fixtures.MockPatchObject(leader, '_LOOK_S', 0.001))
        self.log = []
        self.bandwidths = []
        self.progress = job.Progress(1, 10 ** 9, 10 ** 6, 10 ** 9)
        self.there_is_a_job = True
        self.suspended = threading.Event()
        self.instance = mock.create_autospec(job.Job, instance=True)
        self.instance.progress.side_effect = lambda: self.progress
        self.instance.limit.side_effect = self._limit
        self.instance.suspend.side_effect = self._suspend
        self.companion_ready = threading.Event()
        self.companion_ready.set()
        self.leader = leader.Leader(
            self.instance, self.companion_ready,
            lambda: self.log.append('gate'), 0, 'lead')
        self.addCleanup(self._end)

    def _end(self):
        if self.leader.is_alive():
            self.leader.end()

    def _limit(self, bandwidth_mib=None, downtime_ms=None):
        if self.there_is_a_job:
            if bandwidth_mib is not None:
                self.bandwidths.append(bandwidth_mib)
            if downtime_ms is not None:
                self.log.append(downtime_ms)
        return self.there_is_a_job

    def _suspend(self):
        self.log.append('suspend')
        self.suspended.set()
        return True

    def _assert_not_suspended(self):
        self.assertFalse(self.suspended.wait(0.05))

    def test_gate_then_stop_then_the_limit_is_novas_again(self):
        self.leader.start()
        self._assert_not_suspended()
        self.progress = job.Progress(2, 10 ** 5, 10 ** 6, 10 ** 9)
        self.leader.join(5)
        self.assertEqual([1, 'gate', 'suspend', 300], self.log)
        self.assertTrue(self.leader.suspended)

    def test_not_in_the_first_pass(self):
        self.progress = job.Progress(1, 10, 10 ** 6, 10 ** 9)
        self.leader.start()
        self._assert_not_suspended()
        self.assertEqual([1], self.log)

    def test_the_end_of_the_first_pass_is_made_slowly(self):
        self.leader.start()
        self._assert_not_suspended()
        self.assertEqual([], self.bandwidths)
        self.progress = job.Progress(1, 40 << 20, 10 ** 6, 10 ** 9)
        self._assert_not_suspended()
        self.assertEqual([leader._TAIL_BANDWIDTH_MIB], self.bandwidths)
        self.progress = job.Progress(1, 1 << 20, 10 ** 6, 10 ** 9)
        self._assert_not_suspended()
        self.assertEqual([leader._TAIL_BANDWIDTH_MIB,
                          leader._LAST_BANDWIDTH_MIB], self.bandwidths)
        self.progress = job.Progress(2, 10 ** 5, 10, 10 ** 9)
        self.leader.join(5)
        # What the slow end measured says nothing of the link.
        self.assertEqual([1, 'gate', 'suspend', 300], self.log)
        self.assertEqual(job.UNLIMITED_MIB, self.bandwidths[-1])

    def test_a_busy_instance_is_not_slowed_for_long(self):
        self.progress = job.Progress(1, 40 << 20, 10 ** 6, 10 ** 9)
        self.leader.start()
        self._assert_not_suspended()
        self.progress = job.Progress(2, 10 ** 9, 10 ** 6, 10 ** 9)
        self._assert_not_suspended()
        self.assertEqual(
            [leader._TAIL_BANDWIDTH_MIB, job.UNLIMITED_MIB], self.bandwidths)

    def test_not_before_domain_r_was_copied(self):
        self.useFixture(fixtures.MockPatchObject(leader, '_LAST_S', 0))
        self.companion_ready.clear()
        self.progress = job.Progress(1, 1 << 20, 10 ** 6, 10 ** 9)
        self.leader.start()
        self._assert_not_suspended()
        self.assertEqual([leader._LAST_BANDWIDTH_MIB], self.bandwidths)
        self.progress = job.Progress(2, 10 ** 5, 10 ** 6, 10 ** 9)
        self._assert_not_suspended()
        self.companion_ready.set()
        self.assertTrue(self.suspended.wait(5))

    def test_not_before_there_is_a_job(self):
        self.there_is_a_job = False
        self.progress = job.Progress(2, 0, 10 ** 6, 10 ** 9)
        self.leader.start()
        self._assert_not_suspended()
        self.there_is_a_job = True
        fake_host.wait(self.suspended)

    def test_novas_limit(self):
        # 100 ms remain.
        self.leader.set_downtime(50)
        self.progress = job.Progress(2, 10 ** 5, 10 ** 6, 10 ** 9)
        self.leader.start()
        self._assert_not_suspended()
        self.assertEqual([1], self.log)
        self.leader.set_downtime(150)
        self.leader.join(5)
        self.assertEqual([1, 'gate', 'suspend', 150], self.log)

    def test_a_limit_that_comes_late_is_qemus(self):
        self.progress = job.Progress(2, 0, 10 ** 6, 10 ** 9)
        self.leader.start()
        self.leader.join(5)
        self.leader.set_downtime(400)
        self.assertEqual(400, self.log[-1])

    def test_ended_from_outside(self):
        self.leader.start()
        while 1 not in self.log:
            time.sleep(0.001)
        self.progress = None
        self.leader.end()
        self.assertEqual([1, 300], self.log)
        self.assertFalse(self.leader.suspended)


class GuestTest(fakes.TestCase):

    def setUp(self):
        super().setUp()
        self.role = mock.create_autospec(source.SourceRole, instance=True)
        self.stock = mock.Mock(
            spec=['migrate', 'migrate_configure_max_downtime', 'uuid'],
            uuid=fakes.UUID)
        self.guest = guest.CoMigratingGuest(self.stock, self.role)

    def test_the_role_migrates(self):
        self.guest.migrate('uri', flags=1)
        self.role.run.assert_called_once_with(self.stock, 'uri', flags=1)
        self.stock.migrate.assert_not_called()

    def test_the_role_heeds_the_limit(self):
        self.role.take_downtime.return_value = True
        self.guest.migrate_configure_max_downtime(50)
        self.role.take_downtime.assert_called_once_with(50)
        self.stock.migrate_configure_max_downtime.assert_not_called()

    def test_nobody_leads(self):
        self.role.take_downtime.return_value = False
        self.guest.migrate_configure_max_downtime(50)
        self.stock.migrate_configure_max_downtime.assert_called_once_with(50)

    def test_everything_else_is_novas(self):
        self.assertEqual(fakes.UUID, self.guest.uuid)
        self.assertRaises(AttributeError, getattr, self.guest, 'nothing')
