# SPDX-License-Identifier: Apache-2.0
"""Small Linux guests in real QEMUs that a pair's keeper finds."""

import glob
import json
import os
import shutil
import socket
import subprocess

from lxml import etree

from nova_dmore import places
from nova_dmore.virt.pair import host_side
from nova_dmore import wire
from tests.unit.keeper import fake_qmp
from tests.unit.worker import fakes

_KERNELS = sorted(glob.glob('/boot/vmlinuz-*cloud*'))
_QEMU = shutil.which('qemu-system-x86_64')
_BUSYBOX = shutil.which('busybox')

#: QEMU before 9.0 loses writes of an emulated guest in a migration if the
#: size of its RAM is a multiple of 64 pages (_FAST_SYNC_BYTES in
#: nova_dmore/virt/pair/xml.py).
_RAM = '98312k'


def check(test):
    """Fail if something is missing."""
    test.assertTrue(_KERNELS and _QEMU and _BUSYBOX,
                    'QEMU, a cloud kernel or busybox is missing: the '
                    'packages are in bindep.txt')


def initramfs(directory, init, *commands):
    """Make a root file system -> its path.

    :param init: the shell script that runs in it.
    :param commands: of busybox.
    """
    root = os.path.join(directory, 'root')
    os.makedirs(os.path.join(root, 'bin'))
    os.makedirs(os.path.join(root, 'dev'))
    shutil.copy(_BUSYBOX, os.path.join(root, 'bin', 'busybox'))
    for name in ('sh', *commands):
        os.symlink('busybox', os.path.join(root, 'bin', name))
    with open(os.path.join(root, 'init'), 'w') as script:
        script.write(init)
    os.chmod(os.path.join(root, 'init'), 0o755)
    path = os.path.join(directory, 'initramfs')
    names = subprocess.run(['find', '.'], cwd=root, capture_output=True,
                           check=True).stdout
    with open(path, 'wb') as output:
        subprocess.run(['cpio', '-o', '-H', 'newc', '--quiet'], cwd=root,
                       input=names, stdout=output, check=True)
    return path


def linux(path):
    """Arguments of a QEMU that boots an initramfs."""
    return ['-kernel', _KERNELS[-1], '-initrd', path, '-append',
            'console=ttyS0 quiet panic=-1 no_timer_check']


class Qemu:
    """An instance's QEMU that leads to a pair's keeper.

    :param layout: that of the release which started it.
    """

    def __init__(self, pair, arguments, incoming=None,
                 layout=places.NEWEST):
        self.pair = pair
        self.arguments = arguments
        monitor = os.path.join(pair.folder, 'own.qmp')
        root = etree.fromstring(
            '<domain><devices><serial type="pty"/></devices></domain>')
        host_side.lead_instance(root, pair.where, layout, display=True)
        device = root.find('devices/serial')
        host_side.lead_serial_port(device, pair.where, layout)
        path = device.find('source').get('path')
        command = [
            # As libvirt does it where there is no <graphics>.
            _QEMU, '-display', 'none',
            '-accel', 'tcg,tb-size=64', '-m', _RAM, '-nodefaults', *arguments,
            '-chardev', f'pipe,id=charserial0,path={path}'
            if device.get('type') == 'pipe' else
            f'socket,id=charserial0,path={path},reconnect=1',
            '-device', 'isa-serial,chardev=charserial0',
            *(each.get('value') for each in root.iter(f'{host_side.QEMU}arg')),
            '-chardev', f'socket,id=own,path={monitor},server=on,wait=off',
            '-mon', 'chardev=own,mode=control']
        if incoming:
            command += ['-incoming', incoming]
        self.process = subprocess.Popen(command)
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(30)
        fakes.wait_for(lambda: self._socket.connect_ex(monitor) == 0, 30)
        self._requests = fake_qmp.json_values(self._socket)
        next(self._requests)
        self.execute('qmp_capabilities')

    def execute(self, command, **arguments):
        self._socket.sendall(json.dumps({
            'execute': command, 'arguments': arguments}).encode())
        for message in self._requests:
            if 'return' in message or 'error' in message:
                return message.get('return', message)

    def monitor(self, line):
        return self.execute('human-monitor-command',
                            **{'command-line': line})

    def end(self):
        self.process.kill()
        self.process.wait()
        self._socket.close()


def domain_r(pair, layout=places.NEWEST, large=False):
    """-> the process of a Domain R's QEMU that leads to a pair's keeper.

    :param large: whether its region is.
    """
    root = etree.fromstring(
        '<domain><devices><shmem><server/></shmem></devices></domain>')
    if large:
        root.find('devices/shmem/server').set(
            'path', wire.LARGE_IVSHMEM_SOCKET)
    host_side.lead_domain_r(root, pair.where, layout)
    path = root.find('devices/shmem/server').get('path')
    return subprocess.Popen([
        _QEMU, '-display', 'none', '-accel', 'tcg', '-m', '16', '-nodefaults',
        '-S', '-chardev', f'socket,id=shm,path={path}',
        '-device', 'ivshmem-doorbell,chardev=shm,master=on,'
        f'vectors={len(wire.Vector)}',
        *(each.get('value') for each in root.iter(f'{host_side.QEMU}arg'))])


def migrate(test, migration_id, qemu, domain_r, during=lambda: None,
            late=False):
    """Migrate both -> (pair, Qemu, FakeDomainR, Frozen of the source).

    :param during: called while both stand still.
    :param late: what is carried over comes when the pair is live already.
    """
    pair = qemu.pair
    other = fakes.Pair(test)
    other.client.arm(migration_id, wire.Role.DESTINATION)
    path = os.path.join(other.folder, 'migration')
    new = Qemu(other, qemu.arguments, incoming=f'unix:{path}')
    test.addCleanup(new.end)
    new_domain_r = other.domain_r('inmigrate', boot=False)
    pair.client.arm(migration_id, wire.Role.SOURCE)
    # As libvirt does.
    qemu.execute('migrate-set-capabilities', capabilities=[
        {'capability': name, 'state': True}
        for name in ('events', 'pause-before-switchover')])
    qemu.execute('migrate-set-parameters',
                 **{'max-bandwidth': 64 << 20, 'downtime-limit': 300})
    qemu.execute('migrate', uri=f'unix:{path}')
    # QEMU decides when, and libvirt lets it go on.
    fakes.wait_for(lambda: qemu.execute('query-migrate')['status'] ==
                   'pre-switchover', 30)
    qemu.execute('migrate-continue', state='pre-switchover')
    frozen = pair.client.frozen(2000)
    domain_r.stop()
    during()
    test.assertTrue(frozen.acknowledged)
    carried = pair.client.hand_over(30000)

    def carry_over():
        return other.client.carry_over(migration_id, carried)
    if not late:
        answer = carry_over()
        test.assertTrue(answer.accepted, answer.reason)
    fakes.wait_for(lambda: qemu.execute('query-migrate')['status'] ==
                   'completed', 30)
    fakes.wait_for(lambda: new.execute('query-status')['status'] in (
        'running', 'paused'), 30)
    new_domain_r.arrive_from(domain_r)
    other.live()
    if late:
        test.assertFalse(carry_over().accepted)
    test.assertEqual((), pair.gaps())
    return other, new, new_domain_r, frozen
