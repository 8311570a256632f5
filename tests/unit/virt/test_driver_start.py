# SPDX-License-Identifier: Apache-2.0
"""What is said, and looked for, when nova-compute starts."""

import logging
import os
import pwd
from unittest import mock

import fixtures
import nova.conf

from nova_dmore.client import host_service
from nova_dmore import exception
from nova_dmore.virt.config import certificate
from nova_dmore.virt.config import precondition
from tests.unit.virt.config import test_certificate
from tests.unit.virt import driver_case
from tests.unit.virt import fake_host


class StartTest(driver_case.DriverTestCase):

    def setUp(self):
        super().setUp()
        self.start()

    def test_migrations_in_clear(self):
        self.driver.init_host('c1')
        self.assertEqual(1, self.log.output.count(
            'live_migration_with_native_tls'))
        self.driver._watch.start.assert_called_once_with()

    def test_encrypted_migrations(self):
        self.config.config(group='libvirt',
                           live_migration_with_native_tls=True)
        self.driver.init_host('c1')
        self.assertNotIn('live_migration', self.log.output)

    def test_a_qemu_with_the_device(self):
        self.driver.init_host('c1')
        self.assertIsNone(self.pairs.impossible)
        self.assertNotIn('ivshmem', self.log.output)

    def test_a_qemu_without_it(self):
        self.libvirt.refuse_device()
        self.driver.init_host('c1')
        self.assertEqual(1, self.log.output.count(
            'device not available: ivshmem-doorbell'))
        for text in ('by this QEMU binary', 'compute_driver'):
            self.assertIn(text, self.log.output)
        self.assertIn('ivshmem-doorbell', self.pairs.impossible)
        self.driver._watch.start.assert_called_once_with()

    def test_nobody_knows_whether_it_has_it(self):
        self.libvirt.refuse_device('.')
        self.driver.init_host('c1')
        self.assertIn('cannot be told', self.log.output)
        self.assertIsNone(self.pairs.impossible)


class GroupOfQemuTest(driver_case.DriverTestCase):

    def setUp(self):
        super().setUp()
        user = pwd.getpwall()[-1]
        self.user = user.pw_name
        self.groups = {user.pw_gid, *os.getgrouplist(self.user, user.pw_gid)}
        self.libvirt.getCapabilities = lambda: self.capabilities
        self.capabilities = (
            '<capabilities><host><secmodel><model>dac</model>'
            f'<baselabel type="kvm">+{user.pw_uid}:+{user.pw_gid}</baselabel>'
            '</secmodel></host></capabilities>')
        self.service = self.useFixture(fixtures.MockPatchObject(
            host_service.HostService, 'qemu_group')).mock
        self.useFixture(fixtures.MockPatchObject(
            precondition.os, 'stat')).mock.return_value.st_uid = -1

    def _said(self):
        with fixtures.FakeLogger(level=logging.ERROR) as log:
            precondition.check_group_of_qemu(
                nova.conf.CONF, self.driver._get_connection)
        return log.output

    def test_one_of_qemu(self):
        for group in self.groups:
            self.service.return_value = group
            self.assertEqual('', self._said())

    def test_none_of_qemu(self):
        for group, said in ((max(self.groups) + 1, max(self.groups) + 1),
                            (None, 'not set')):
            self.service.return_value = group
            output = self._said()
            self.assertIn(f'[hostd] qemu_group of the host service is {said}',
                          output)
            self.assertIn(self.user, output)

    def test_the_service_is_qemu_s_user(self):
        self.service.return_value = None
        precondition.os.stat.return_value.st_uid = pwd.getpwnam(
            self.user).pw_uid
        self.assertEqual('', self._said())

    def test_nobody_can_tell(self):
        self.service.side_effect = exception.HostServiceError('away')
        self.assertEqual('', self._said())
        self.service.side_effect = None
        self.service.return_value = None
        self.capabilities = '<capabilities><host/></capabilities>'
        self.assertEqual('', self._said())
        self.libvirt.getCapabilities = mock.Mock(
            side_effect=fake_host.libvirt_error())
        self.assertEqual('', self._said())


class AuthorityTest(test_certificate.FilesTestCase,
                    driver_case.DriverTestCase):

    def _warning(self, **server):
        """What is said of the authority when nova-compute starts."""
        self.write_authorities()
        self.write(certificate.SERVER_CA_FILE,
                   test_certificate.make_certificate('servers', **server))
        with fixtures.FakeLogger(level=logging.WARNING) as log:
            precondition.warn_of_authority(nova.conf.CONF)
        return log.output

    def test_it_ends(self):
        self.assertEqual('', self._warning(days=61))
        for days in (59, -1):
            self.assertIn(certificate.SERVER_CA_FILE,
                          self._warning(days=days))

    def test_a_file_that_is_wrong_does_not_stop_nova_compute(self):
        self.assertIn(certificate.SERVER_CA_FILE, self._warning(ca=False))

    def test_it_is_said_at_the_start(self):
        self.start()
        self.config.config(group='dmore', vnc_tls_dir='/nonexistent')
        self.driver.init_host('c1')
        self.assertIn('/nonexistent', self.log.output)
        self.driver._watch.start.assert_called_once_with()


class EndTest(driver_case.DriverTestCase):

    def test_it_ends_before_it_has_begun(self):
        """init_host failed, say."""
        self.start()
        stock = self.stock('cleanup_host')
        self.driver._rpc_server = None
        self.driver.cleanup_host('c1')
        self.driver._watch.stop.assert_not_called()
        stock.assert_called_once_with(self.driver, 'c1')
