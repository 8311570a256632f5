# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""The shadow-device process against real QEMUs that migrate.

The instance is a small Linux guest that numbers what it prints and answers
what is typed; Domain R is its end of the channel in this process.
"""

import glob
import os
import re
import shutil
import socket
import subprocess
import threading
import time

from oslotest import base

from nova_dmore.shadow import client
from nova_dmore import wire
from tests.unit.shadow import fakes

_KERNELS = sorted(glob.glob('/boot/vmlinuz-*cloud*'))
_QEMU = shutil.which('qemu-system-x86_64')
_BUSYBOX = shutil.which('busybox')

_INIT = """#!/bin/sh
mount -t devtmpfs none /dev
exec <>/dev/ttyS0 >&0 2>&0
stty -echo icanon
echo BOOTED
(i=0; while :; do i=$((i+1)); echo "L$i"; done) &
(while :; do dd if=/dev/zero of=/dirt bs=1M count=16 2>/dev/null; done) &
while read x; do echo "GOT $x"; done
"""

MIGRATIONS = 4

#: QEMU before 9.0 loses writes of an emulated guest in a migration if the
#: size of its RAM is a multiple of 64 pages (_FAST_SYNC_BYTES in
#: nova_dmore/virt/xml.py).
_RAM = '98312k'


def _initramfs(directory):
    root = os.path.join(directory, 'root')
    os.makedirs(os.path.join(root, 'bin'))
    os.makedirs(os.path.join(root, 'dev'))
    shutil.copy(_BUSYBOX, os.path.join(root, 'bin', 'busybox'))
    for name in ('sh', 'mount', 'stty', 'echo', 'dd'):
        os.symlink('busybox', os.path.join(root, 'bin', name))
    with open(os.path.join(root, 'init'), 'w') as init:
        init.write(_INIT)
    os.chmod(os.path.join(root, 'init'), 0o755)
    path = os.path.join(directory, 'initramfs')
    names = subprocess.run(['find', '.'], cwd=root, capture_output=True,
                           check=True).stdout
    with open(path, 'wb') as output:
        subprocess.run(['cpio', '-o', '-H', 'newc', '--quiet'], cwd=root,
                       input=names, stdout=output, check=True)
    return path


class Qemu:
    """An instance's QEMU in the directory of a pair."""

    def __init__(self, pair, initramfs, incoming=None):
        self.pair = pair
        monitor = os.path.join(os.path.dirname(pair.directory), 'own.qmp')
        serial = os.path.join(pair.directory, wire.SERIAL0_SOCKET)
        qmp = os.path.join(pair.directory, wire.INSTANCE_QMP_SOCKET)
        command = [
            _QEMU, '-accel', 'tcg,tb-size=64', '-m', _RAM, '-nodefaults',
            '-display', 'none', '-kernel', _KERNELS[-1], '-initrd',
            initramfs, '-append', 'console=ttyS0 quiet panic=-1',
            '-chardev', f'socket,id=charserial0,path={serial},reconnect=1',
            '-device', 'isa-serial,chardev=charserial0',
            '-chardev', f'socket,id=dmore,path={qmp},server=on,wait=off',
            '-mon', 'chardev=dmore,mode=control',
            '-chardev', f'socket,id=own,path={monitor},server=on,wait=off',
            '-mon', 'chardev=own,mode=control']
        if incoming:
            command += ['-incoming', incoming]
        self.process = subprocess.Popen(command)
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(30)
        fakes.wait_for(lambda: self._socket.connect_ex(monitor) == 0, 30)
        self._requests = fakes.json_values(self._socket)
        next(self._requests)
        self.execute('qmp_capabilities')

    def execute(self, command, **arguments):
        self._socket.sendall(fakes.json.dumps({
            'execute': command, 'arguments': arguments}).encode())
        for message in self._requests:
            if 'return' in message or 'error' in message:
                return message.get('return', message)

    def end(self):
        self.process.kill()
        self.process.wait()
        self._socket.close()


class TestMigration(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.assertTrue(_KERNELS and _QEMU and _BUSYBOX,
                        'QEMU, a cloud kernel or busybox is missing: the '
                        'packages are in bindep.txt')

    def test_nothing_lost_either_way(self):
        pair = fakes.Pair(self)
        initramfs = _initramfs(os.path.dirname(pair.directory))
        qemu = Qemu(pair, initramfs)
        self.addCleanup(lambda: qemu.end())
        domain_r = pair.domain_r()
        pair.live()
        fakes.wait_for(lambda: b'BOOTED' in domain_r.output, 60)
        self.current = domain_r
        typing = threading.Thread(target=self._type)
        self.typed, self.typing = 0, True
        typing.start()
        self.addCleanup(setattr, self, 'typing', False)
        took = []
        for number in range(MIGRATIONS):
            time.sleep(0.5)
            old = qemu, domain_r
            pair, qemu, domain_r, freeze_s = self._migrate(
                f'm{number}', pair, qemu, domain_r, initramfs)
            took.append(freeze_s)
            for each in old:
                each.end() if each is old[0] else each.close()
        time.sleep(0.5)
        self.typing = False
        typing.join()
        last = b'GOT K%05d' % self.typed
        fakes.wait_for(lambda: last in domain_r.output, 20)
        self._check(domain_r.output)
        self.assertEqual((), pair.gaps())
        print('stop to frozen, ms:', [round(s * 1000, 1) for s in took],
              'keys:', self.typed, 'bytes:', len(domain_r.output))

    def _type(self):
        while self.typing:
            self.typed += 1
            self.current.types(b'K%05d\n' % self.typed)
            time.sleep(0.02)

    def _migrate(self, migration_id, pair, qemu, domain_r, initramfs):
        other = fakes.Pair(self)
        other.client.arm(migration_id, client.Role.DESTINATION)
        path = os.path.join(os.path.dirname(other.directory), 'migration')
        new = Qemu(other, initramfs, incoming=f'unix:{path}')
        self.addCleanup(new.end)
        new_domain_r = other.domain_r('inmigrate', boot=False)
        pair.client.arm(migration_id, client.Role.SOURCE)
        qemu.execute('migrate-set-parameters',
                     **{'max-bandwidth': 64 << 20, 'downtime-limit': 1})
        qemu.execute('migrate', uri=f'unix:{path}')

        def ram(name, default=0):
            return qemu.execute('query-migrate').get('ram', {}).get(
                name, default)
        fakes.wait_for(lambda: ram('remaining', 1 << 30) < 16 << 20, 30)
        # Less than a page in a downtime: it does not end by itself.
        qemu.execute('migrate-set-parameters', **{'max-bandwidth': 2 << 20})
        fakes.wait_for(lambda: ram('dirty-sync-count') >= 2, 30)
        pair.client.gate(500)
        qemu.execute('stop')
        frozen = pair.client.frozen(2000)
        domain_r.stop()
        qemu.execute('migrate-set-parameters', **{'max-bandwidth': 1 << 30})
        self.assertTrue(frozen.acknowledged)
        answer = other.client.carry_over(migration_id, frozen.carry_over)
        self.assertTrue(answer.accepted, answer.reason)
        fakes.wait_for(lambda: qemu.execute('query-migrate')['status'] ==
                       'completed', 30)
        # A source that is stopped arrives stopped or running, as it was
        # when the migration began.
        fakes.wait_for(lambda: new.execute('query-status')['status'] in (
            'running', 'paused'), 30)
        new.execute('cont')
        new_domain_r.arrive_from(domain_r)
        self.current = new_domain_r
        new_domain_r.resume()
        other.live()
        self.assertEqual((), pair.gaps())
        return (other, new, new_domain_r,
                frozen.frozen_at - frozen.stopped_at)

    def _check(self, output):
        broken = re.search(
            rb'\[ *\d+\.\d+\] .*|[^\r\n]*unaligned tcache[^\r\n]*', output)
        self.assertIsNone(
            broken, f'the guest was corrupted: {broken and broken[0]!a}')
        lines = output.replace(b'\r', b'').split(b'\n')[:-1]
        start = lines.index(b'BOOTED') + 1
        printed, answered = 0, 0
        for line in lines[start:]:
            match = re.fullmatch(rb'(?:L(\d+)|GOT K(\d+))', line)
            self.assertIsNotNone(match, line)
            if match[1]:
                printed += 1
                self.assertEqual(printed, int(match[1]))
            else:
                answered += 1
                self.assertEqual(answered, int(match[2]))
        self.assertEqual(self.typed, answered)
        self.assertGreater(printed, 1000)
