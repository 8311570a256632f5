# SPDX-License-Identifier: Apache-2.0

import os
import pathlib
import pwd

import fixtures

from nova_dmore.client import host_service
from nova_dmore import exception
from nova_dmore.virt.checks import host
from nova_dmore.virt.checks import result
from tests.unit.virt import fake_host
from tests.unit.virt import fakes

RUN_DIR = '/run/nova-dmore'


class DeviceTest(fakes.TestCase):

    def setUp(self):
        super().setUp()
        self.libvirt = fake_host.Libvirt()

    def test_there(self):
        self.assertEqual(result.GOOD, host.device(self.libvirt, 'kvm'))

    def test_not_there(self):
        self.libvirt.refuse_device()
        found = host.device(self.libvirt, 'kvm')
        self.assertEqual(result.Level.FAILURE, found.level)
        for text in ('ivshmem-doorbell', 'by this QEMU binary',
                     'compute_driver'):
            self.assertIn(text, found.text)

    def test_nobody_can_tell(self):
        self.libvirt.refuse_device('.')
        self.assertRaises(host.libvirt.libvirtError, host.device,
                          self.libvirt, 'kvm')


class VersionsTest(fakes.TestCase):

    def _found(self, qemu, libvirt, virt_type='kvm'):
        connection = fake_host.Libvirt()
        connection.qemu_version, connection.libvirt_version = qemu, libvirt
        return host.versions(connection, virt_type)

    def test_tested(self):
        for qemu, libvirt in ((7_002_000, 9_000_000),
                              (10_000_002, 11_003_000)):
            self.assertEqual(result.GOOD, self._found(qemu, libvirt))

    def test_older(self):
        found = self._found(7_001_000, 8_010_000)
        self.assertEqual(result.Level.WARNING, found.level)
        self.assertIn('libvirt 8.10 is older than 9.0', found.text)
        self.assertIn('QEMU 7.1 is older than 7.2', found.text)

    def test_emulation(self):
        self.assertIn('QEMU 8.2 emulates', self._found(
            8_002_000, 9_000_000, 'qemu').text)
        self.assertEqual(result.GOOD, self._found(
            9_000_000, 9_000_000, 'qemu'))


class ServiceTest(fakes.TestCase):

    def setUp(self):
        super().setUp()
        self.qemu_group = self.useFixture(fixtures.MockPatchObject(
            host_service.HostService, 'qemu_group')).mock

    def _found(self):
        return host.service(host_service.HostService(RUN_DIR))

    def test_it_answers(self):
        self.assertEqual(result.GOOD, self._found())

    def test_it_does_not(self):
        self.qemu_group.side_effect = exception.HostServiceError('No answer.')
        found = self._found()
        self.assertEqual(result.Level.FAILURE, found.level)
        self.assertIn('No answer. ', found.text)
        self.assertIn('systemctl', found.text)


class AppArmorTest(fakes.TestCase):

    capabilities = (
        '<capabilities><host><secmodel><model>apparmor</model></secmodel>'
        '<secmodel><model>dac</model></secmodel></host></capabilities>')

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        (self.folder / 'abstractions').mkdir()
        self._write('abstractions/libvirt-qemu', '/run/libvirt/** rw,')

    def _write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def _found(self, capabilities=capabilities):
        return host.apparmor(capabilities, RUN_DIR, self.folder)

    def test_no_apparmor(self):
        self.assertEqual(result.GOOD, self._found(
            '<capabilities><host/></capabilities>'))

    def test_not_installed(self):
        found = self._found()
        self.assertEqual(result.Level.FAILURE, found.level)
        self.assertIn('local/abstractions/libvirt-qemu', found.text)

    def test_installed(self):
        for name in ('local/abstractions/libvirt-qemu',
                     'abstractions/libvirt-qemu.d/nova-dmore'):
            self._write(name, (pathlib.Path(__file__).parents[4] / 'etc'
                               / 'apparmor.d/local/abstractions/libvirt-qemu'
                               ).read_text())
            self.assertEqual(result.GOOD, self._found())
            (self.folder / name).unlink()

    def test_nobody_can_tell(self):
        self.useFixture(fixtures.MockPatch(
            'pathlib.Path.read_text',
            side_effect=PermissionError(13, 'denied', 'f')))
        found = self._found()
        self.assertEqual(result.Level.WARNING, found.level)
        self.assertIn('Not checked', found.text)


class GroupOfQemuTest(fakes.TestCase):

    def setUp(self):
        super().setUp()
        user = pwd.getpwall()[-1]
        self.user = user.pw_name
        self.groups = {user.pw_gid, *os.getgrouplist(self.user, user.pw_gid)}
        self.capabilities = (
            '<capabilities><host><secmodel><model>dac</model>'
            f'<baselabel type="kvm">+{user.pw_uid}:+{user.pw_gid}</baselabel>'
            '</secmodel></host></capabilities>')
        self.service = self.useFixture(fixtures.MockPatchObject(
            host_service.HostService, 'qemu_group')).mock
        self.useFixture(fixtures.MockPatchObject(
            host.os, 'stat')).mock.return_value.st_uid = -1

    def _said(self):
        return host.group(host_service.HostService('/run/x'),
                          self.capabilities).text

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
        host.os.stat.return_value.st_uid = pwd.getpwnam(
            self.user).pw_uid
        self.assertEqual('', self._said())

    def test_nobody_can_tell(self):
        self.service.side_effect = exception.HostServiceError('away')
        self.assertEqual('', self._said())
        self.service.side_effect = None
        self.service.return_value = None
        self.capabilities = '<capabilities><host/></capabilities>'
        self.assertEqual('', self._said())
