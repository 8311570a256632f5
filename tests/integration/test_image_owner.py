# SPDX-License-Identifier: Apache-2.0
"""Whose the files of Domain R's image are when libvirt has started it.

With a libvirtd of its own, as it is by default: ``dynamic_ownership`` is on,
and QEMU has a user of its own.
"""

import os
import pathlib
import shutil
import subprocess
import tempfile

from lxml import etree
from oslotest import base

from nova_dmore import image_file
from nova_dmore import places
from nova_dmore.virt.pair import xml
from tests.integration import guest
from tests.unit.virt import fakes

_QEMU = '{http://libvirt.org/schemas/domain/qemu/1.0}'
#: Neither root nor QEMU's.
_OWNER = 12345
_MODE = 0o444

#: What a libvirtd writes lies in folders of its own. It starts domains one
#: after the other, and says whose the files are in the meantime.
_SCRIPT = r'''
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir /run/libvirt /run/lock
for folder in /var/lib/libvirt /var/cache/libvirt /var/log/libvirt; do
    mount -t tmpfs tmpfs $folder
done
mkdir /var/lib/libvirt/qemu
mount --bind "$1/etc" /etc/libvirt
libvirtd -d -p /run/libvirtd.pid -f /etc/libvirt/libvirtd.conf
for tries in $(seq 100); do
    virsh -q -c qemu:///system list >/dev/null 2>&1 && break
    sleep 0.1
done
virsh -q -c qemu:///system create --paused "$1/domain.xml" >&2
stat -c %u "/proc/$(cat /run/libvirt/qemu/domr-*.pid)"
stat -c %u "$1"/image/*
virsh -q -c qemu:///system destroy domr-"$2" >&2
stat -c %u "$1"/image/*
'''


class ImageOwnerTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        guest.check(self)
        # That of oslotest is one that QEMU's user cannot reach.
        folder = tempfile.TemporaryDirectory(dir='/var/tmp')
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.folder.chmod(0o755)
        self.image = self.folder / 'image'
        self.image.mkdir(0o755)
        (self.folder / 'etc').mkdir()

    def _files(self):
        return [self.image / name for name in image_file.MEMBERS]

    def _make_image(self):
        kernel = guest.linux('')[1]
        for path in self._files():
            path.unlink(missing_ok=True)
            if path.name == image_file.KERNEL:
                shutil.copy(kernel, path)
            else:
                path.write_bytes(bytes(1 << 16))
            path.chmod(_MODE)
            os.chown(path, _OWNER, _OWNER)

    def _domain(self, labelled):
        """Domain R less what needs a pair and a network."""
        root = etree.fromstring(xml.domain_r(xml.DomainR(
            name='domr-' + fakes.UUID, uuid=fakes.UUID,
            instance_uuid=fakes.UUID, virt_type='qemu', memory_mib=96,
            image_dir=str(self.image),
            where=places.of_pair(str(self.folder)),
            kernel_arguments='console=ttyS0',
            interface='<interface type="user"/>',
            log_file=str(self.folder / 'domr.log'))))
        for path in ('devices/shmem', 'devices/interface',
                     f'{_QEMU}commandline', f'{_QEMU}override'):
            element = root.find(path)
            element.getparent().remove(element)
        if not labelled:
            root.remove(root.find('seclabel'))
        return etree.tostring(root)

    def _owners(self, labelled, remembers):
        """User of QEMU, and owners of the files while it runs and after."""
        self._make_image()
        (self.folder / 'domain.xml').write_bytes(self._domain(labelled))
        (self.folder / 'etc/libvirtd.conf').write_text('auth_unix_rw="none"\n')
        (self.folder / 'etc/qemu.conf').write_text(
            'security_driver="none"\nuser="nobody"\ngroup="nogroup"\n'
            f'stdio_handler="file"\nremember_owner={remembers}\n'
            'cgroup_controllers=[]\nnamespaces=[]\n')
        done = subprocess.run(
            ['unshare', '--mount', '--net', '--pid', '--fork', '--mount-proc',
             '--kill-child', 'bash', '-euc', _SCRIPT, 'bash',
             str(self.folder), fakes.UUID],
            capture_output=True, text=True, timeout=300)
        self.assertEqual(0, done.returncode, done.stderr)
        owners = [int(line) for line in done.stdout.split()]
        self.assertEqual(1 + 2 * len(image_file.MEMBERS), len(owners))
        return owners[0], owners[1:]

    def test_no_file_is_given_to_qemus_user(self):
        for remembers in (0, 1):
            user, owners = self._owners(True, remembers)
            self.assertNotIn(user, (0, _OWNER))
            self.assertEqual({_OWNER}, set(owners))
            for path in self._files():
                self.assertEqual(_MODE, path.stat().st_mode & 0o7777)

    def test_without_the_label_they_would_be(self):
        # Else the other test shows nothing.
        user, owners = self._owners(False, 1)
        self.assertIn(user, owners)
