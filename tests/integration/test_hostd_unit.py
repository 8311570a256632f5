# SPDX-License-Identifier: Apache-2.0
"""The host service under systemd, by the files of ``etc/``, as its own user.

They are installed as doc/source/admin/hostd.rst has it, in a machine that is
booted for this.
"""

import ctypes
import os
import pathlib
import signal
import subprocess
import sys
import time
import unittest
import uuid

from oslotest import base

from tests.integration import machine

_REPOSITORY = pathlib.Path(__file__).parents[2]
_UNIT = 'nova-dmore-hostd'
_RUN = '/run/nova-dmore'
_STATE = '/var/lib/nova-dmore-hostd'
#: As which QEMU would run; the service's user is a member of its group.
_QEMU = 'dmore-test-qemu'

#: Where the machine has the interpreter of the tests, and this checkout: the
#: unit hides the homes, in which they may lie here.
_PYTHON, _SOURCE = '/opt/dmore/python', '/opt/dmore/source'
_INTERPRETER = f'{_PYTHON}/bin/{os.path.basename(sys.executable)}'

#: What the unit starts; like that of pip, but for the path.
_PROGRAM = f"""#!{_INTERPRETER}
import sys
sys.path.insert(0, {_SOURCE!r})
from nova_dmore.cmd import hostd
sys.exit(hostd.main())
"""

#: What a host has before, by the packages of Nova and libvirt, and what an
#: operator adds.
_USERS = f"""u nova - "OpenStack Compute"
u {_QEMU} -
m nova-dmore {_QEMU}
"""

#: What nova-compute does.
_CLIENT = """
import sys
from nova_dmore.client import host_service
from nova_dmore.client import shadow_client
what, instance = sys.argv[1:]
service = host_service.HostService('/run/nova-dmore')
if what == 'list':
    print(*service.instances())
    sys.exit()
if what == 'start':
    service.start(instance)
client = shadow_client.ShadowClient(service, instance)
if what == 'end':
    client.shutdown()
    service.remove(instance)
else:
    status = client.status(20)
    print(status.pid, status.worker_pid)
"""

#: What the two QEMUs of a pair do, as their user.
_QEMUS = """
import sys
from nova_dmore import places
from tests.unit.worker import fake_domain_r
from tests.unit.worker import fakes
where = places.of_pair('/run/nova-dmore/' + sys.argv[1])
instance = fakes.FakeInstance(where)
domain_r = fake_domain_r.FakeDomainR(where)
instance.prints(b'output')
fakes.wait_for(lambda: domain_r.output == b'output', 20)
domain_r.types(b'keys')
assert instance.reads(4, 20) == b'keys'
domain_r.close()
instance.close()
"""

#: Says in which mounted file systems a file can be made, and in which
#: directories that all may write.
_WRITABLE = """
for each in $(cut -d ' ' -f 5 /proc/self/mountinfo) /run/open /srv/open; do
    [ ! -d $each ] || { >$each/it; } 2>/dev/null && [ -e $each/it ] &&
        rm $each/it && echo $each
done
"""


def setUpModule():
    UnitCase.machine = machine.Machine({
        _SOURCE: _REPOSITORY, _PYTHON: sys.prefix})
    UnitCase.machine.start()
    unittest.addModuleCleanup(UnitCase.machine.end)
    UnitCase.install()


class UnitCase(base.BaseTestCase):

    machine: machine.Machine

    @classmethod
    def install(cls):
        etc = _REPOSITORY / 'etc'
        cls.machine.write('/etc/sysusers.d/of-the-host.conf', _USERS)
        for folder in ('sysusers.d', 'tmpfiles.d'):
            cls.machine.install(etc / folder / 'nova-dmore.conf',
                                f'/etc/{folder}/nova-dmore.conf')
        cls.machine.says('systemd-sysusers')
        cls.machine.says('systemd-tmpfiles', '--create', 'nova-dmore.conf')
        cls.configure()
        cls.install_program()
        # That of this machine, if there is one, is seen there, too.
        cls.machine.says('rm', '-rf', _STATE)
        # It is to be seen that the service has none of these.
        cls.machine.says('ip', 'link', 'add', 'dmore0', 'type', 'veth')
        cls.machine.says('mkdir', '-m', '777', '/srv/open', '/run/open')
        cls.machine.install(etc / f'systemd/{_UNIT}.service',
                            f'/etc/systemd/system/{_UNIT}.service')
        cls.machine.says('systemctl', 'daemon-reload')
        cls.machine.says('systemctl', 'enable', '--now', _UNIT)

    @classmethod
    def install_program(cls, program=_PROGRAM):
        cls.machine.write('/usr/bin/nova-dmore-hostd', program, '755')

    @classmethod
    def configure(cls, *lines):
        sample = _REPOSITORY / 'etc/nova-dmore/hostd.conf.sample'
        cls.machine.write('/etc/nova-dmore/hostd.conf', '\n'.join([
            sample.read_text(), '[hostd]', *lines, '']))

    def setUp(self):
        super().setUp()
        # Where a test before has failed.
        self.systemctl('reset-failed')
        self.systemctl('start')
        self.instance = str(uuid.uuid4())

    def systemctl(self, verb):
        self.machine.says('systemctl', verb, _UNIT)

    def property(self, name):
        return self.machine.says('systemctl', 'show', '-P', name, _UNIT)

    def main_pid(self):
        return int(self.property('MainPID'))

    def python(self, code, *arguments, **user):
        return self.machine.says(
            'env', f'PYTHONPATH={_SOURCE}', _INTERPRETER, '-c', code,
            *arguments, **user)

    def ask(self, what, user='nova', group=None):
        """-> what the client says; raises AssertionError: why it fails."""
        return self.python(_CLIENT, what, self.instance,
                           user=user, group=group)

    def processes(self, what='status'):
        """-> the process ids of keeper and worker."""
        keeper, worker = map(int, self.ask(what).split())
        return keeper, worker

    def start_pair(self):
        found = self.processes('start')
        self.addCleanup(self.ask, 'end')
        return found

    def log(self):
        return self.machine.says(
            'journalctl', '-o', 'cat', '-u', _UNIT).splitlines()

    def of_process(self, pid):
        """-> what the kernel says of a process, by name."""
        return dict(line.split(':\t', 1) for line in self.machine.says(
            'cat', f'/proc/{pid}/status').splitlines() if ':\t' in line)

    def wait_for(self, what):
        deadline = time.monotonic() + 60
        while not what():
            self.assertLess(time.monotonic(), deadline, 'waited in vain')
            time.sleep(0.1)


class TestLife(UnitCase):
    """What ends with the service, and what does not."""

    def setUp(self):
        super().setUp()
        self.pair = self.start_pair()
        self.before = self.main_pid()

    def is_back(self):
        return (self.property('ActiveState') == 'active' and
                self.main_pid() not in (0, self.before))

    def assert_worker_is_replaced(self):
        keeper, worker = self.pair
        self.wait_for(lambda: self.processes()[1] != worker)
        self.assertEqual(keeper, self.processes()[0])

    def test_reload(self):
        self.systemctl('reload')
        self.assert_worker_is_replaced()
        self.assertEqual('active', self.property('ActiveState'))
        self.assertEqual(self.before, self.main_pid())

    def test_restart(self):
        self.systemctl('restart')
        self.assertTrue(self.is_back())
        self.assertEqual(self.pair, self.processes())

    def test_killed(self):
        self.machine.says('kill', '-9', str(self.before))
        self.wait_for(self.is_back)
        self.assertEqual(self.pair, self.processes())

    def test_stop(self):
        self.systemctl('stop')
        self.assertEqual(0, self.main_pid())
        for pid in self.pair:
            self.assertIn(self.of_process(pid)['State'][0], 'SR')
        self.systemctl('start')
        self.assertEqual(self.pair, self.processes())

    def test_worker_of_a_keeper_from_before(self):
        self.systemctl('restart')
        self.machine.says('kill', '-9', str(self.pair[1]))
        self.assert_worker_is_replaced()

    def test_hung_worker_whose_keeper_from_before_ends(self):
        keeper, worker = self.pair
        for verb in ('restart', 'stop', 'start'):
            self.systemctl(verb)
        self.machine.says('kill', '-STOP', str(worker))
        self.machine.says('kill', '-9', str(keeper))
        self.wait_for(lambda: self.machine.run(
            'test', '-e', f'/proc/{worker}').returncode)

    def test_program_that_cannot_start(self):
        """It is tried until it can, however long that takes."""
        self.addCleanup(self.install_program)
        self.install_program('#!/bin/sh\nexit 1\n')
        before = int(self.property('NRestarts'))
        # It fails if systemd hears of the reload before the service is gone.
        self.machine.run('systemctl', 'reload', _UNIT)
        # More often than systemd does it unasked.
        self.wait_for(lambda: int(self.property('NRestarts')) > before + 6)
        self.install_program()
        self.wait_for(self.is_back)
        self.assertEqual(self.pair, self.processes())


class TestUsers(UnitCase):
    """Who may do what."""

    def modes(self, *paths):
        return self.machine.says(
            'stat', '-c', '%A %U %G', *paths).splitlines()

    def test_folders(self):
        self.assertEqual(
            ['drwx--x--x nova-dmore nova-dmore', 'drwx------ nova nova',
             'srw-rw---- nova-dmore nova-dmore'],
            self.modes(_RUN, '/run/nova-dmore-records', f'{_RUN}/hostd.sock'))

    def test_others_are_refused(self):
        for group, why in (('nogroup', 'Permission denied'),
                           ('nova-dmore', 'does not answer')):
            error = self.assertRaises(
                AssertionError, self.ask, 'list', 'nobody', group)
            self.assertIn(why, str(error))
        self.assertIn('is refused', '\n'.join(self.log()))
        self.assertEqual('', self.ask('list'))

    def test_qemu(self):
        """Its user reaches its pair by a group, and nothing else of it."""
        self.addCleanup(self.systemctl, 'restart')
        self.addCleanup(self.configure)
        self.configure(f'qemu_group = {_QEMU}')
        self.systemctl('restart')
        self.start_pair()
        folders = self.machine.says(
            'find', _RUN, '-mindepth', '1', '-name', 'libvirt-*').split()
        self.assertEqual([f'drwx--x--- nova-dmore {_QEMU}'] * 2,
                         self.modes(*folders))
        files = self.machine.says('find', *folders, '-mindepth', '1').split()
        self.assertEqual(
            ['ivshmem-large.sock', 'ivshmem.sock', 'qmp.sock', 'qmp.sock',
             'serial0.in', 'serial0.out'],
            sorted(map(os.path.basename, files)))
        self.assertEqual({f'rw-rw---- nova-dmore {_QEMU}'},
                         {each[1:] for each in self.modes(*files)})
        self.assertEqual([f'drwx------ nova-dmore {_QEMU}'],
                         self.modes(f'{_RUN}/{self.instance}'))
        self.python(_QEMUS, self.instance, user=_QEMU)
        self.assertEqual([], [line for line in self.log()
                              if 'not permitted' in line])


class TestWalls(UnitCase):
    """What is taken from the processes."""

    def setUp(self):
        super().setUp()
        self.keeper, self.worker = self.start_pair()

    def as_keeper(self, *command):
        """Run a program where the keeper is, as its user."""
        return self.machine.run(
            'nsenter', '-t', str(self.keeper), '-m', 'setpriv',
            '--reuid=nova-dmore', '--regid=nova-dmore', '--init-groups',
            *command).stdout

    def test_privileges(self):
        user = self.machine.says('id', '-u', 'nova-dmore')
        for pid in (self.main_pid(), self.keeper, self.worker):
            found = self.of_process(pid)
            for name in ('CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'):
                self.assertEqual(0, int(found[name], 16), name)
            self.assertEqual('1', found['NoNewPrivs'])
            self.assertEqual([user] * 4, found['Uid'].split())

    def test_they_confine_themselves(self):
        """The filter of the unit lets them."""
        service, *others = map(
            self.of_process, (self.main_pid(), self.keeper, self.worker))
        for each in others:
            self.assertEqual('2', each['Seccomp'])
            self.assertEqual(int(service['Seccomp_filters']) + 1,
                             int(each['Seccomp_filters']))
        log = [line for line in self.log() if self.instance in line]
        # landlock_create_ruleset(2), asked for its version.
        has_landlock = ctypes.CDLL(None).syscall(444, None, 0, 1) > 0
        self.assertEqual(not has_landlock,
                         any('no Landlock' in line for line in log))
        self.assertEqual([], [each for each in log if ' INFO ' not in each])

    def test_network(self):
        self.assertIn('dmore0', self.machine.says('ls', '/sys/class/net'))
        for pid in (self.main_pid(), self.keeper, self.worker):
            listed = self.machine.says('cat', f'/proc/{pid}/net/dev')
            self.assertEqual(['lo'], [line.split(':')[0].strip()
                                      for line in listed.splitlines()[2:]])

    def test_files(self):
        """It can write its two directories, and own ones for temporary files.
        """
        found = self.as_keeper('sh', '-c', _WRITABLE)
        self.assertEqual({_RUN, _STATE, '/tmp', '/var/tmp'},
                         set(found.split()))
        for path in ('/tmp/it', '/var/tmp/it'):
            self.assertEqual('', self.as_keeper('touch', path))
            self.assertNotEqual(0, self.machine.run('ls', path).returncode)


class TestMachine(base.BaseTestCase):

    def test_nothing_of_it_stays(self):
        """Also when the test is killed."""
        test = subprocess.Popen(
            [sys.executable, '-c', 'import time\n'
             'from tests.integration import machine\n'
             'one = machine.Machine({})\n'
             'one.start()\n'
             'print(one.leader, *one.cgroups(), flush=True)\n'
             'time.sleep(600)'], cwd=_REPOSITORY, stdout=subprocess.PIPE,
            text=True)
        self.addCleanup(test.stdout.close)
        leader, *cgroups = test.stdout.readline().split()
        there = [f'/proc/{leader}', *cgroups]
        self.assertTrue(all(map(os.path.exists, there)), there)
        test.send_signal(signal.SIGKILL)
        test.wait()
        deadline = time.monotonic() + 20
        while any(map(os.path.exists, there)):
            self.assertLess(time.monotonic(), deadline, there)
            time.sleep(0.05)
