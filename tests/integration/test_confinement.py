# SPDX-License-Identifier: Apache-2.0
"""Hostile code as the worker of a pair: it has its pair, and finds nothing.

The worker is started as a fork, and its own code is exchanged for an attack
from the moment on at which it would read what others wrote.
"""

import errno
import fcntl
import mmap
import os
import secrets
import signal
import socket
import sys
import tempfile
import time

from oslotest import base

from nova_dmore.channel import region as region_module
from nova_dmore.hostd import children
from nova_dmore.link import messages
from nova_dmore.posix import confinement
from nova_dmore.posix import landlock
from nova_dmore.posix import seccomp
from nova_dmore import wire
from nova_dmore.worker import confinement as worker_confinement
from nova_dmore.worker import pair
from nova_dmore.worker import worker
from tests.integration import hostile_worker
from tests.unit.worker import fakes

#: Not root, nor nobody: as the host service's. It owns nothing here.
_USER = 65533


def gained_by(attack):
    """-> what an attack returns, or the name of its error."""
    try:
        return attack()
    except MemoryError:
        return 'ENOMEM'
    except OSError as e:
        return errno.errorcode[e.errno]


class _Attack:
    """In the place of :class:`pair.Pair`."""

    def __init__(self, attack):
        self._attack = attack

    def __call__(self, loop, link, start, descriptors):
        self._link = link
        _Attack.descriptors = descriptors
        return self

    def on_message(self, message, descriptors):
        pass

    def start(self):
        messages.send(self._link, {'gained': gained_by(self._attack)})


def _become(user):
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)


class ConfinementCase(base.BaseTestCase):
    """Runs attacks.

    :cvar is_service: the worker's parent is no root, so it keeps its user.
    """

    is_service = True

    def setUp(self):
        super().setUp()
        # Where that user can enter it.
        temporary = tempfile.TemporaryDirectory(prefix='dmore', dir='/tmp')
        self.addCleanup(temporary.cleanup)
        self.log = os.path.join(temporary.name, 'log')
        directory = os.path.join(temporary.name, 'pair')
        os.mkdir(directory)
        os.chmod(temporary.name, 0o777)
        os.chmod(directory, 0o777)
        configuration = os.path.join(directory, 'nova.conf')
        with open(configuration, 'w') as file:
            file.write('[DEFAULT]\n')
        os.chmod(configuration, 0o666)
        name = b'\0dmore' + secrets.token_bytes(8)
        monitor = os.path.join(directory, 'monitor')
        listeners = [self.listen(socket.AF_UNIX, monitor),
                     self.listen(socket.AF_UNIX, name),
                     self.listen(socket.AF_INET, ('127.0.0.1', 0))]
        os.chmod(monitor, 0o777)
        self.world = hostile_worker.World(
            directory, configuration, monitor, name,
            listeners[2].getsockname()[1], self.start_keeper())

    def listen(self, family, address):
        sock = socket.socket(family)
        self.addCleanup(sock.close)
        sock.bind(address)
        sock.listen()
        return sock

    def start_keeper(self):
        pid = os.fork()
        if not pid:
            try:
                _become(_USER)
                time.sleep(600)
            finally:
                os._exit(1)
        self.addCleanup(os.waitpid, pid, 0)
        self.addCleanup(os.kill, pid, signal.SIGKILL)
        return pid

    def prepare(self):
        """In the worker's process, before it is one."""

    def start(self, attack):
        """-> (process id, keeper's end of the link)."""
        ours, theirs = messages.pair()
        self.addCleanup(ours.close)
        ours.settimeout(60)
        self.greet(ours)
        pid = os.fork()
        if not pid:
            try:
                os.dup2(os.open(self.log, os.O_WRONLY | os.O_APPEND |
                                os.O_CREAT, 0o666), 2)
                sys.stderr = open(2, 'w', closefd=False)
                sys.excepthook = sys.__excepthook__
                if self.is_service:
                    _become(_USER)
                self.prepare()
                self.be(attack, theirs.fileno())
            finally:
                os._exit(99)
        theirs.close()
        return pid, ours

    def greet(self, link):
        messages.send(link, {'type': messages.ToWorker.START,
                             'version': messages.VERSION})

    def be(self, attack, link):
        """Be the process, with an attack in it."""
        pair.Pair = _Attack(attack)
        children.be('worker', link, lambda kept: worker.run(
            kept, 'of a test', False, self.world.directory))

    def gained(self, attack):
        """Run an attack -> what it has gained, or the name of a signal."""
        pid, link = self.start(attack)
        answer, _ = messages.receive(link)
        link.close()
        status = os.waitpid(pid, 0)[1]
        if answer is not None:
            return answer['gained']
        if os.WIFSIGNALED(status):
            return signal.Signals(os.WTERMSIG(status)).name
        if not os.WEXITSTATUS(status):
            return 'another program'
        with open(self.log) as log:
            self.fail(f'it has ended: {log.read()}')

    def check(self, attacks, outcome):
        for name, attack in attacks.items():
            self.assertEqual(
                (name, outcome),
                (name, self.gained(lambda: attack(self.world))))

    def check_all(self):
        for attacks in (hostile_worker.FILES, hostile_worker.SOCKETS,
                        hostile_worker.PROCESSES, hostile_worker.LOCK,
                        hostile_worker.KERNEL, hostile_worker.CODE):
            self.check(attacks, 'EPERM')
        for attacks in (hostile_worker.KILLED, hostile_worker.KERNEL_KILLED):
            self.check(attacks, 'SIGSYS')
        self.assertIn(self.gained(
            lambda: hostile_worker.start_thread(self.world)),
            ('EPERM', 'SIGSYS'))


class TestOfTheService(ConfinementCase):

    def test_attacks(self):
        self.check_all()

    def test_budgets(self):
        for name, (attack, outcome) in hostile_worker.BUDGETS.items():
            self.check({name: attack}, outcome)
        self.assertEqual(confinement.LOG_FILE_MAX, os.stat(self.log).st_size)

    def test_environment(self):
        os.environ['DMORE_SECRET'] = 'x'
        self.addCleanup(os.environ.pop, 'DMORE_SECRET')
        self.assertEqual(['TZ'], self.gained(lambda: list(os.environ)))

    def test_open_descriptors(self):
        def are_open():
            found = []
            for each in range(4096):
                try:
                    os.lseek(each, 0, os.SEEK_CUR)
                except OSError as e:
                    if e.errno == errno.EBADF:
                        continue
                found.append(each)
            return len(found)
        # Three standard ones, the link, its lock, and the loop's epoll.
        self.assertEqual(6, self.gained(are_open))

    def test_others_do_not_see_into_it(self):
        """Neither another worker nor a process that is not confined."""
        ready, told = os.pipe()
        self.addCleanup(os.close, ready)
        pid, link = self.start(lambda: time.sleep(600))
        os.close(told)
        self.addCleanup(os.waitpid, pid, 0)
        self.addCleanup(os.kill, pid, signal.SIGKILL)
        # It has left the test's descriptors behind.
        self.assertEqual(b'', os.read(ready, 1))

        def probe():
            with open(f'/proc/{pid}/mem', 'rb'):
                return 'its memory'
        fakes.wait_for(lambda: self.filters(pid) > 0, 30)
        watcher = TestWithoutWalls.prepare
        self.prepare = lambda: watcher(self)
        self.assertEqual('EACCES', self.gained(probe))

    @staticmethod
    def filters(pid):
        with open(f'/proc/{pid}/status') as status:
            return int(dict(line.split(':', 1) for line in status)[
                'Seccomp_filters'])

    def test_unexpected_exception(self):
        """It is logged with its traceback, though no source can be read."""
        def fail():
            raise KeyError('of an attack')
        pid, link = self.start(fail)
        self.assertEqual((None, []), messages.receive(link))
        self.assertEqual(1, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        with open(self.log) as log:
            text = log.read()
        self.assertIn('CRITICAL', text)
        self.assertIn(f'File "{worker.__file__}", line', text)
        self.assertIn("KeyError: 'of an attack'", text)
        self.assertEqual(1, text.count('Traceback'))

    def test_host_that_cannot(self):
        """The worker ends before it reads anything, and says so once."""
        def take_library():
            seccomp._LIBRARY = None
            worker_confinement._FILTER = seccomp.Filter(
                worker_confinement.ALLOWED)
        self.prepare = take_library
        pid, link = self.start(lambda: 'all')
        self.assertEqual((None, []), messages.receive(link))
        self.assertEqual(1, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        with open(self.log) as log:
            line, = log.read().splitlines()
        self.assertIn('ERROR', line)
        self.assertIn('libseccomp.so.2 is not installed', line)


class TestRegion(ConfinementCase):
    """What a worker does with its region is no attack."""

    def greet(self, link):
        self.region = os.memfd_create('region', os.MFD_ALLOW_SEALING)
        self.addCleanup(os.close, self.region)
        os.ftruncate(self.region, wire.LARGE_REGION_SIZE)
        fcntl.fcntl(self.region, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK |
                    fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
        messages.send(link, {'type': messages.ToWorker.START,
                             'version': messages.VERSION}, [self.region])

    def test_pixels_are_given_back(self):
        def use():
            region, = _Attack.descriptors
            size = os.lseek(region, 0, os.SEEK_END)
            area = region_module.Region(mmap.mmap(region, size))
            area.data[:] = b'1' * size
            area.forget(wire.FRAMEBUFFER_START)
            return [size, area.data[0], area.data[-1]]
        self.assertEqual([wire.LARGE_REGION_SIZE, ord('1'), 0],
                         self.gained(use))
        # And the page that was read.
        self.assertEqual(wire.FRAMEBUFFER_START + mmap.PAGESIZE,
                         os.fstat(self.region).st_blocks * 512)


class TestOfRoot(ConfinementCase):

    is_service = False

    def test_attacks(self):
        self.check_all()

    def test_is_nobody(self):
        # The only question about itself that is answered is its process id.
        pid, link = self.start(lambda: time.sleep(600))
        self.addCleanup(os.waitpid, pid, 0)
        self.addCleanup(os.kill, pid, signal.SIGKILL)
        fakes.wait_for(lambda: TestOfTheService.filters(pid) > 0, 30)
        with open(f'/proc/{pid}/status') as status:
            fields = dict(line.split(':', 1) for line in status)
        self.assertEqual(4 * ['65534'], fields['Uid'].split())
        self.assertEqual('', fields['Groups'].strip())
        self.assertEqual(0, int(fields['CapEff'], 16))
        self.assertEqual(1, int(fields['NoNewPrivs']))


class TestWithoutLandlock(ConfinementCase):
    """The filter stands alone on old kernels."""

    def prepare(self):
        landlock.give_up_everything = lambda has_peers: False

    def test_attacks(self):
        self.check_all()


class TestLandlockAlone(ConfinementCase):
    """The second wall, should the first one have a hole."""

    def prepare(self):
        seccomp.Filter.load = lambda calls: None
        confinement._make_sure = lambda: None

    def test_files_and_sockets(self):
        files = {**hostile_worker.FILES}
        # Landlock does not know these: nothing is read or changed by them,
        # but a mode.
        for name in ('ask for nova.conf', 'open a folder', 'change a mode',
                     'where am I'):
            del files[name]
        self.check(files, 'EACCES')
        self.check({name: hostile_worker.SOCKETS[name]
                    for name in ('connect to a port', 'listen')}, 'EACCES')
        self.check({
            'abstract':
                hostile_worker.SOCKETS['connect to an abstract socket'],
            'signal': hostile_worker.PROCESSES['signal the keeper'],
            'trace': hostile_worker.KILLED['trace the keeper']}, 'EPERM')


class TestWithoutWalls(ConfinementCase):
    """The attacks are none that fail by themselves."""

    def prepare(self):
        worker_confinement.confine = lambda: None

    def test_attacks(self):
        for attacks in (hostile_worker.FILES, hostile_worker.SOCKETS,
                        hostile_worker.PROCESSES, hostile_worker.LOCK,
                        hostile_worker.CODE):
            for name, attack in attacks.items():
                gained = self.gained(lambda: attack(self.world))
                self.assertNotIn((name, gained), [
                    (name, each) for each in errno.errorcode.values()])
        self.assertEqual('started', self.gained(
            lambda: hostile_worker.start_thread(self.world)))
        for name, attack in hostile_worker.KILLED.items():
            gained = self.gained(lambda: attack(self.world))
            self.assertNotEqual('SIGSYS', gained, name)
