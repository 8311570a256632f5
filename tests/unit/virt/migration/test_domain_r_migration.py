# SPDX-License-Identifier: Apache-2.0

from unittest import mock

import hypothesis
from hypothesis import strategies
from oslotest import base

from nova_dmore import exception
from nova_dmore.virt.migration import domain_r_migration
from nova_dmore.virt.migration import job
from nova_dmore import wire
from tests import examples

MIB = 1 << 20
HOLD_MIB = 1
WINDOW_MS = 100


class Qemu:
    """The first passes over Domain R's memory, a millisecond at a time.

    It sends what it may send in a window at once, as
    ``migration_rate_limit`` (migration/migration.c) has it. Memory of zeros
    costs nothing: that is spread over its first half, and the region.
    """

    def __init__(self, link_mib_s, data_mib, zeros_mib, first_mib,
                 region_size=wire.REGION_SIZE):
        self._link = link_mib_s * MIB // 1000
        self._data = data_mib * MIB
        self._zeros = zeros_mib * MIB
        self._region_size = region_size
        self._first_half = self._data // 2
        self._sent_in_window = self._now = 0
        self._pass = 1
        self.limit_mib = first_mib
        self.left = False

    def progress(self):
        zeros = self._region_size
        if self._data > self._first_half:
            zeros += self._zeros * (
                self._data - self._first_half) // self._first_half
        return job.Progress(self._pass, self._data + zeros)

    def limit(self, bandwidth_mib=None, downtime_ms=None):
        if bandwidth_mib is not None:
            self.limit_mib = bandwidth_mib
        return True

    def run(self, milliseconds):
        for _ in range(milliseconds):
            if self._now % WINDOW_MS == 0:
                self._sent_in_window = 0
            self._now += 1
            room = self.limit_mib * MIB * WINDOW_MS // 1000
            sent = max(0, min(self._link, self._data,
                              room - self._sent_in_window))
            self._sent_in_window += sent
            self._data -= sent
            if self._data == 0:
                # What is written to all the time; but within the next pass
                # perhaps not.
                self.left = self._pass == 2
                self._pass = 2
                self._data = wire.HOLD_BYTES


class LimitsTest(base.BaseTestCase):

    def _migration(self, qemu, bandwidth_mib=0, **more):
        with mock.patch.object(job, 'Job', return_value=qemu):
            return domain_r_migration.DomainRMigration(
                mock.sentinel.connection, 'domr-x',
                mock.Mock(is_alive=lambda: True), 60.0, HOLD_MIB,
                bandwidth_mib, **more)

    def test_at_its_end_less_is_sent_than_is_kept_dirty(self):
        self.assertLess(
            wire.HOLD_BANDWIDTH_MIB_MAX * MIB * WINDOW_MS / 1000,
            wire.HOLD_BYTES)

    @examples.settings()
    @hypothesis.given(
        strategies.integers(50, 5000), strategies.integers(60, 200),
        strategies.integers(0, 20), strategies.integers(5, 40),
        strategies.sampled_from((wire.REGION_SIZE, wire.LARGE_REGION_SIZE)))
    def test_it_does_not_leave(self, link_mib_s, data_mib, zeros_mib, poll_ms,
                               region_size):
        qemu = Qemu(link_mib_s, data_mib, zeros_mib,
                    domain_r_migration.first_bandwidth_mib(0), region_size)
        held = self._migration(qemu, region_size=region_size)
        held.start()
        waited = 0
        while not held.hold():
            self.assertFalse(qemu.left)
            qemu.run(poll_ms)
            waited += poll_ms
        self.assertEqual(HOLD_MIB, qemu.limit_mib)
        qemu.run(3 * WINDOW_MS)
        self.assertFalse(qemu.left)
        # Not much longer than the link takes.
        self.assertLess(waited, data_mib * 1000 / link_mib_s + 1000)

    def test_at_full_speed_it_would(self):
        qemu = Qemu(1000, 80, 10, job.UNLIMITED_MIB)
        qemu.run(WINDOW_MS)
        self.assertTrue(qemu.left)

    def test_novas_limit(self):
        self.assertEqual(5, domain_r_migration.first_bandwidth_mib(5))
        qemu = Qemu(1000, 80, 10, 5)
        held = self._migration(qemu, 5)
        held.start()
        for _ in range(100):
            self.assertFalse(held.hold())
            self.assertEqual(5, qemu.limit_mib)
            qemu.run(10)

    def test_a_migration_that_has_not_begun_is_not_slowed(self):
        qemu = Qemu(1000, 80, 10, 256)
        qemu.progress = lambda: job.Progress(0, 0)
        held = self._migration(qemu)
        held.start()
        self.assertFalse(held.hold())
        self.assertEqual(256, qemu.limit_mib)


class StateTest(base.BaseTestCase):
    """What is done with it, whatever its passes."""

    def setUp(self):
        super().setUp()
        self.job = mock.create_autospec(job.Job, instance=True)
        self.job.progress.return_value = None
        self.outgoing = mock.create_autospec(job.OutgoingMigration,
                                             instance=True, error=None)
        self._is(alive=True)

    def _is(self, alive, succeeded=False):
        self.outgoing.is_alive.return_value = alive
        self.outgoing.succeeded.return_value = succeeded

    def _migration(self, **changes):
        with mock.patch.object(job, 'Job', return_value=self.job):
            made = domain_r_migration.DomainRMigration(
                mock.sentinel.connection, 'domr-x', self.outgoing, 60.0,
                HOLD_MIB, **changes)
        made.start()
        return made

    def test_it_left_by_itself(self):
        made = self._migration()
        self.assertFalse(made.hold())
        self._is(alive=False, succeeded=True)
        self.job.reset_mock()
        # It waits, so there is nothing left to be done with it.
        self.assertTrue(made.hold())
        made.switch_over()
        self.assertEqual([], self.job.mock_calls)

    def test_it_left_by_itself_and_runs_there(self):
        made = self._migration(arrives_paused=False)
        self._is(alive=False, succeeded=True)
        error = self.assertRaises(exception.PairError, made.hold)
        self.assertIn('left by itself', str(error))

    def test_it_failed(self):
        self.outgoing.error = 'no memory'
        self._is(alive=False)
        made = self._migration()
        for step in (made.hold, made.switch_over):
            self.assertIn('no memory', str(
                self.assertRaises(exception.PairError, step)))

    def test_not_held(self):
        made = self._migration(holds=False)
        for number in (0, 1):
            self.job.progress.return_value = job.Progress(number, 10 ** 6)
            self.assertFalse(made.hold())
        self.job.progress.return_value = job.Progress(2, 10 ** 6)
        self.assertTrue(made.hold())
        self.job.limit.assert_not_called()

    def test_stopped_before_libvirt_has_begun(self):
        made = self._migration()
        self.assertTrue(made.may_be_stopped)
        made.switch_over()
        self.job.suspend.assert_called_once_with()

    def test_stopped_it_would_arrive_so_where_nobody_lets_it_run(self):
        made = self._migration(arrives_paused=False)
        self.assertFalse(made.hold())
        self.assertFalse(made.may_be_stopped)
        self.assertRaises(exception.PairError, made.switch_over)
        self.job.suspend.assert_not_called()
        self.job.progress.return_value = job.Progress(0, 0)
        self.assertFalse(made.hold())
        self.assertTrue(made.may_be_stopped)
        made.switch_over()
        self.job.suspend.assert_called_once_with()
