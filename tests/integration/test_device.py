# SPDX-License-Identifier: Apache-2.0
"""What libvirt says of a QEMU with the device of Domain R, and without it, and
of the guest that tells whether an accelerator works.

In a machine that is booted for this. What libvirt knows of QEMU it keeps in
files, in which the device is struck out.
"""

import sys

from oslotest import base

from tests.integration import machine
from tests.integration import test_hostd_unit as unit

_CHECK = """
import libvirt
from nova_dmore.virt.checks import host
connection = libvirt.open('qemu:///system')
print(host.device(connection, 'qemu').text or None)
"""


#: Emulated, it comes through its firmware everywhere.
_RUN = """
import libvirt
from nova_dmore.virt.checks import accelerator
connection = libvirt.open('qemu:///system')
accelerator._LONGEST_S = 60
connection.createXML(accelerator.xml('qemu'), 0)
print(accelerator.ends(connection))
"""


class DeviceTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.machine = machine.Machine({
            unit._SOURCE: unit._REPOSITORY, unit._PYTHON: sys.prefix})
        self.machine.start()
        self.addCleanup(self.machine.end)
        # As a compute host has it.
        self.machine.says('usermod', '-aG', 'libvirt', 'nobody')
        self.machine.write('/etc/libvirt/libvirtd.conf',
                           'auth_unix_rw = "none"\n'
                           'unix_sock_group = "libvirt"\n'
                           'unix_sock_rw_perms = "0770"\n')
        # This machine has no control groups to be written.
        self.machine.write('/etc/libvirt/qemu.conf',
                           'cgroup_controllers = []\n')

    def _check(self, program=_CHECK):
        """-> what is found by somebody without privileges."""
        self.machine.says('systemctl', 'restart', 'libvirtd')
        return self.machine.says(
            'env', f'PYTHONPATH={unit._SOURCE}', unit._INTERPRETER, '-c',
            program, user='nobody', group='nogroup').splitlines()[-1]

    def test_a_guest_comes_through_its_firmware(self):
        self.assertEqual('True', self._check(_RUN))
        self.assertEqual('', self.machine.says(
            'virsh', '-q', 'list', '--all', '--name'))

    def test_it_is_there_or_not(self):
        self.assertEqual('None', self._check())
        self.machine.says(
            'sh', '-c', 'sed -i /ivshmem-doorbell/d '
            '/var/cache/libvirt/qemu/capabilities/*.xml')
        found = self._check()
        self.assertTrue(found.startswith(
            'device not available: ivshmem-doorbell: '), found)
        self.assertIn('is not supported by this QEMU binary', found)
        self.assertEqual('', self.machine.says(
            'virsh', '-q', 'list', '--all', '--name'))
