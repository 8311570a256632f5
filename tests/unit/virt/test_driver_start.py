# SPDX-License-Identifier: Apache-2.0
"""What is said, and checked, when nova-compute starts."""

import os
from unittest import mock

import fixtures
import nova.conf
from oslo_config import cfg

from nova_dmore.client import host_service
from nova_dmore import exception
from nova_dmore.virt import driver
from tests.unit.virt import driver_case


class MadeTest(driver_case.DriverTestCase):

    def test_it_delegates_to_what_was_put_together(self):
        self.stock('__init__', return_value=None)
        made = driver.DMoreDriver(None)
        self.assertEqual(made._pairs.is_domain_r, made._host._is_domain_r)
        self.assertEqual(made._capacity.claim, made._pairs.claim)
        self.assertIs(made._pairs, made._destination._pairs)
        self.assertEqual(made._watch.changed, made._pairs.on_change)


class WrongOptionTest(driver_case.DriverTestCase):

    def test_nova_compute_ends_with_one_line(self):
        self.stock('__init__', return_value=None)
        conf = cfg.ConfigOpts()
        path = os.path.join(self.useFixture(fixtures.TempDir()).path, 'x.conf')
        with open(path, 'w') as file:
            file.write('[dmore]\nprecopy_timeout = 0\n')
        conf([], default_config_files=[path])
        self.useFixture(fixtures.MockPatchObject(driver, 'CONF', conf))
        ended = self.assertRaises(SystemExit, driver.DMoreDriver, None)
        self.assertEqual(1, ended.code)
        (line,) = self.log.output.splitlines()
        self.assertIn('[dmore] precopy_timeout: ', line)
        self.assertIn(path, line)


class StartTest(driver_case.DriverTestCase):

    def setUp(self):
        super().setUp()
        self.start()
        self.service = self.useFixture(fixtures.MockPatchObject(
            host_service.HostService, 'qemu_group', autospec=True)).mock

    def test_migrations_in_clear(self):
        self.driver.init_host('c1')
        self.assertEqual(1, self.log.output.count(
            'live_migration_with_native_tls'))
        self.driver._watch.start.assert_called_once_with()

    def test_its_options_are_read_again(self):
        self.driver.init_host('c1')
        with mock.patch.object(self.pairs.addresses, 'forget_group') as forget:
            for hook in list(nova.conf.CONF._mutate_hooks):
                if getattr(hook, '__self__', None) is self.driver:
                    hook(nova.conf.CONF, {})
        forget.assert_called_once_with()
        self.driver._watch.options_changed.assert_called_once_with()

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
        self.assertIn('Device of Domain R: Not checked', self.log.output)
        self.assertIsNone(self.pairs.impossible)

    def test_what_cannot_work_is_one_line_each(self):
        self.config.config(group='vnc', enabled=True)
        self.config.config(group='dmore', vnc_tls_dir='/nonexistent')
        self.service.side_effect = exception.HostServiceError('No answer.')
        self.driver.init_host('c1')
        for text in ('[dmore] vnc_proxy_networks is empty',
                     '[dmore] vnc_tls_dir', 'Host service: No answer.'):
            self.assertEqual(1, self.log.output.count(text), text)
        self.driver._watch.start.assert_called_once_with()

    def test_what_takes_longer_is_not_waited_for(self):
        self.driver.init_host('c1')
        (subject,), _ = self.aside.call_args
        self.assertIs(self.libvirt, subject.connect())
        self.assertIs(self.pairs, subject.pairs)


class EndTest(driver_case.DriverTestCase):

    def test_it_ends_before_it_has_begun(self):
        """init_host failed, say."""
        self.start()
        stock = self.stock('cleanup_host')
        self.driver._rpc_server = None
        self.driver.cleanup_host('c1')
        self.driver._watch.stop.assert_not_called()
        stock.assert_called_once_with(self.driver, 'c1')
