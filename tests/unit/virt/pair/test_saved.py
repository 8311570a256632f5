# SPDX-License-Identifier: Apache-2.0
"""Nova resumes a suspended instance, through the driver."""

import threading
from unittest import mock

import fixtures
from nova import exception as nova_exception
from nova.virt.libvirt import driver as libvirt_driver

from tests.unit.virt import driver_case
from tests.unit.virt import fake_host
from tests.unit.virt import fakes

XML = driver_case.XML


class ResumeTest(driver_case.DriverTestCase):
    """libvirt starts a suspended instance as it was saved."""

    def setUp(self):
        super().setUp()
        self.resume = self.stock('resume')
        self.cleanup = self.stock('_cleanup')
        self.create = self.stock('_create_guest')
        self.domain = self.libvirt.add_instance(xml=XML)

    def _resume(self):
        self.driver.resume('context', self.instance, 'networks')
        self.resume.assert_called_once_with(
            self.driver, 'context', self.instance, 'networks', None, None)

    def _fail(self, *arguments):
        # As Nova does.
        self.driver._cleanup('context', self.instance, 'networks')
        raise RuntimeError('no memory')

    def test_it_stays_suspended(self):
        self.domain.saved_xml = fake_host.SHADOWED
        self.resume.side_effect = self._fail
        raised = self.assertRaises(
            nova_exception.InstanceFaultRollback, self._resume)
        self.assertEqual('no memory', str(raised.inner_exception))
        self.cleanup.assert_not_called()
        # Until the next time.
        self.resume.side_effect = None
        self.resume.reset_mock()
        self._resume()
        self.driver._cleanup('context', self.instance, 'networks')
        self.cleanup.assert_called_once()

    def test_it_is_deleted_meanwhile(self):
        """Nova resumes it without a lock."""
        self.domain.saved_xml = fake_host.SHADOWED

        def resume(*arguments):
            deletes = threading.Thread(
                target=self.driver._cleanup,
                args=('context', self.instance, 'networks'))
            deletes.start()
            deletes.join()
        self.resume.side_effect = resume
        self._resume()
        self.cleanup.assert_called_once()

    def test_it_runs_and_nova_fails_later(self):
        self.domain.saved_xml = fake_host.SHADOWED

        def fail(*arguments):
            self.domain.saved_xml = None
            raise RuntimeError('no PCI device')
        self.resume.side_effect = fail
        self.assertRaises(RuntimeError, self._resume)

    def test_without_a_pair_it_is_novas_matter(self):
        for saved in (None, XML):
            self.domain.saved_xml = saved
            self.resume.side_effect = self._fail
            self.assertRaises(RuntimeError, self._resume)
        self.assertEqual(2, self.cleanup.call_count)

    def test_suspended_with_the_stock_consoles(self):
        self.domain.saved_xml = XML
        released = self.useFixture(fixtures.MockPatch(
            'nova.console.serial.release_port')).mock
        self.driver._create_guest('context', XML, self.instance)
        self.assertEqual(XML, self.create.call_args.args[2])
        self.assertEqual([], self.pairs.records.all())
        self.assertEqual(set(), self.shadow.alive)
        # QEMU has them.
        released.assert_not_called()

    def test_suspended_with_a_pair_of_which_nothing_is_left(self):
        self.domain.saved_xml = fake_host.SHADOWED
        self.driver._create_guest('context', XML, self.instance)
        self.assertEqual((True, True), self.pairs.is_alive(fakes.UUID))

    def test_qemu_does_not_start(self):
        # In no other form either, so the pair is not taken from it.
        self.domain.saved_xml = fake_host.SHADOWED
        self.pairs.ensure(self.instance)
        self.create.side_effect = libvirt_driver.libvirt.libvirtError('no')
        self.assertRaises(libvirt_driver.libvirt.libvirtError,
                          self.driver._create_guest, 'context', XML,
                          self.instance)
        self.assertEqual((True, True), self.pairs.is_alive(fakes.UUID))

    def test_the_image_cannot_be_read(self):
        self.domain.hasManagedSaveImage = mock.Mock(
            side_effect=fake_host.libvirt_error())
        self._resume()
