# SPDX-License-Identifier: Apache-2.0
"""Hostile code as the keeper of a pair: it opens nothing, and starts nothing.

As :mod:`tests.integration.test_confinement`, for a process that connects to
sockets which have a file, and ends its worker.
"""

import os
import signal
import socket

from nova_dmore.hostd import children
from nova_dmore.keeper import confinement as keeper_confinement
from nova_dmore.keeper import keeper
from nova_dmore.keeper import life
from nova_dmore.link import hostd_protocol
from nova_dmore.link import messages
from nova_dmore.posix import confinement
from nova_dmore.posix import landlock
from nova_dmore.posix import seccomp
from tests.integration import hostile_worker
from tests.integration import test_confinement

_INSTANCE = '0c2e8ee4-1ab5-4ee5-ae47-5a2e07b5e2b4'
_SO_PASSPIDFD, _SO_PEERPIDFD = 76, 77


class _Attack:
    """In the place of :class:`keeper.Keeper`."""

    def __init__(self, attack, link):
        self._attack = attack
        self._link = link

    def __call__(self, loop, run_dir, instance, resources):
        # The run goes on with a keeper's answer to whoever wanted it.
        self._told = socket.socket(fileno=os.dup(self._link))
        return self

    def run(self):
        messages.send(self._told, {
            'gained': test_confinement.gained_by(self._attack)})


def _named(path):
    return os.open(path, os.O_PATH | os.O_NOFOLLOW)


def _reopen(world):
    with open(f'/proc/self/fd/{_named(world.configuration)}', 'rb') as file:
        return len(file.read())


def _connected(world, read):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(world.monitor)
        return str(read(sock))


#: That a worker has no use for.
_NAMED = {
    'read what was named': _reopen,
    'list what was named': lambda world: len(
        os.listdir(_named(world.directory))),
    'read under what was named': lambda world: os.open(
        'nova.conf', os.O_RDONLY, dir_fd=_named(world.directory)),
    'change the mode of its log': lambda world: str(os.fchmod(2, 0o777)),
    'have a pidfd of a peer': lambda world: _connected(
        world, lambda sock: sock.getsockopt(
            socket.SOL_SOCKET, _SO_PEERPIDFD)),
    'have pidfds of who sends': lambda world: _connected(
        world, lambda sock: sock.setsockopt(
            socket.SOL_SOCKET, _SO_PASSPIDFD, 1)),
    'make datagram sockets': lambda world: len(
        socket.socketpair(type=socket.SOCK_DGRAM)),
}


def _signal_named(world):
    """Signal a process, by what older kernels took for a pidfd."""
    return str(signal.pidfd_send_signal(
        _named(f'/proc/{world.keeper}'), signal.SIGKILL))


class KeeperCase(test_confinement.ConfinementCase):

    def greet(self, link):
        pass        # a keeper is told nothing

    def be(self, attack, link):
        keeper.Keeper = _Attack(attack, link)
        run_dir = os.path.join(os.path.dirname(self.world.directory), 'run')
        options = life.Options(run_dir)
        children.be('keeper', link, lambda kept: life.run(
            _INSTANCE, False, False, options, kept))

    def start(self, attack):
        pid, link = super().start(attack)
        self.answer, _ = hostd_protocol.receive(link)
        return pid, link

    def check_all(self):
        sockets = {**hostile_worker.SOCKETS}
        listen = sockets.pop('listen')
        # What is left to it: SECURITY says so.
        self.assertEqual('None', self.gained(
            lambda: sockets.pop("connect to a monitor or to libvirt")(
                self.world)))
        del sockets["connect to a monitor or to libvirt"]
        del sockets['make a pair of sockets']
        del sockets['connect to an abstract socket']
        for attacks in (hostile_worker.FILES, sockets,
                        hostile_worker.PROCESSES, hostile_worker.KERNEL,
                        hostile_worker.CODE, _NAMED):
            self.check(attacks, 'EPERM')
        for attacks in (hostile_worker.KILLED, hostile_worker.KERNEL_KILLED,
                        {'listen': listen}):
            self.check(attacks, 'SIGSYS')
        self.check({'signal what was named': _signal_named}, 'EBADF')
        self.assertIn(self.gained(
            lambda: hostile_worker.start_thread(self.world)),
            ('EPERM', 'SIGSYS'))


class TestOfTheService(KeeperCase):

    def test_attacks(self):
        self.check_all()

    def test_abstract_sockets(self):
        name = 'connect to an abstract socket'
        self.check({name: hostile_worker.SOCKETS[name]}, 'EPERM')

    def test_budgets(self):
        for name in ('memory', 'memory of Python', 'the log'):
            attack, outcome = hostile_worker.BUDGETS[name]
            self.check({name: attack}, outcome)

    def test_environment(self):
        self.assertEqual(['TZ'], self.gained(lambda: list(os.environ)))

    def test_host_that_cannot(self):
        """Whoever wanted it is told why, and its log has one line."""
        def take_library():
            seccomp._LIBRARY = None
            keeper_confinement._FILTER = seccomp.Filter(
                keeper_confinement.ALLOWED)
        self.prepare = take_library
        pid, _ = self.start(lambda: 'all')
        self.assertEqual(1, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        self.assertEqual('failed', self.answer['failure'])
        self.assertIn('libseccomp.so.2 is not installed',
                      self.answer['error'])
        with open(self.log) as log:
            text = log.read()
        self.assertEqual(1, text.count('ERROR'), text)
        self.assertIn('The keeper cannot be confined, and ends', text)
        self.assertNotIn('Traceback', text)


class TestOfRoot(KeeperCase):

    is_service = False

    def test_attacks(self):
        self.check_all()


class TestWithoutLandlock(KeeperCase):
    """The filter stands alone on old kernels."""

    def prepare(self):
        landlock.give_up_everything = lambda has_peers: False

    def test_attacks(self):
        self.check_all()


class TestLandlockAlone(KeeperCase):
    """The second wall, should the first one have a hole."""

    def prepare(self):
        seccomp.Filter.load = lambda calls: None
        confinement._make_sure = lambda: None

    def test_files(self):
        for name in ('read nova.conf', 'write nova.conf', 'make a file',
                     'make a FIFO', 'remove nova.conf',
                     "list a pair's folder"):
            self.check({name: hostile_worker.FILES[name]}, 'EACCES')
        for name in ('read what was named', 'read under what was named'):
            self.check({name: _NAMED[name]}, 'EACCES')


class TestWithoutWalls(KeeperCase):
    """The attacks are none that fail by themselves."""

    is_service = False      # who owns the log

    def prepare(self):
        keeper_confinement.confine = lambda: None

    def test_attacks(self):
        for name, attack in _NAMED.items():
            gained = self.gained(lambda: attack(self.world))
            # It cannot be listed, however it is confined; nor does every
            # kernel know pidfds of peers.
            if name != 'list what was named' and 'pidfd' not in name:
                self.assertNotIn(gained, ('EPERM', 'EACCES', 'EBADF'), name)
