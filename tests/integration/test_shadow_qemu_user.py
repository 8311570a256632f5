# SPDX-License-Identifier: Apache-2.0
"""What a QEMU that was taken over can do to a keeper, as QEMU's user.

All QEMUs of a host are that user, and nothing here confines them: what is
shown is what the permissions of the files and the keeper itself prevent.
"""

import os
import resource
import signal
import subprocess
import sys
import tempfile
import time

from nova_dmore import exception
from nova_dmore.hostd import service
from nova_dmore.keeper import life
from nova_dmore.posix import log
from nova_dmore.posix import privileges
from nova_dmore import wire
from tests.integration import live_pair
from tests.unit import hostd_process
from tests.unit.keeper import fake_qmp
from tests.unit.worker import fakes

#: Nobody's on any machine.
_USER, _GROUP, _SERVICE = 60002, 60000, 60001

#: Descriptors that a process of the host service may have.
_FILES_MAX = 256

#: Tries to change each directory and each file in it; says what it could.
_SPOIL = """
import os, sys
def attempt(what, function, *arguments):
    try:
        function(*arguments)
        print(what, *arguments)
    except OSError:
        pass
for folder in sys.argv[1:]:
    attempt('list', os.listdir, folder)
    attempt('make', os.mknod, folder + '/new')
    attempt('link', os.symlink, '/etc/passwd', folder + '/pair.json.new')
    attempt('mode', os.chmod, folder, 0o777)
    attempt('move', os.rename, folder, folder + '.old')
    for name in ('keeper.lock', 'control.sock', 'ivshmem.sock', 'qmp.sock',
                 'serial0.in', 'serial0.out', 'serial0.sock', 'pair.json'):
        path = folder + '/' + name
        attempt('remove', os.unlink, path)
        attempt('replace', os.rename, path, folder + '/other')
        attempt('cut', os.truncate, path, 0)
        attempt('mode', os.chmod, path, 0o666)
"""

#: Connects without end, reads nothing, closes its side.
_FLOOD = """
import resource, socket, sys, time
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
kept, end = [], time.monotonic() + 60
while len(kept) < 300 and time.monotonic() < end:
    for path in sys.argv[1:]:
        one = socket.socket(socket.AF_UNIX)
        one.setblocking(False)
        try:
            one.connect(path)
        except BlockingIOError:
            one.close()
            continue
        one.shutdown(socket.SHUT_WR)
        kept.append(one)
    time.sleep(0.002)
print(len(kept), flush=True)
sys.stdin.read()
"""

#: Says what comes at a socket up to the first descriptor, or its end.
_READ = """
import socket, sys
one = socket.socket(socket.AF_UNIX)
one.settimeout(3)
one.connect(sys.argv[1])
length, more, descriptors = 0, True, []
while more and not descriptors:
    more, descriptors, _, _ = socket.recv_fds(one, 1 << 16, 20)
    length += len(more)
print(length, len(descriptors))
"""


class QemuUserCase(live_pair.LivePair):

    arrives = False

    def setUp(self):
        super().setUp()
        self.assertEqual(0, os.geteuid(), 'to be another user needs root')
        self.where = self.pair.where

    def make_pair(self):
        return fakes.Pair(self, self.make_hostd(), self.arrives)

    def make_hostd(self):
        """A host service whose pairs a group of QEMU's user may reach."""
        self.hostd = hostd_process.of_test(self, qemu_group=_GROUP)
        for each in (os.path.dirname(self.hostd.run_dir),
                     self.hostd.run_dir):
            os.chmod(each, 0o711)
        self.hostd.start()
        return self.hostd

    def as_qemu(self, script, *arguments, **keywords):
        process = subprocess.Popen(
            [sys.executable, '-I', '-c', script, *arguments],
            user=_USER, group=_GROUP, extra_groups=[], cwd='/',
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.communicate)
        return process

    def said(self, *arguments):
        process = self.as_qemu(*arguments)
        output, _ = process.communicate(timeout=30)
        self.assertEqual(0, process.returncode)
        return output


class TestFiles(QemuUserCase):

    def test_it_can_change_nothing(self):
        for each in (self.where.own, self.where.instance,
                     self.where.domain_r):
            before = sorted(os.listdir(each))
            self.assertEqual('', self.said(_SPOIL, each))
            self.assertEqual(before, sorted(os.listdir(each)))
        self.go_live()

    def test_it_is_let_in_where_it_belongs(self):
        self.assertEqual('24 1\n', self.said(
            _READ, os.path.join(self.where.domain_r, 'ivshmem.sock')))
        for name in ('control.sock', 'ivshmem.sock', 'serial0.sock'):
            process = self.as_qemu(
                _READ, os.path.join(self.where.own, name))
            process.communicate(timeout=30)
            self.assertNotEqual(0, process.returncode, name)

    def test_another_qemu_gets_nothing_of_a_pair_that_lives(self):
        instance, domain_r = self.go_live()
        for path in (os.path.join(self.where.domain_r, 'ivshmem.sock'),
                     os.path.join(self.where.domain_r, 'qmp.sock'),
                     os.path.join(self.where.instance, 'qmp.sock')):
            for _ in range(3):
                self.assertEqual('0 0\n', self.said(_READ, path))
        instance.prints(b'still')
        fakes.wait_for(lambda: domain_r.output == b'still')
        told = [each for each in self.pair.logged().splitlines()
                if 'Refused' in each]
        self.assertEqual(3, len(told), told)


class _Unprivileged(hostd_process.Hostd):
    """A host service that is not root: what is under way of all its user's
    processes counts for each of them (ETOOMANYREFS, unix(7))."""

    def start(self):
        for folder, _, _ in os.walk(os.path.dirname(self.run_dir)):
            os.chown(folder, _SERVICE, _SERVICE)
        self.pid = os.fork()
        if not self.pid:
            try:
                os.dup2(os.open(self.log, os.O_WRONLY | os.O_APPEND |
                                os.O_CREAT, 0o644), 2)
                sys.stderr = open(2, 'w', closefd=False)
                resource.setrlimit(resource.RLIMIT_NOFILE, 2 * (_FILES_MAX,))
                os.setgroups([_GROUP])
                os.setresgid(_SERVICE, _SERVICE, _SERVICE)
                os.setresuid(_SERVICE, _SERVICE, _SERVICE)
                log.set_up('hostd', True)
                privileges.restrict()
                service.Service(service.Options(
                    self.run_dir, None, frozenset({0, _SERVICE}),
                    frozenset({0}), life.Options(
                        self.run_dir, _GROUP, True))).run()
            finally:
                os._exit(1)
        fakes.wait_for(self._answers, 60)

    def _answers(self):
        try:
            return self.service.instances() == []
        except exception.HostServiceError:
            return False

    def end(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


class TestFlood(QemuUserCase):

    def make_hostd(self):
        folder = tempfile.TemporaryDirectory(prefix='dmore', dir='/tmp')
        self.addCleanup(folder.cleanup)
        os.chmod(folder.name, 0o711)
        self.hostd = _Unprivileged(folder.name)
        os.chmod(self.hostd.run_dir, 0o711)
        self.hostd.start()
        self.addCleanup(self.hostd.end)
        return self.hostd

    def test_connections_that_read_nothing_keep_no_other_pair_out(self):
        flood = self.as_qemu(_FLOOD, *(
            os.path.join(folder, name) for folder, name in (
                (self.where.domain_r, 'ivshmem.sock'),
                (self.where.domain_r, 'qmp.sock'),
                (self.where.instance, 'qmp.sock'))))
        self.assertEqual('300\n', flood.stdout.readline())
        self.assertLess(len(os.listdir(f'/proc/{self.pair.pid}/fd')), 100)
        began = time.monotonic()
        other = fakes.Pair(self, self.hostd)
        instance, domain_r = other.instance(), other.domain_r()
        other.live()
        instance.prints(b'login: ')
        fakes.wait_for(lambda: domain_r.output == b'login: ')
        self.assertLess(time.monotonic() - began, 10)
        self.assertEqual(1, self.client.status().worker_starts)


class TestArrival(QemuUserCase):
    """What comes from a host of release 0.2 may write, until it is here."""

    arrives = True

    def test_what_it_finds_stays(self):
        names = sorted(os.listdir(self.where.own))
        done = self.said(_SPOIL, self.where.own)
        for what in ('remove', 'replace', 'mode', 'move'):
            self.assertNotIn(f'{what} ', done)
        self.assertLessEqual(set(names), set(os.listdir(self.where.own)))
        self.assertEqual('', self.said(_SPOIL, self.where.instance))
        self.pair.instance()
        fakes.wait_for(lambda: self.client.status().instance.connected)
        self.assertEqual('', self.said(_SPOIL, self.where.own))

    def test_a_link_to_the_monitor_of_another(self):
        """It is no QEMU of this pair, and is told nothing."""
        monitor = fake_qmp.ListeningFakeQmp(
            os.path.join(self.pair.folder, 'monitor'), 'running')
        self.addCleanup(monitor.close)
        for each in (os.path.join(self.pair.folder, 'monitor'),
                     self.pair.folder):
            os.chmod(each, 0o777)
        for name in (wire.INSTANCE_QMP_SOCKET, wire.DOMAIN_R_QMP_SOCKET):
            self.assertEqual('', self.said(
                'import os, sys; os.symlink(*sys.argv[1:])',
                os.path.join(self.pair.folder, 'monitor'),
                os.path.join(self.where.own, name)))
        time.sleep(0.5)     # the keeper tries each 50 ms
        self.assertEqual(0, monitor.connections)
        self.assertEqual([], monitor.commands)

    def test_a_link_in_the_place_of_the_lock(self):
        victim = os.path.join(os.path.dirname(self.where.own), 'victim')
        with open(victim, 'w') as file:
            file.write('precious')
        self.client.shutdown()
        fakes.wait_for(lambda: not os.path.exists(f'/proc/{self.pair.pid}'))
        lock = os.path.join(self.where.own, 'keeper.lock')
        os.unlink(lock)
        # Nobody else can write where no keeper is.
        process = self.as_qemu('import os, sys; os.symlink(*sys.argv[1:])',
                               victim, lock)
        process.communicate(timeout=30)
        self.assertNotEqual(0, process.returncode)
        os.symlink(victim, lock)
        self.assertRaises(exception.HostServiceError, self.pair.start)
        with open(victim) as file:
            self.assertEqual('precious', file.read())
        os.unlink(lock)
        self.pair.start()
        self.client.status()
