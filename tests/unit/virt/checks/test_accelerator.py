# SPDX-License-Identifier: Apache-2.0

import fixtures
import libvirt

from nova_dmore.virt.checks import accelerator
from nova_dmore.virt.checks import result
from nova_dmore.virt import inventory
from tests.unit.virt import fake_host
from tests.unit.virt import fakes


class AcceleratorTest(fakes.TestCase):

    def setUp(self):
        super().setUp()
        self.libvirt = fake_host.Libvirt()
        self.useFixture(fixtures.MockPatchObject(
            accelerator, '_LONGEST_S', 0.05))
        self.useFixture(fixtures.MockPatchObject(
            accelerator, '_POLL_S', 0.001))

    def _comes_through(self):
        """Its firmware starts the guest anew, and libvirt ends it."""
        create = self.libvirt.createXML

        def create_and_end(xml, flags):
            create(xml, flags).destroy()
        self.libvirt.createXML = create_and_end

    def _assert_nothing_left(self):
        self.assertEqual({}, self.libvirt.domains)

    def test_it_comes_through_its_firmware(self):
        self._comes_through()
        self.assertEqual(result.GOOD, accelerator.check(self.libvirt, 'kvm'))
        self._assert_nothing_left()

    def test_it_does_not(self):
        found = accelerator.check(self.libvirt, 'kvm')
        self.assertEqual(result.Level.FAILURE, found.level)
        self.assertIn('[libvirt] virt_type', found.text)
        self._assert_nothing_left()

    def test_it_does_not_start(self):
        self.libvirt.refuse = fake_host.libvirt_error(text='no KVM')
        found = accelerator.check(self.libvirt, 'kvm')
        self.assertEqual(result.Level.FAILURE, found.level)
        self.assertIn('no KVM', found.text)

    def test_one_that_was_left(self):
        self.libvirt.createXML(accelerator.xml('kvm'), 0)
        self._comes_through()
        self.assertEqual(result.GOOD, accelerator.check(self.libvirt, 'kvm'))
        self._assert_nothing_left()

    def test_emulation_is_not_tried(self):
        self.libvirt.refuse = fake_host.libvirt_error()
        self.assertEqual(result.GOOD, accelerator.check(self.libvirt, 'qemu'))

    def test_another_architecture_is_not_tried(self):
        self.useFixture(fixtures.MockPatchObject(
            accelerator.os, 'uname')).mock.return_value.machine = 'aarch64'
        self.libvirt.refuse = fake_host.libvirt_error()
        self.assertEqual(result.GOOD, accelerator.check(self.libvirt, 'kvm'))

    def test_nobody_can_tell_whether_it_ends(self):
        look_up = self.libvirt.lookupByName

        def fail(name):
            if self.libvirt.domains:
                raise fake_host.libvirt_error(text='away')
            return look_up(name)
        self.libvirt.lookupByName = fail
        self.assertRaises(libvirt.libvirtError, accelerator.check,
                          self.libvirt, 'kvm')

    def test_nobody_can_tell(self):
        def fail(name):
            raise fake_host.libvirt_error(text='away')
        self.libvirt.lookupByName = fail
        self.assertRaises(libvirt.libvirtError, accelerator.check,
                          self.libvirt, 'kvm')

    def test_nova_does_not_take_it_for_an_instance(self):
        self.assertTrue(inventory.domain_r.is_domain_r_name(accelerator.NAME))
