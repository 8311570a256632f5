# SPDX-License-Identifier: Apache-2.0
"""``nova-dmore-hostd``: starts the processes of all pairs of a host.

It answers nova-compute and the keepers (:mod:`nova_dmore.hostd.protocol`), and
reads nothing that comes from a guest, a QEMU, a Domain R or the network. Each
request is answered at once, by one thread: the loop has no tasks, and a child
that is forked from it finds nothing under way.

=========  ==============================================================
SIGTERM    ends; the processes of the pairs go on
SIGHUP     begins anew with the code that is installed now, as the same
           process, and has every keeper take a new worker
SIGCHLD    a keeper or a worker has ended
=========  ==============================================================
"""

import dataclasses
import logging
import os
import selectors
import signal
import socket
import struct
import sys
import time

from nova_dmore.channel import text
from nova_dmore.hostd import children
from nova_dmore.hostd import folders
from nova_dmore.keeper import keeper
from nova_dmore.link import hostd_protocol
from nova_dmore.posix import unix_connect
from nova_dmore import wire

LOG = logging.getLogger(__name__)

#: Connections that wait for their request, and for how long, in seconds: who
#: connects sends at once.
_CONNECTIONS_MAX = 64
_PATIENCE_S = 2.0
_CREDENTIALS = struct.Struct('iII')     # struct ucred: pid, uid, gid

#: Tells a service that has begun anew to have the workers replaced.
RELOADED = 'NOVA_DMORE_RELOADED'


@dataclasses.dataclass(frozen=True)
class Options:
    """What the options say."""

    run_dir: str
    #: User ids: who may connect, and who of them is nova-compute.
    clients: frozenset
    compute: frozenset
    keeper: keeper.Options


class _Refused(Exception):
    """A request is not granted."""

    def __init__(self, failure, message):
        super().__init__(message)
        self.failure = failure


class Loop:
    """Calls back when a descriptor can be read."""

    def __init__(self):
        self._selector = selectors.DefaultSelector()

    def add(self, descriptor, callback):
        """Have ``callback()`` called when the descriptor can be read."""
        self._selector.register(descriptor, selectors.EVENT_READ, callback)

    def remove(self, descriptor):
        """Look at a descriptor no more."""
        self._selector.unregister(descriptor)

    def turn(self, timeout):
        """Wait at most so many seconds, and call back once."""
        for key, _ in self._selector.select(timeout):
            # An earlier call back may have removed it.
            if key.fd in self._selector.get_map():
                key.data()


class Service:
    """The service, running.

    :param options: :class:`Options`.
    """

    def __init__(self, options):
        self._options = options
        self._loop = Loop()
        self._folders = folders.Folders(options.run_dir)
        self._children = children.Children(self._loop, options.keeper)
        self._connections = {}      # socket -> when it is closed at the latest
        self._listener = _listen(options)
        self._loop.add(self._listener.fileno(), self._accept)
        self._signals = set()
        wakeup, self._wakeup = socket.socketpair()
        for each in (wakeup, self._wakeup):
            each.setblocking(False)
        self._signalled = wakeup
        self._loop.add(wakeup.fileno(), self._on_signal)

    def run(self):
        """Serve until SIGTERM."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP,
                       signal.SIGCHLD):
            signal.signal(number, lambda number, _: self._signals.add(number))
        signal.set_wakeup_fd(self._wakeup.fileno(),
                             warn_on_full_buffer=False)
        _tell_systemd('READY=1')
        self._children.reap()       # what ended while it began anew
        found = self._folders.instances()
        LOG.info('Serving %s; %d pairs live',
                 hostd_protocol.path_of(self._options.run_dir), len(found))
        if os.environ.pop(RELOADED, None):
            self._replace_workers(found)
        while not self._signals & {signal.SIGTERM, signal.SIGINT}:
            self._loop.turn(self._next_timeout())
            self._close_late()
        LOG.info('Ending; the processes of the pairs go on')

    # -- signals

    def _on_signal(self):
        self._signalled.recv(4096)
        if signal.SIGCHLD in self._signals:
            self._signals.discard(signal.SIGCHLD)
            self._children.reap()
        if signal.SIGHUP in self._signals:
            self._begin_anew()

    def _begin_anew(self):
        """Run the program that is installed now. All descriptors close; who
        connects meanwhile tries again."""
        LOG.info('Beginning anew')
        _tell_systemd('RELOADING=1')
        os.environ[RELOADED] = '1'
        # Some say where the program is started from, and how.
        os.execv(sys.executable, sys.orig_argv)

    def _replace_workers(self, instances):
        for instance in instances:
            pid = self._folders.keeper(instance)
            if pid:
                _signal_keeper(self._folders, instance, pid, signal.SIGHUP)

    # -- connections

    def _accept(self):
        try:
            sock, _ = self._listener.accept()
        except OSError as e:
            LOG.warning('Not accepted: %s', text.printable(e))
            time.sleep(0.01)    # out of descriptors, say: not at that rate
            return
        sock.setblocking(False)
        pid, uid, _ = _CREDENTIALS.unpack(sock.getsockopt(
            socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
        if uid not in self._options.clients or (
                len(self._connections) >= _CONNECTIONS_MAX):
            LOG.warning('Process %d of user %d is refused', pid, uid)
            sock.close()
            return
        self._connections[sock] = time.monotonic() + _PATIENCE_S
        self._loop.add(sock.fileno(),
                       lambda: self._request(sock, pid, uid))

    def _next_timeout(self):
        if not self._connections:
            return None
        return max(0, min(self._connections.values()) - time.monotonic())

    def _close_late(self):
        now = time.monotonic()
        for sock, due in list(self._connections.items()):
            if due <= now:
                self._close(sock)

    def _close(self, sock):
        del self._connections[sock]
        self._loop.remove(sock.fileno())
        sock.close()

    def _request(self, sock, pid, uid):
        descriptors = []
        try:
            message, descriptors = hostd_protocol.receive(sock)
            if message is not None:
                self._answer(sock, message, descriptors, pid, uid)
        except BlockingIOError:
            return
        except _Refused as e:
            _send(sock, {'error': str(e), 'failure': e.failure})
        except ValueError as e:
            _send(sock, {'error': f'bad request: {e}',
                         'failure': hostd_protocol.Failure.REFUSED})
        except OSError as e:
            LOG.warning('A request failed: %s', text.printable(e))
            _send(sock, {'error': str(e),
                         'failure': hostd_protocol.Failure.FAILED})
        finally:
            for each in descriptors:
                os.close(each)
        self._close(sock)

    # -- requests

    def _answer(self, sock, message, descriptors, pid, uid):
        kind = hostd_protocol.Request(message.get('type'))
        instance = message.get('instance')
        if kind is not hostd_protocol.Request.LIST and not (
                folders.is_uuid(instance)):
            raise ValueError('instance is no uuid')
        if kind is hostd_protocol.Request.WORKER:
            self._start_worker(sock, instance, descriptors, pid)
            return
        if uid not in self._options.compute:
            raise _Refused(hostd_protocol.Failure.REFUSED,
                           f'{kind} is not for this user')
        if kind is hostd_protocol.Request.LIST:
            found = self._folders.instances()
            _send(sock, {'instances': found, 'earlier': list(
                filter(self._folders.is_earlier, found))})
        elif kind is hostd_protocol.Request.START:
            self._start(sock, instance, message.get('arrives') is True)
        elif kind is hostd_protocol.Request.OPEN:
            self._open(sock, instance)
        elif kind is hostd_protocol.Request.END:
            self._end(sock, instance)
        elif kind is hostd_protocol.Request.REMOVE:
            self._remove(sock, instance)

    def _start(self, sock, instance, arrives):
        pid = self._folders.keeper(instance)
        if pid is not None:
            _send(sock, {'pid': pid})
        else:
            self._children.start_keeper(instance, arrives, sock.fileno())

    def _start_worker(self, sock, instance, descriptors, pid):
        if self._folders.keeper(instance) != pid or len(descriptors) != 1:
            raise _Refused(hostd_protocol.Failure.REFUSED,
                           'a worker is started for its keeper alone')
        started, pidfd = self._children.start_worker(
            pid, instance, descriptors[0])
        _send(sock, {'pid': started}, [pidfd])

    def _open(self, sock, instance):
        path = os.path.join(self._folders.of_pair(instance),
                            wire.CONTROL_SOCKET)
        try:
            with unix_connect.connect(path) as opened:
                _send(sock, {}, [opened.fileno()])
        except (FileNotFoundError, ConnectionRefusedError) as e:
            if self._folders.keeper(instance) is not None:
                raise _Refused(hostd_protocol.Failure.LIVES,
                               'its process begins or ends') from e
            raise _Refused(hostd_protocol.Failure.GONE,
                           'it has no process here') from e

    def _end(self, sock, instance):
        pid = self._folders.keeper(instance)
        if pid is None:
            raise _Refused(hostd_protocol.Failure.GONE,
                           'it has no process here')
        _signal_keeper(self._folders, instance, pid, signal.SIGTERM)
        _send(sock, {})

    def _remove(self, sock, instance):
        if self._folders.keeper(instance) is not None:
            raise _Refused(hostd_protocol.Failure.LIVES, 'its process lives')
        self._folders.remove(instance)
        _send(sock, {})


def _signal_keeper(known, instance, pid, number):
    """Send a signal to a keeper, and to nobody else."""
    try:
        descriptor = os.pidfd_open(pid)
    except (OSError, ValueError) as e:
        LOG.warning('The keeper of %s: %s', instance,
                    text.printable(e))
        return
    try:
        # Whoever has the number now, and holds the lock, is the keeper.
        if known.keeper(instance) == pid:
            signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        pass
    finally:
        os.close(descriptor)


def _send(sock, message, descriptors=()):
    try:
        hostd_protocol.send(sock, message, descriptors)
    except OSError as e:
        LOG.info('An answer was not taken: %s', text.printable(e))


def _listen(options):
    """-> the listening socket, in the place of that of a service before."""
    path = hostd_protocol.path_of(options.run_dir)
    scratch = f'{path}.{os.getpid()}'
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    before = os.umask(0o177)
    try:
        listener.bind(scratch)
    finally:
        os.umask(before)
    # For the group of this user, of which nova-compute's is a member.
    os.chmod(scratch, 0o660)
    listener.listen(hostd_protocol.BACKLOG)
    listener.setblocking(False)
    # Nobody finds a path at which nobody listens.
    os.rename(scratch, path)
    return listener


def _tell_systemd(state):
    """sd_notify(3): systemd starts nova-compute when this one is ready."""
    path = os.environ.get('NOTIFY_SOCKET')
    if not path:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        try:
            sock.sendto(state.encode(),
                        '\0' + path[1:] if path[0] == '@' else path)
        except OSError as e:
            LOG.warning('systemd is not told that %s: %s', state,
                        text.printable(e))
