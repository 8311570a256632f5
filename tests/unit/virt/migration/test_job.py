# SPDX-License-Identifier: Apache-2.0

from unittest import mock

import fixtures
import libvirt

from nova_dmore.virt.migration import job
from tests.unit.virt import fake_host
from tests.unit.virt import fakes


class JobTest(fakes.TestCase):

    def setUp(self):
        super().setUp()
        self.domain = mock.create_autospec(libvirt.virDomain, instance=True)
        connection = mock.create_autospec(libvirt.virConnect, instance=True)
        connection.lookupByName.return_value = self.domain
        self.job = job.Job(connection, 'domr-x')
        connection.lookupByName.assert_called_once_with('domr-x')

    def test_progress(self):
        self.domain.jobStats.return_value = {
            libvirt.VIR_DOMAIN_JOB_MEMORY_TOTAL: 4096,
            libvirt.VIR_DOMAIN_JOB_MEMORY_ITERATION: 3,
            libvirt.VIR_DOMAIN_JOB_MEMORY_REMAINING: 1024,
            libvirt.VIR_DOMAIN_JOB_MEMORY_BPS: 512}
        self.assertEqual(job.Progress(3, 1024), self.job.progress())

    def test_no_job(self):
        self.domain.jobStats.return_value = {'type': 0}
        self.assertIsNone(self.job.progress())
        self.domain.jobStats.side_effect = fake_host.libvirt_error()
        self.assertIsNone(self.job.progress())

    def test_stop_of_an_arrival_is_told_again(self):
        connection = fake_host.Libvirt()
        domain = fake_host.Domain(connection, 'instance-1')
        domain.uuid = fakes.UUID
        with mock.patch.object(connection, 'lookupByUUIDString',
                               return_value=domain, create=True):
            for _ in range(2):
                self.assertEqual(0.09, job.stop_s(connection, fakes.UUID))
            domain.arrival = {}
            self.assertIsNone(job.stop_s(connection, fakes.UUID))

    def test_limits(self):
        self.assertTrue(self.job.limit(bandwidth_mib=8, downtime_ms=1))
        self.domain.migrateSetMaxSpeed.assert_called_once_with(8)
        self.domain.migrateSetMaxDowntime.assert_called_once_with(1)

    def test_one_limit(self):
        self.assertTrue(self.job.limit(downtime_ms=1))
        self.domain.migrateSetMaxSpeed.assert_not_called()

    def test_the_domain_is_gone(self):
        gone = fake_host.libvirt_error(libvirt.VIR_ERR_NO_DOMAIN)
        for name in ('migrateSetMaxSpeed', 'suspend',
                     'abortJob'):
            getattr(self.domain, name).side_effect = gone
        self.assertFalse(self.job.limit(bandwidth_mib=8))
        self.assertFalse(self.job.suspend())
        self.assertFalse(self.job.abort())

    def test_done(self):
        self.assertTrue(self.job.suspend())
        self.assertTrue(self.job.abort())


class OutgoingTest(fakes.TestCase):

    def setUp(self):
        super().setUp()
        self.connection = mock.create_autospec(
            libvirt.virConnect, instance=True)
        self.domain = mock.create_autospec(libvirt.virDomain, instance=True)
        self.connection.lookupByName.return_value = self.domain
        self.open = self.useFixture(fixtures.MockPatchObject(
            libvirt, 'open', autospec=True,
            return_value=self.connection)).mock
        self.outgoing = job.OutgoingMigration(
            'qemu:///system', 'domr-x', 'qemu+tcp://c2/system',
            {'bandwidth': 0}, 3)

    def _run(self):
        self.outgoing.start()
        self.outgoing.join()

    def test_not_started(self):
        self.assertFalse(self.outgoing.succeeded())

    def test_arrived(self):
        self._run()
        self.assertTrue(self.outgoing.succeeded())
        self.domain.migrateToURI3.assert_called_once_with(
            'qemu+tcp://c2/system', {'bandwidth': 0}, 3)
        self.connection.close.assert_called_once_with()

    def test_failed(self):
        self.domain.migrateToURI3.side_effect = fake_host.libvirt_error(
            text='cancelled')
        self._run()
        self.assertFalse(self.outgoing.succeeded())
        self.assertEqual('cancelled', self.outgoing.error)
        self.connection.close.assert_called_once_with()

    def test_no_connection(self):
        self.open.side_effect = fake_host.libvirt_error(text='no socket')
        self._run()
        self.assertFalse(self.outgoing.succeeded())
        self.assertEqual('no socket', self.outgoing.error)


class FlagsTest(fakes.TestCase):

    def test_transport_is_that_of_the_instance(self):
        for flag in (libvirt.VIR_MIGRATE_LIVE, libvirt.VIR_MIGRATE_PEER2PEER,
                     libvirt.VIR_MIGRATE_TUNNELLED, libvirt.VIR_MIGRATE_TLS):
            self.assertEqual(flag | libvirt.VIR_MIGRATE_PAUSED,
                             job.domain_r_flags(flag))

    def test_where_nobody_lets_it_run_it_arrives_running(self):
        self.assertEqual(libvirt.VIR_MIGRATE_LIVE, job.domain_r_flags(
            libvirt.VIR_MIGRATE_LIVE, arrives_paused=False))

    def test_what_domain_r_has_not_or_must_not(self):
        for flag in (libvirt.VIR_MIGRATE_NON_SHARED_DISK,
                     libvirt.VIR_MIGRATE_NON_SHARED_INC,
                     libvirt.VIR_MIGRATE_PERSIST_DEST,
                     libvirt.VIR_MIGRATE_UNDEFINE_SOURCE,
                     libvirt.VIR_MIGRATE_AUTO_CONVERGE,
                     libvirt.VIR_MIGRATE_POSTCOPY):
            self.assertEqual(
                libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_PAUSED,
                job.domain_r_flags(flag | libvirt.VIR_MIGRATE_LIVE))
