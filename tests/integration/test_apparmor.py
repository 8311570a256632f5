# SPDX-License-Identifier: Apache-2.0
"""What AppArmor would let the processes of a pair do, on a host that has it.

This kernel need not have it. Two pairs run in a machine that is booted for
this, with libvirtd and the host service by their units, and the files of
``etc/apparmor.d`` as doc/source/admin/hostd.rst has them installed. What each
process has open is looked up in its profile; that of a QEMU is the one which
libvirt's own virt-aa-helper makes of the domain.
"""

import base64
import glob
import itertools
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import uuid

import fixtures
from oslotest import base

from nova_dmore import image_file
from nova_dmore import places
from nova_dmore.virt.pair import xml
from nova_dmore import wire
from tests.integration import apparmor
from tests.integration import guest
from tests.integration import test_hostd_unit

_ETC = test_hostd_unit._REPOSITORY / 'etc/apparmor.d'
_THERE = '/etc/apparmor.d'
_OF_QEMU = 'local/abstractions/libvirt-qemu'
_OF_HOSTD = 'nova-dmore-hostd'
_QEMU = 'libvirt-qemu'
_IMAGE = '/var/lib/nova-dmore/images/digest'
_BRIDGE = 'br-test'

#: The instance as Nova would start it.
_INSTANCE = """<domain type="qemu">
<name>instance-{uuid}</name><uuid>{uuid}</uuid>
<memory unit="MiB">64</memory><vcpu>1</vcpu>
<os><type machine="pc">hvm</type></os>
<devices>
<disk type="file" device="disk"><driver name="qemu" type="qcow2"/>
<source file="/var/lib/nova/instances/{uuid}/disk"/>
<target dev="vda" bus="virtio"/></disk>
<interface type="bridge"><source bridge="{bridge}"/>
<model type="virtio"/></interface>
<serial type="tcp"><source host="127.0.0.1" service="10000" mode="bind"/>
<log file="/var/lib/nova/instances/{uuid}/console.log" append="off"/>
<target port="0"/></serial>
<input type="tablet" bus="usb"/>
<graphics type="vnc" port="-1" listen="0.0.0.0"/>
<video><model type="virtio"/></video>
<rng model="virtio"><backend model="random">/dev/urandom</backend></rng>
</devices></domain>"""

#: What a Python that is not Debian's needs: see hostd.rst.
_LOCAL = """{0}/{{,**}} r,
{0}/**.so* mr,
"""

#: As a destination, so that the worker opens the display at once.
_ARM = """
import sys
from nova_dmore.client import host_service
from nova_dmore.client import shadow_client
from nova_dmore import wire
client = shadow_client.ShadowClient(
    host_service.HostService('/run/nova-dmore'), sys.argv[1])
client.arm('m', wire.Role.DESTINATION)
"""

_STATUS = """
import sys
from nova_dmore.client import host_service
from nova_dmore.client import shadow_client
status = shadow_client.ShadowClient(
    host_service.HostService('/run/nova-dmore'), sys.argv[1]).status()
print(status.instance.connected, status.domain_r.attached,
      status.domain_r.connected, status.devices['display']['connected'])
"""

_INIT = """#!/bin/sh
while :; do sleep 1000; done
"""


class _Pair:
    """A pair that runs in the machine."""

    def __init__(self):
        self.uuid = str(uuid.uuid4())
        self.where = places.of_pair(f'/run/nova-dmore/{self.uuid}')
        self.domains = {f'instance-{self.uuid}': self.where.instance,
                        f'domr-{self.uuid}': self.where.domain_r}

    def xml(self):
        """-> the XML of both domains."""
        instance = _INSTANCE.format(uuid=self.uuid, bridge=_BRIDGE)
        return (xml.with_shadow_devices(instance, self.where).xml,
                xml.domain_r(xml.DomainR(
                    name=f'domr-{self.uuid}',
                    uuid=places.domain_r_uuid(self.uuid),
                    instance_uuid=self.uuid, virt_type='qemu',
                    memory_mib=128, image_dir=_IMAGE, where=self.where,
                    kernel_arguments='console=ttyS0 quiet',
                    interface=f'<interface type="bridge"><source bridge='
                    f'"{_BRIDGE}"/><model type="virtio"/></interface>',
                    log_file=f'/var/log/nova-dmore/{self.uuid}.log')))


def setUpModule():
    test_hostd_unit.setUpModule()
    AppArmorCase.install_apparmor()
    AppArmorCase.start_libvirt()
    AppArmorCase.pairs = [AppArmorCase.start_pair_with_domains()
                          for _ in range(2)]


class AppArmorCase(test_hostd_unit.UnitCase):

    pairs: list[_Pair]

    @classmethod
    def install_apparmor(cls):
        for name in (_OF_QEMU, _OF_HOSTD):
            cls.machine.install(_ETC / name, f'{_THERE}/{name}')
        cls.machine.write(f'{_THERE}/local/{_OF_HOSTD}', ''.join(map(
            _LOCAL.format,
            (test_hostd_unit._PYTHON, test_hostd_unit._SOURCE))))
        cls.machine.says('usermod', '-aG', _QEMU, 'nova-dmore')
        cls.configure(f'qemu_group = {_QEMU}')
        cls.machine.says('systemctl', 'restart', _OF_HOSTD)

    @classmethod
    def start_libvirt(cls):
        cls.machine.write('/etc/libvirt/qemu.conf',
                          'cgroup_controllers = []\nnamespaces = []\n')
        cls.machine.says('ip', 'link', 'add', _BRIDGE, 'type', 'bridge')
        cls.machine.says('systemctl', 'start', 'libvirtd')
        with tempfile.TemporaryDirectory() as folder:
            kernel = guest.linux(guest.initramfs(folder, _INIT, 'sleep'))
            for name, path in zip(image_file.MEMBERS, (
                    __file__, kernel[1], kernel[3], __file__)):
                cls.machine.install(path, f'{_IMAGE}/{name}', '444')
        cls.machine.says('install', '-d', '/var/log/nova-dmore')

    @classmethod
    def start_pair_with_domains(cls):
        pair = _Pair()

        def ask(code, *arguments):
            return cls.machine.says(
                'env', f'PYTHONPATH={test_hostd_unit._SOURCE}',
                test_hostd_unit._INTERPRETER, '-c', code, *arguments,
                pair.uuid, user='nova')
        ask(test_hostd_unit._CLIENT, 'start')
        ask(_ARM)
        folder = f'/var/lib/nova/instances/{pair.uuid}'
        cls.machine.says('install', '-d', '-o', 'nova', folder)
        cls.machine.says('qemu-img', 'create', '-q', '-f', 'qcow2',
                         f'{folder}/disk', '16M')
        for each in pair.xml():
            cls.machine.write('/run/domain.xml', each)
            cls.machine.says('virsh', '-q', 'create', '/run/domain.xml')
        deadline = time.monotonic() + 60
        while (found := ask(_STATUS)) != 'True True True True':
            assert time.monotonic() < deadline, found
            time.sleep(0.2)
        return pair

    def here(self, pid):
        """-> the id that a process of the machine has here.

        :param pid: as text.
        """
        space = os.readlink(f'/proc/{self.machine.leader}/ns/pid')
        for folder in glob.glob('/proc/[0-9]*'):
            try:
                status = pathlib.Path(folder, 'status').read_text()
                if (os.readlink(f'{folder}/ns/pid') == space and
                        re.search(r'\nNSpid:.*\t(\d+)\n', status)[1] == pid):
                    return int(folder[6:])
            except OSError:
                continue    # it has ended
        raise AssertionError(f'{pid} is not there')

    def compiled(self, path):
        return apparmor.Profile(base64.b64decode(self.machine.says(
            'sh', '-c', f'{" ".join(apparmor.COMPILE)} {path} | base64')))

    def profile_of(self, domain, folder):
        """-> that of a QEMU, as libvirt would load it."""
        name = os.path.basename(folder)
        return self.compiled_domain(name, self.printed(domain, name))

    def printed(self, domain, name, *become):
        """-> the rules that virt-aa-helper prints for a domain."""
        printed = self.machine.says(
            'sh', '-ec', 'virsh -q dumpxml --security-info "$1" >/run/it.xml;'
            'chmod 644 /run/it.xml; shift; "$@" </run/it.xml 2>&1',
            'sh', domain, *become, '/usr/lib/libvirt/virt-aa-helper', '-c',
            '-d', '-u', name)
        return [line for line in printed.splitlines()
                if line.startswith('  ') and '#' not in line]

    def compiled_domain(self, name, rules):
        """As virt-aa-helper makes the file of its template."""
        template = self.machine.says('cat', f'{_THERE}/libvirt/TEMPLATE.qemu')
        head, _, _ = template.replace(
            'LIBVIRT_TEMPLATE', name).rpartition('}')
        path = '/run/it.profile'
        self.machine.write(path, '\n'.join([head, *rules, '}', '']))
        return self.compiled(path)

    def qemu(self, domain):
        return self.here(self.machine.says(
            'cat', f'/run/libvirt/qemu/{domain}.pid'))

    def each_domain(self):
        for pair in self.pairs:
            yield from pair.domains.items()


class TestQemu(AppArmorCase):

    def test_what_it_uses(self):
        for domain, folder in self.each_domain():
            used = apparmor.uses(self.qemu(domain))
            ours = {each for each in used
                    if each.path.startswith('/run/nova-dmore')}
            names = {'serial0.in', 'serial0.out', 'qmp.sock'} if (
                domain.startswith('instance')) else {
                'ivshmem.sock', 'qmp.sock'}
            self.assertEqual({f'{folder}/{name}' for name in names},
                             {each.path for each in ours})
            self.assertEqual({'rw'}, {each.permissions for each in ours})
            self.assertGreater(len(used), 50)
            self.assertEqual([], apparmor.refused(
                self.profile_of(domain, folder), used))

    def test_nothing_of_another_pair(self):
        """Nor of another domain, a keeper or the host service."""
        paths = self.machine.says('find', '/run/nova-dmore').splitlines()
        for domain, folder in self.each_domain():
            profile = self.profile_of(domain, folder)
            others = [path for path in paths
                      if not path.startswith(f'{folder}/')]
            self.assertGreater(len(others), 20)
            self.assertEqual([], [
                each for each in itertools.product(others, 'xwralkm')
                if profile.allows(*each, owned=True)])

    def test_what_is_not_in_the_xml(self):
        """Without the file that is shipped, it is refused."""
        self.addCleanup(self.machine.install, _ETC / _OF_QEMU,
                        f'{_THERE}/{_OF_QEMU}')
        self.machine.write(f'{_THERE}/{_OF_QEMU}', '')
        for domain, folder in self.each_domain():
            profile = self.profile_of(domain, folder)
            self.assertEqual(
                [apparmor.Use(f'{folder}/{wire.QMP_SOCKET}', 'rw')],
                apparmor.refused(profile, apparmor.uses(self.qemu(domain))))
            self.assertFalse(profile.allows_peer(_OF_HOSTD))

    def test_connections_that_it_is_given(self):
        for domain, folder in self.each_domain():
            profile = self.profile_of(domain, folder)
            for label, allowed in ((_OF_HOSTD, True), ('unconfined', True),
                                   (os.path.basename(folder), True),
                                   (f'libvirt-{uuid.uuid4()}', False)):
                self.assertEqual(allowed, profile.allows_peer(label), label)

    def test_its_helper_need_not_read_the_image(self):
        """virt-aa-helper has a profile, too, that does not let it."""
        files = [f'{_IMAGE}/{name}' for name in image_file.MEMBERS]
        self.addCleanup(self.machine.says, 'chmod', '444', *files)
        _, (domain, folder) = self.pairs[0].domains.items()
        name = os.path.basename(folder)
        before = self.printed(domain, name)
        self.assertIn(f'  "{_IMAGE}/root.squashfs" rk,', before)
        self.machine.says('chmod', '400', *files)
        self.assertEqual(before, self.printed(
            domain, name, 'setpriv', '--reuid=nobody', '--clear-groups',
            '--regid=nogroup'))


class TestHostService(AppArmorCase):

    def setUp(self):
        super().setUp()
        self.profile = self.compiled(f'{_THERE}/{_OF_HOSTD}')

    def test_what_it_uses(self):
        pids = [self.main_pid()]
        for pair in self.pairs:
            self.instance = pair.uuid
            pids += self.processes()
        for pid in pids:
            self.assertEqual([], apparmor.refused(
                self.profile, apparmor.uses(self.here(str(pid)))))

    def test_what_it_does(self):
        """From when it begins until a pair has ended."""
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        tracer = subprocess.Popen(
            ['strace', '-qq', '-y', '-ff', '-o', folder / 'calls', '-e',
             f'trace={apparmor.TRACED}', '-p',
             str(self.here(str(self.main_pid())))])
        self.addCleanup(tracer.wait)
        self.addCleanup(tracer.terminate)
        self.wait_for(lambda: list(folder.iterdir()))
        self.systemctl('reload')
        keeper, worker = self.processes('start')
        self.machine.says('kill', '-9', str(worker))
        self.wait_for(lambda: self.processes()[1] != worker)
        self.ask('end')
        tracer.terminate()
        tracer.wait()
        done = set()
        for each in folder.iterdir():
            done |= apparmor.traced(each.read_text())
        made = {each.path for each in done if each.path.startswith('/run/')}
        self.assertIn(f'/run/nova-dmore/{self.instance}/keeper.lock', made)
        self.assertIn('/run/systemd/notify', made)
        self.assertGreater(len(done), 300)
        self.assertEqual([], apparmor.refused(self.profile, done))

    def test_what_it_has_not(self):
        for path in ('/etc/shadow', '/etc/nova/nova.conf', '/root/.bashrc',
                     '/run/libvirt/libvirt-sock', '/dev/kvm', '/dev/net/tun',
                     f'{_IMAGE}/vmlinuz', '/run/nova-dmore-records/it',
                     f'/var/lib/nova/instances/{self.pairs[0].uuid}/disk',
                     '/proc/1/environ'):
            self.assertFalse(self.profile.allows(path, 'r'), path)
            self.assertFalse(self.profile.allows(path, 'w'), path)
        for path in ('/bin/sh', '/usr/bin/dash', shutil.which('virsh')):
            self.assertFalse(self.profile.allows(path, 'x'), path)
        self.assertTrue(self.profile.allows(
            os.path.realpath(sys.executable), 'mrx'))
        self.assertTrue(self.profile.allows_peer(f'libvirt-{uuid.uuid4()}'))
        self.assertFalse(self.profile.allows_peer('unconfined'))


class TestReader(base.BaseTestCase):
    """That the tests see what a profile says."""

    rules = """
    /a/** r,
    deny /a/secret r,
    owner /b/{c,d}* rw,
    /e/[0-9]?/@{profile_name} rwkl,
    /f mrix,
    /g/* a,
    unix (send, receive) type=stream peer=(label=both),
    unix (send) type=stream peer=(label=one),
    """

    def setUp(self):
        super().setUp()
        path = pathlib.Path(self.useFixture(fixtures.TempDir()).path, 'it')
        path.write_text(f'abi <abi/3.0>,\ninclude <tunables/global>\n'
                        f'profile it {{{self.rules}}}\n'
                        'profile other { /z r, }\n')
        self.profile = apparmor.Profile(subprocess.run(
            [*apparmor.COMPILE, path], check=True,
            stdout=subprocess.PIPE).stdout)

    def test_files(self):
        for path, permissions in (
                ('/a/b/c', 'r'), ('/e/5x/it', 'rwkl'), ('/f', 'mrx'),
                ('/g/h', 'a')):
            self.assertTrue(self.profile.allows(path, permissions), path)
        for path, permissions in (
                ('/a/b', 'w'), ('/a/b', 'rw'), ('/a/secret', 'r'),
                ('/b/c1', 'r'), ('/e/xx/it', 'r'), ('/e/5/it', 'r'),
                ('/f', 'w'), ('/g/h', 'w'), ('/g/h/i', 'a'), ('/z', 'r'),
                ('/', 'r')):
            self.assertFalse(self.profile.allows(path, permissions), path)
        self.assertTrue(self.profile.allows('/b/dd', 'rw', owned=True))
        self.assertFalse(self.profile.allows('/b/e', 'r', owned=True))

    def test_peers(self):
        self.assertTrue(self.profile.allows_peer('both'))
        for label in ('one', 'bot', 'both2', 'unconfined'):
            self.assertFalse(self.profile.allows_peer(label), label)
